// Which part of the server a path belongs to: /v1/ is our own API (v1_api.h), all else Tango's.
//
// Privilege: none.
#pragma once

#include "rest/tango_api.h"
#include "rest/v1_api.h"

namespace milonga::rest {

class Router : public Service {
 public:
  Router(TangoApi& tango, V1Api& v1) : tango_(tango), v1_(v1) {}
  Plan begin(const RequestHead& head) override {
    return head.target.starts_with("/v1/") ? v1_.begin(head) : tango_.begin(head);
  }

 private:
  TangoApi& tango_;
  V1Api& v1_;
};

}  // namespace milonga::rest
