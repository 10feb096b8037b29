// autodriver-core: the only privileged program of Milonga. It takes one request
// of fixed size over inherited descriptors, builds a box, watches it, answers,
// and takes the box down. It has no options, no configuration to parse, no
// environment, no locale, no libraries but libc, linked statically.
//
// Exit status: 0 answered; 20 + step (sandbox/model/response.h) if it could not
// even answer, with one line on standard error.
//
// Reading order for an audit: this file, start, request, authority, box,
// supervise; then sandbox/core: privilege, slot, cgroup, root, init, identity.
//
// Privilege: setuid root, or root.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "autodriver/core/authority.h"
#include "autodriver/core/box.h"
#include "autodriver/core/request.h"
#include "autodriver/core/start.h"
#include "base/core/clock.h"
#include "sandbox/core/rootless.h"

namespace milonga::core {
namespace {

Request request;
Response response;

Fail serve(int argc) {
  Caller caller;
  Authority authority;
  MUST(take_control(argc, caller));
  MUST(read_request(request));
  if (!is_rootless()) {  // who has no more rights than the caller needs no permission
    MUST(read_authority(authority));
    MUST(allow(authority, caller, request));
  }
  response.step_ns[static_cast<std::size_t>(Step::start)] = now_ns() - response.began_ns;
  if (request.op == CoreOp::collect) {
    MUST(collect_slots(static_cast<std::uint32_t>(authority.uid_count)));
    response.verdict = Verdict::ok;
    return fine();
  }
  return Box(request, authority, response).run();
}

// What the world did not allow is a refusal; where we failed ourselves, or ran
// out of something for a moment, the job has not been judged and may be tried again.
Verdict verdict_of(const Fail& fail) {
  const bool ours = fail.step == Step::slot || fail.step == Step::spawn || fail.step >= Step::run;
  return ours ? Verdict::internal_error : Verdict::refused;
}

void record(const Fail& fail) {
  response.verdict = verdict_of(fail);
  response.failed_step = fail.step;
  response.failed_errno = fail.error;
  if (fail.what != response.failed_what) std::snprintf(response.failed_what, sizeof response.failed_what, "%s", fail.what);
}

}  // namespace
}  // namespace milonga::core

int main(int argc, char**) {
  using namespace milonga::core;
  response.began_ns = milonga::now_ns();
  const Fail fail = serve(argc);
  if (fail) record(fail);
  ::alarm(5);  // nobody who does not read keeps a process of root's: it counts against no limit of his
  if (has_owner() &&
      ::send(milonga::kFdControl, &response, sizeof response, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof response))
    return 0;
  if (!fail) return 0;  // the owner is gone, the box as well: nobody is left to tell
  std::fprintf(stderr, "autodriver-core: %s%s%s\n", fail.what, fail.error != 0 ? ": " : "",
               fail.error != 0 ? std::strerror(fail.error) : "");
  return milonga::kStepExitBase + static_cast<int>(fail.step);
}
