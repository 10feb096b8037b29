// Reads the request and believes nothing of it: each field is checked again on
// this side, whatever the front has checked.
//
// Privilege: root; no capability raised.
#pragma once

#include "sandbox/core/fail.h"
#include "sandbox/model/request.h"

namespace milonga::core {

// Copies the request out of the sealed memfd at kFdRequest. Fails on a
// descriptor that is not sealed against writing, shrinking and growing (it could
// change between check and use), a wrong size, or any field out of its range.
Fail read_request(Request& request);

// Whether the control socket is one of a pair, without a name: a service that
// trusts uid 0 must not get our answer as a message of root's.
bool has_owner();

// Pure: the checks of every field.
Fail check_request(const Request& request);

}  // namespace milonga::core
