#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/vmm/ssh.h"

namespace milonga::runner {
namespace {

TEST(SshHost, IsReadInEveryForm) {
  const auto plain = parse_ssh_host("big.example");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->target, "big.example");
  EXPECT_EQ(plain->port, 0);
  EXPECT_EQ(plain->weight, 1);
  EXPECT_EQ(plain->socket, "/var/run/docker.sock");
  const auto all = parse_ssh_host("grader@10.0.0.1:2222/run/user/1000/docker.sock=3");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->target, "grader@10.0.0.1");
  EXPECT_EQ(all->port, 2222);
  EXPECT_EQ(all->weight, 3);
  EXPECT_EQ(all->socket, "/run/user/1000/docker.sock");
  const auto six = parse_ssh_host("u@[fe80::1]:22");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->target, "u@fe80::1");
  EXPECT_EQ(six->port, 22);
}

TEST(SshHost, CannotBecomeAnOptionOfSsh) {
  for (const char* text : {"",      "-oProxyCommand=x",
                           "u@",    "@h",
                           "-u@h",  "u@-h",
                           "h:0",   "h:65536",
                           "h:22x", "h=0",
                           "h=x",   "h:",
                           "[::1",  "[::1]22",
                           "h;id",  "h x",
                           "u v@h", "h/a b",
                           "h/a:b", "h$x"})
    EXPECT_FALSE(parse_ssh_host(text)) << text;
}

}  // namespace
}  // namespace milonga::runner
