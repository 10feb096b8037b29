// What the front (autodriver) hands to the privileged program (autodriver-core):
// one struct of fixed size in a memfd sealed against writing, shrinking and
// growing, and a few descriptors at fixed numbers. No text is parsed with
// privilege; every field is range-checked again on the privileged side
// (autodriver/core/request.cpp).
//
// Privilege: any (plain data).
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sandbox/model/evidence.h"
#include "sandbox/model/limits.h"

namespace milonga {

// Descriptors that autodriver-core finds at its start. All others are closed.
enum CoreFd : int {
  kFdRequest = 3,  // memfd with the Request, sealed
  kFdControl = 4,  // SOCK_SEQPACKET socket: core sends one Response; front sends one byte to cancel;
                   // end of file = the owner is gone, the box is killed and removed
  kFdOutput = 5,   // write end of the pipe that becomes stdout and stderr of the job
  kFdInput = 6,    // read end of the input stream (input_stream.h); with kHasInput
  kFdImage = 7,    // directory of the image (O_PATH); with kHasImage, else the host's own system
  // Without root, with kHasCgroups: directories in which the caller may make
  // groups. Those that there are not stay closed.
  kFdCgroupV2 = 8,
  kFdCgroupV1 = 9,  // and the next two: memory, pids, cpuacct
  kFdLast = 11,
};

enum class CoreOp : std::uint32_t {
  run = 1,      // build a box, run the command, answer, remove the box
  collect = 2,  // remove what dead supervisors left behind, and our empty directories
};

enum RequestFlag : std::uint32_t {
  kHasInput = 1u << 0,
  kHasImage = 1u << 1,
  kHostNetwork = 1u << 2,       // share the host's network namespace; refused unless allowed to the caller
  kProcessLimitFatal = 1u << 3, // a refused fork ends the run with process_limit
  kHasCgroups = 1u << 4,        // refused with privilege: where the groups of others' jobs go is not the caller's say
  kLoopback = 1u << 5,          // the box's own network has its loopback interface up
};

inline constexpr std::uint32_t kRequestMagic = 0x4d4c4751;  // "MLGQ"
inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::size_t kMaxFilter = 1024;  // BPF instructions
inline constexpr std::size_t kMaxStrings = 16384;
inline constexpr std::size_t kMaxArgs = 256;
inline constexpr std::size_t kMaxWorkName = 128;

struct Request {
  std::uint32_t magic = kRequestMagic;
  std::uint32_t version = kProtocolVersion;
  CoreOp op = CoreOp::run;
  std::uint32_t flags = 0;
  Limits limits;  // `output` is the front's own and is only carried for the evidence
  Rung require[kDemandCount] = {};  // the lowest rung that will do; less is a refusal
  char work_name[kMaxWorkName] = {};  // one path component: the job runs in /home/autograde/<work_name>
  std::uint32_t argc = 0;
  std::uint32_t envc = 0;
  std::uint32_t strings_size = 0;     // bytes of `strings` in use
  std::uint32_t filter_size = 0;      // instructions of `filter` in use; 0 = no filter
  char strings[kMaxStrings] = {};     // argc arguments, then envc NAME=VALUE, each ended by NUL
  sock_filter filter[kMaxFilter] = {};
};
static_assert(std::is_trivially_copyable_v<Request>);

}  // namespace milonga
