// What comes over a connection, piece by piece, as session.cpp reads it: Beast's parser
// with our limits, and what we make of a request's head.
//
// Input: a byte for the size of the pieces, then the bytes.
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <string>

#include "rest/name.h"
#include "rest/request_head.h"
#include "rest/route.h"
#include "tests/fuzz/fuzz.h"

namespace milonga::rest {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kHeadLimit = 16 * 1024;

// Reads requests, one after the other; false: the connection is over.
bool read_one(std::string& waiting, std::string_view& coming, std::size_t piece) {
  http::request_parser<http::buffer_body> parser;
  parser.header_limit(kHeadLimit);
  parser.body_limit(boost::none);
  char body[512];
  std::size_t of_head = 0;
  std::uint64_t of_body = 0;
  boost::system::error_code error;
  while (!parser.is_done()) {
    if (parser.is_header_done()) {
      parser.get().body().data = body;
      parser.get().body().size = sizeof body;
      parser.get().body().more = true;
    }
    const bool had_head = parser.is_header_done();
    const std::size_t used = parser.put(boost::asio::buffer(waiting), error);
    fuzz::hold(used <= waiting.size(), "no more is taken than there is");
    waiting.erase(0, used);
    if (!had_head) of_head += used;
    if (had_head) of_body += sizeof body - parser.get().body().size;
    fuzz::hold(of_head <= kHeadLimit + 512, "a head is bounded");
    if (error == http::error::need_buffer) error = {};
    if (error && error != http::error::need_more) {
      if (is_of_http(error)) fuzz::hold(status_of(error) >= 400 && status_of(error) < 600, "bad HTTP has a status");
      return false;
    }
    if (parser.is_header_done() && !had_head) {
      const RequestHead head = head_of(parser.get(), "peer");
      fuzz::hold(!head.target.empty(), "a request names something");
      fuzz::hold(head.target.find_first_of(" \r\n") == std::string::npos, "a target is one word");
      const Route route = parse_route(head.method, head.target);
      fuzz::hold(route.name.empty() == (route.call == Call::not_found), "each call has its name");
      if (head.filename) fuzz::hold(head.filename->find('\n') == std::string::npos, "a header is one line");
      continue;
    }
    if (used > 0 && !waiting.empty()) continue;
    if (coming.empty()) return false;
    waiting += coming.substr(0, piece);
    coming.remove_prefix(std::min(piece, coming.size()));
  }
  if (const auto length = parser.content_length()) fuzz::hold(of_body <= *length, "a body is as long as it said");
  return true;
}

}  // namespace
}  // namespace milonga::rest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view coming = milonga::fuzz::text_of(data + 1, size - 1);
  std::string waiting;
  while (milonga::rest::read_one(waiting, coming, data[0] + 1u)) continue;
  return 0;
}
