// What Beast's parser took from a connection, in our own words.
//
// Privilege: none. Pure.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>
#include <string>

#include "rest/http.h"

namespace milonga::rest {

RequestHead head_of(const boost::beast::http::request_header<>& message, const std::string& peer);

// Whether the peer's bytes are no HTTP; else the connection is gone.
bool is_of_http(const boost::system::error_code& error);
// What a request that HTTP itself forbids gets, before its connection is closed.
unsigned status_of(const boost::system::error_code& error);

}  // namespace milonga::rest
