// What this host can enforce, found by doing what is harmless: namespaces are
// made and dropped again, system calls tried with arguments that do nothing.
// Nothing is changed on the host. A box that is really built (doctor does it)
// says more; this says why, when none can be.
//
// Privilege: none needed; more is found with root's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/model/evidence.h"

namespace milonga {

struct ControllerProbe {
  std::string name;  // "memory"
  std::string path;  // where its hierarchy is mounted; empty: nowhere
  int version = 0;   // 1 or 2; 0 if it is not mounted
};

struct NamespaceProbe {
  std::string name;  // "mnt"
  int error = 0;     // errno of making one; 0: it can be made. EPERM without root is no fault of the kernel
};

struct HostProbe {
  std::vector<ControllerProbe> controllers;  // memory, pids, cpuacct (v1), cpu (v2)
  std::vector<NamespaceProbe> namespaces;
  std::vector<std::string> missing_calls;  // of the kernel's, that boxes are built with
  bool seccomp_filter = false;
  bool cgroup2_tree = false;     // there is a v2 tree at all, with or without controllers
  std::string capabilities;      // of this process, as cap_to_text(3) writes them
  bool may_build_boxes = false;  // has all capabilities that autodriver-core uses
  std::uint64_t swap_bytes = 0;
  std::string core_pattern;  // of the host, core(5); "|..." starts a program of the host, as root
  std::string kernel;        // release, for people; nothing is decided by it
};

HostProbe probe_host();

// What one demand can reach here at best, and by what.
struct DemandProbe {
  Demand demand;
  Rung rung;
  Mechanism mechanism;
  std::string hint;  // how to get a higher rung; empty if there is none
};

// One row per demand, from what was found. Assumes that autodriver-core has its privileges.
std::vector<DemandProbe> expected_rungs(const HostProbe& host);

}  // namespace milonga
