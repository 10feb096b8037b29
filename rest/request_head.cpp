#include "rest/request_head.h"

#include <boost/beast/http/error.hpp>
#include <optional>

namespace milonga::rest {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

std::optional<std::string> header(const http::fields& fields, std::string_view name) {
  const auto found = fields.find({name.data(), name.size()});
  return found == fields.end() ? std::nullopt : std::optional(std::string(found->value()));
}

}  // namespace

RequestHead head_of(const http::request_header<>& message, const std::string& peer) {
  RequestHead head;
  head.peer = peer;
  head.authorization = header(message, "Authorization").value_or("");
  head.last_event_id = header(message, "Last-Event-ID").value_or("");
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.filename = header(message, "Filename");
  head.image_name = header(message, "imageName");
  head.if_none_match = header(message, "If-None-Match").value_or("");
  return head;
}

unsigned status_of(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_version) return 505;
  return 400;
}

bool is_of_http(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_target).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

}  // namespace milonga::rest
