#include "runner/vmm/container.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "runner/vmm/job_box.h"
#include "runner/vmm/job_tar.h"

namespace milonga::runner {
namespace {

namespace json = boost::json;

Result<std::string> network_mode(Network asked, const std::string& of_the_daemon) {
  for (const NetworkRow& row : kNetworks) {
    if (row.asked != asked) continue;
    if (row.mode != nullptr) return std::string(row.mode);
    if (!of_the_daemon.empty()) return of_the_daemon;
  }
  return fail("--network: this daemon gives containers no network", "it would with --docker-network NAME");
}

json::object labels(const queue::Claim& claim, const ContainerPlan& plan) {
  return {{kLabelOwner, plan.owner},
          {kLabelInstance, plan.instance},
          {"milonga.job", std::to_string(claim.job.id)},
          {"milonga.attempt", std::to_string(claim.attempt)},
          {"milonga.submitter", claim.job.submitter}};
}

json::object tmpfs(const Limits& limits) {
  json::object all;
  for (const WritableRow& row : kWritable)
    all[row.path] = fmt::format("rw,nosuid,nodev,exec,mode={},size={},nr_inodes={}", row.mode,
                                limits[LimitId::disk], limits[LimitId::inodes]);
  return all;
}

json::array capabilities() {
  json::array names;
  for (const CapabilityRow& row : kCapabilities) names.emplace_back(row.name);
  return names;
}

// Not here: ReadonlyRootfs, since the Engine then refuses to copy files in; what
// a read-only root would forbid, the job's uid and Landlock forbid already.
json::object host_config(const BoxOptions& box, const ContainerPlan& plan, const std::string& network) {
  const ContainerBounds bounds = bounds_of(box, plan.cpus);
  return {
      {"Memory", bounds.memory},
      {"MemorySwap", bounds.memory},  // the sum of both: no swap
      {"NanoCpus", bounds.nano_cpus},
      {"PidsLimit", bounds.processes},
      {"ShmSize", box.limits[LimitId::disk]},
      {"OomScoreAdj", kOomScore},
      {"NetworkMode", network},
      {"IpcMode", "private"},
      {"CapDrop", json::array{"ALL"}},
      {"CapAdd", capabilities()},
      {"SecurityOpt", json::array{"no-new-privileges:true"}},
      {"Tmpfs", tmpfs(box.limits)},
      {"Init", false},                                // autodriver reaps
      {"LogConfig", json::object{{"Type", "none"}}},  // the output goes to us, and to no disk of the host's
      {"RestartPolicy", json::object{{"Name", "no"}}}};
}

json::array arguments(const queue::Claim& claim, BoxOptions box) {
  box.image = "default";  // which is the container's own
  json::array all{"--require", "container", "--stream", "--report", "/dev/stderr"};
  for (const std::string& argument : autodriver_arguments(box)) all.emplace_back(argument);
  all.emplace_back(fmt::format("{}/input/{}", kInjected, claim.job.directory));
  if (claim.job.command.empty()) return all;
  all.emplace_back("--command");
  all.emplace_back("--");
  for (const std::string& word : claim.job.command) all.emplace_back(word);
  return all;
}

}  // namespace

ContainerBounds bounds_of(const BoxOptions& box, double cpus) {
  return {box.limits[LimitId::memory] + box.limits[LimitId::output] + kOwnMemory,
          box.limits[LimitId::processes] + kOwnProcesses, static_cast<std::int64_t>(cpus * 1e9)};
}

Result<BoxOptions> container_options(const queue::Claim& claim, const ContainerPlan& plan) {
  return box_of(claim.job, "default", std::chrono::seconds(plan.default_wall_s));
}

Result<std::string> create_body(const queue::Claim& claim, const ContainerPlan& plan) {
  const BoxOptions box = TRY(container_options(claim, plan));
  const std::string network = TRY(network_mode(box.network, plan.network));
  return json::serialize(json::object{
      {"Image", plan.image},
      {"Entrypoint", json::array{std::string(kInjected) + "/autodriver"}},
      {"Cmd", arguments(claim, box)},
      {"User", "0:0"},  // whatever the image says: autodriver-core is root there, the job is not
      {"WorkingDir", "/"},
      {"AttachStdout", true},
      {"AttachStderr", true},
      {"StopSignal", "SIGTERM"},
      {"Healthcheck",
       json::object{{"Test", json::array{"NONE"}}}},  // the image's would run beside the job, as root
      {"Labels", labels(claim, plan)},
      {"HostConfig", host_config(box, plan, network)}});
}

bool is_image_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._:/@-").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 255 && name.front() != '/' && name.front() != '.' &&
         name.front() != '-' && name.find("..") == std::string::npos &&
         std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace milonga::runner
