// Which part of the server a path belongs to: /v1/ is our own API (v1_api.h),
// /ui the status page (ui.h), all else Tango's.
//
// Privilege: none.
#pragma once

#include "rest/tango_api.h"
#include "rest/ui.h"
#include "rest/v1_api.h"

namespace milonga::rest {

class Router : public Service {
 public:
  Router(TangoApi& tango, V1Api& v1, Ui& ui) : tango_(tango), v1_(v1), ui_(ui) {}
  Plan begin(const RequestHead& head) override {
    const std::string& target = head.target;
    if (target.starts_with("/v1/")) return v1_.begin(head);
    const bool ui = target == "/ui" || target.starts_with("/ui/") || target.starts_with("/ui?");
    return ui ? ui_.begin(head) : tango_.begin(head);
  }

 private:
  TangoApi& tango_;
  V1Api& v1_;
  Ui& ui_;
};

}  // namespace milonga::rest
