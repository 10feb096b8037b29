// Which call of Tango's API a request is: method and target to a Route.
//
//   /open/KEY/COURSELAB/    each with or without the last slash: Tango needs it,
//   /poll/KEY/LAB/FILE      Autolab leaves it out here
//
// Components are split at '/' as sent, then percent-decoded, so a name may hold
// '/' only as %2F; whether it may hold one at all is decided where it is used.
//
// Privilege: none. Pure.
#pragma once

#include <string>
#include <string_view>

namespace milonga::rest {

enum class Call {
  not_found,           // 404
  method_not_allowed,  // 405
  hello,
  open,
  upload,
  add_job,
  poll,
  partial_output,
  info,
  jobs,
  pool,
  prealloc,
  build,
  cancel,  // this and the next: additions of the 15-411 fork
  scale,
};

struct Route {
  Call call = Call::not_found;
  std::string name;  // of the call, as in the path: for the log; empty for not_found
  std::string key;
  std::string courselab;     // open, upload, addJob, poll, cancel
  std::string file;          // poll, cancel: the output file, decoded once
  std::string image;         // pool (may be empty), prealloc
  std::string number;        // prealloc NUM, getPartialOutput JOBID, jobs DEADJOBS, scale LOW
  std::string most;          // scale MAX
  bool in_progress = false;  // poll?inprogress=1
};

Route parse_route(std::string_view method, std::string_view target);

// %41 -> A. What is no escape stays as it is, as in Python's unquote().
std::string percent_decode(std::string_view text);

}  // namespace milonga::rest
