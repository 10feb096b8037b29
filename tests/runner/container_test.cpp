// What a container is asked for: each limit of the job, and nothing of the job's or image's choosing.
#include "runner/vmm/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace milonga::runner {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

json::value body_of(std::map<std::string, std::string> options, const std::string& network = "") {
  queue::Claim claim;
  claim.job.directory = "lab";
  claim.job.options = std::move(options);
  claim.job.command = {"sh", "-c", "true"};
  const auto body = create_body(claim, {"image", network, 0.5, "owner", "instance", 600});
  return body ? json::parse(*body) : json::value(body.error().line());
}

TEST(Container, HasEveryLimitOfItsJob) {
  const json::value host =
      body_of({{"memory", "100M"}, {"output", "1M"}, {"pids", "50"}, {"disk", "7M"}, {"inodes", "999"}})
          .at("HostConfig");
  EXPECT_EQ(host.at("Memory"), (100 << 20) + (1 << 20) + kOwnMemory);
  EXPECT_EQ(host.at("MemorySwap"), host.at("Memory"));
  EXPECT_EQ(host.at("PidsLimit"), 50 + kOwnProcesses);
  EXPECT_EQ(host.at("NanoCpus"), 500'000'000);
  EXPECT_EQ(host.at("ShmSize"), 7 << 20);
  for (const char* place : {"/home/autograde", "/tmp", "/var/tmp"})
    EXPECT_THAT(std::string(host.at("Tmpfs").at(place).get_string()),
                ::testing::AllOf(HasSubstr("size=7340032"), HasSubstr("nr_inodes=999"), HasSubstr("nosuid")));
}

TEST(Container, HasNoRightThatIsNotInTheTable) {
  const json::value body = body_of({});
  const json::value host = body.at("HostConfig");
  EXPECT_EQ(host.at("CapDrop"), json::array{"ALL"});
  EXPECT_EQ(host.at("CapAdd").as_array().size(), std::size(kCapabilities));
  EXPECT_EQ(host.at("SecurityOpt"), json::array{"no-new-privileges:true"});
  EXPECT_EQ(host.at("NetworkMode"), "none");
  for (const char* never : {"Privileged", "Binds", "Mounts", "Devices", "PidMode", "UsernsMode"})
    EXPECT_FALSE(host.as_object().contains(never)) << never;
  EXPECT_EQ(body.at("Healthcheck").at("Test"), json::array{"NONE"});
  EXPECT_EQ(body.at("Entrypoint").as_array().size(), 1u);
}

TEST(Container, TheHostsNetworkIsForThoseWhoAreAllowedOne) {
  const json::value refused = body_of({{"network", "host"}});
  ASSERT_TRUE(refused.is_string());
  EXPECT_THAT(std::string(refused.get_string()), HasSubstr("--docker-network"));
  EXPECT_EQ(body_of({{"network", "host"}}, "bridge").at("HostConfig").at("NetworkMode"), "bridge");
  EXPECT_EQ(body_of({{"network", "loopback"}}, "bridge").at("HostConfig").at("NetworkMode"), "none");
}

TEST(Container, NamesOfImagesAreNothingElse) {
  for (const char* name : {"debian", "debian:12-slim", "host.example:5000/course/lab@sha256:00ff", "a_b.c-d"})
    EXPECT_TRUE(is_image_name(name)) << name;
  for (const char* name : {"", "/etc", "../x", "a/../b", "a b", "a?all=1", "a#b", "a%2e", "-x", ".x", "a\nb"})
    EXPECT_FALSE(is_image_name(name)) << name;
}

}  // namespace
}  // namespace milonga::runner
