// What a container of ours is given, as data: each capability, network and
// setting with its reason, and the body of "create" that is made of them.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autodriver/options.h"
#include "base/result.h"
#include "queue/queue.h"

namespace milonga::runner {

struct CapabilityRow {
  const char* name;  // as Docker spells it
  const char* why;   // what autodriver-core does with it; the job itself has none
};
inline constexpr CapabilityRow kCapabilities[] = {
    {"CHOWN", "gives the job its home and work directory"},
    {"DAC_OVERRIDE", "makes them where the image's ~autograde belongs to a user of the image"},
    {"KILL", "ends processes of the job's uid"},
    {"SETGID", "takes the job's gid"},
    {"SETPCAP", "empties the job's bounding set"},
    {"SETUID", "takes the job's uid, which no other container of the host has"},
};

struct NetworkRow {
  Network asked;
  const char* mode;  // HostConfig.NetworkMode; nullptr: what the daemon's --docker-network says
  const char* why;
};
inline constexpr NetworkRow kNetworks[] = {
    {Network::none, "none",
     "autodriver's filter refuses all but AF_UNIX sockets; the container has none to offer either"},
    {Network::loopback, "none",
     "Docker's `none` is a network namespace with its own loopback and nothing else"},
    {Network::host, nullptr,
     "a container on the host's own network reaches what listens on its localhost, the Engine perhaps: "
     "never; "
     "a network of Docker's, and only where the daemon's owner has named one"},
};

// What autodriver itself needs beside the job.
inline constexpr std::uint64_t kOwnMemory =
    32 * kMiB;                                      // and the output limit, since it holds the output's end
inline constexpr std::uint64_t kOwnProcesses = 16;  // front, core, init, tracer, sweepers: at most 7 at once
// Where the host itself runs out of memory a job goes before the host's services.
inline constexpr int kOomScore = 500;
// All that a job can write to, each a tmpfs of the disk limit's size, charged to the memory limit;
// the image's own files below these are not seen. What else the image has, permissions and Landlock close.
struct WritableRow {
  const char* path;
  const char* mode;
};
inline constexpr WritableRow kWritable[] = {
    {"/home/autograde", "0755"}, {"/tmp", "1777"}, {"/var/tmp", "1777"}};

// The settings of a container that bound a job, to be compared with what is read back.
struct ContainerBounds {
  std::uint64_t memory = 0, processes = 0;
  std::int64_t nano_cpus = 0;
};
ContainerBounds bounds_of(const BoxOptions& box, double cpus);

struct ContainerPlan {
  std::string image;     // as the Engine knows it
  std::string network;   // of jobs that ask for the host's: a network of Docker's; empty: none is allowed
  double cpus = 0;       // 0: no limit
  std::string owner;     // of the spool: who may remove what is left
  std::string instance;  // the Vm's name
  std::uint64_t default_wall_s = 600;
};

inline constexpr const char* kLabelOwner = "milonga.owner";
inline constexpr const char* kLabelInstance = "milonga.instance";

// The body of POST /containers/create. Fails, naming the option, if the job asks
// for what does not exist or is not allowed: that is a refusal, not our fault.
Result<std::string> create_body(const queue::Claim& claim, const ContainerPlan& plan);

// The job's options with what the daemon adds. Fails like create_body.
Result<BoxOptions> container_options(const queue::Claim& claim, const ContainerPlan& plan);

// Whether the Engine can be asked for an image of that name: nothing of it is taken for a part of the
// request.
bool is_image_name(const std::string& name);

}  // namespace milonga::runner
