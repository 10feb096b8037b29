// The network of a box is a namespace with nothing in it but a loopback interface
// of its own, which is down at first. Programs that talk to themselves over
// localhost need it up; nothing leaves the box by it.
//
// Sources: netdevice(7), network_namespaces(7). The kernel gives it 127.0.0.1 and
// ::1 when it comes up (inetdev_event(), addrconf_notify()).
// Privilege: root, CAP_NET_ADMIN raised around the one call.
#pragma once

#include "sandbox/core/fail.h"

namespace milonga::core {

// In the box's own network namespace; reads back.
Fail raise_loopback();

}  // namespace milonga::core
