// What doctor makes of a host that it was told of.
#include "cli/doctor_checks.h"

#include <gtest/gtest.h>

namespace milonga::cli {
namespace {

Check check(const HostProbe& host, const std::string& name) {
  Arguments arguments;
  arguments.spool = "/nowhere";
  for (const Check& found : check_host(host, "", "/usr/bin/make\n", arguments))
    if (found.name == name) return found;
  ADD_FAILURE() << "nothing is said of " << name;
  return {};
}

TEST(DoctorChecks, ACoreDumpThatIsPipedToAProgramIsToldWithItsName) {
  HostProbe host;
  host.core_pattern = "core";
  EXPECT_EQ(check(host, "core dumps").level, Check::Level::good);
  host.core_pattern = "|/usr/lib/systemd/systemd-coredump";
  const Check piped = check(host, "core dumps");
  EXPECT_EQ(piped.level, Check::Level::note);
  EXPECT_NE(piped.what.find(" /usr/lib/systemd/systemd-coredump "), std::string::npos) << piped.what;
  EXPECT_FALSE(piped.hint.empty());
}

TEST(DoctorChecks, AKernelThatLacksSomethingIsWeakAndSaysWhat) {
  HostProbe host;
  host.seccomp_filter = true;
  EXPECT_EQ(check(host, "kernel").level, Check::Level::good);
  host.missing_calls = {"openat2"};
  host.namespaces = {{"mnt", EPERM}, {"pid", EINVAL}};
  const Check kernel = check(host, "kernel");
  EXPECT_EQ(kernel.level, Check::Level::weak);
  EXPECT_NE(kernel.what.find("lacks openat2 pid-namespace"), std::string::npos) << kernel.what;
}

TEST(DoctorChecks, AToolThatTheBoxDidNotFindIsNamed) {
  EXPECT_NE(check(HostProbe{}, "tools").what.find("no gcc"), std::string::npos);
}

TEST(DoctorChecks, AHostWithoutControllersIsWeak) {
  EXPECT_EQ(check(HostProbe{}, "cgroups").level, Check::Level::weak);
}

}  // namespace
}  // namespace milonga::cli
