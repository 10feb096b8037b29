#include "sandbox/probe.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace milonga {
namespace {

ino_t namespace_of(const char* name) {
  struct stat info {};
  return ::stat((std::string("/proc/self/ns/") + name).c_str(), &info) == 0 ? info.st_ino : 0;
}

TEST(Probe, LeavesTheNamespacesOfThisProcessAlone) {
  const char* kinds[] = {"mnt", "pid_for_children", "ipc", "uts", "net", "cgroup"};
  std::vector<ino_t> before, after;
  for (const char* kind : kinds) before.push_back(namespace_of(kind));
  (void)probe_host();
  for (const char* kind : kinds) after.push_back(namespace_of(kind));
  EXPECT_EQ(before, after);
  EXPECT_EQ(std::count(before.begin(), before.end(), ino_t{0}), 0);
}

TEST(Probe, OfThisHostFindsItsSystemCallsAndControllersWhereTheyAre) {
  const HostProbe host = probe_host();
  EXPECT_TRUE(host.seccomp_filter);
  EXPECT_EQ(host.missing_calls, std::vector<std::string>{});
  for (const ControllerProbe& c : host.controllers) {
    struct stat info {};
    if (c.version == 0) continue;
    EXPECT_EQ(::stat(c.path.c_str(), &info), 0) << c.name;
  }
  for (const NamespaceProbe& n : host.namespaces)
    EXPECT_EQ(n.error, host.may_build_boxes ? 0 : EPERM) << n.name;
}

TEST(ExpectedRungs, AreOnePerDemandInTheirOrderEachWithAHintIfItCanBeBetter) {
  for (const HostProbe& host : {probe_host(), HostProbe{}}) {
    const auto rows = expected_rungs(host);
    ASSERT_EQ(rows.size(), kDemandCount);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(static_cast<std::size_t>(rows[i].demand), i);
      EXPECT_EQ(rows[i].rung == Rung::exact, rows[i].hint.empty()) << demand_name(rows[i].demand);
      EXPECT_EQ(rows[i].rung == Rung::none, rows[i].mechanism == Mechanism::none)
          << demand_name(rows[i].demand);
    }
  }
}

TEST(ExpectedRungs, WithoutControllersPromiseNoCpuMemoryOrProcessLimit) {
  HostProbe host = probe_host();
  host.controllers.clear();
  const auto rows = expected_rungs(host);
  for (Demand d : {Demand::cpu, Demand::memory, Demand::processes})
    EXPECT_EQ(rows[static_cast<std::size_t>(d)].rung, Rung::none) << demand_name(d);
}

TEST(ExpectedRungs, WithSwapThatMemoryCannotForbidAreOnlyBounded) {
  HostProbe host;
  host.controllers = {{"memory", "/nowhere", 1}};
  host.swap_bytes = 1;
  EXPECT_EQ(expected_rungs(host)[static_cast<std::size_t>(Demand::swap)].rung, Rung::bounded);
  host.swap_bytes = 0;
  EXPECT_EQ(expected_rungs(host)[static_cast<std::size_t>(Demand::swap)].mechanism,
            Mechanism::no_swap_present);
}

}  // namespace
}  // namespace milonga
