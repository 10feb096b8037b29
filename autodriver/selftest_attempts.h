// What `autodriver selftest` lets loose in its boxes: for each demand a program
// that tries to do what the demand forbids. It is bounded by itself, by counts and
// sizes a little above the limit, so that it harms nothing where a box fails.
//
// It prints `ESCAPED what` for each success, and `SEEN what` for what it could look
// at but not touch; its last line is `done`.
//
// Privilege: job.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace milonga {

// The limits of the boxes, and what is tried: more than that.
inline constexpr std::uint64_t kTrialMemory = 64ull << 20, kTrialDisk = 96ull << 20, kTrialFile = 16ull << 20;
inline constexpr std::uint64_t kTrialOutput = 64ull << 10;
inline constexpr int kTrialProcesses = 16, kTrialInodes = 64, kTrialOpenFiles = 32;

// What stands outside of the boxes, to be looked for: `marks` in this order.
struct Planted {
  std::string file;      // readable for all
  std::string process;   // the name of a process (prctl(PR_SET_NAME))
  std::string port;      // a listener on 127.0.0.1
  std::string abstract;  // one on an abstract unix socket
  std::string shm_key;   // a System V segment, readable for all
  [[nodiscard]] std::vector<std::string> words() const { return {file, process, port, abstract, shm_key}; }
  static Planted from(const std::vector<std::string>& words) {
    return {words.at(0), words.at(1), words.at(2), words.at(3), words.at(4)};
  }
};

// Runs in the box. The exit status is the command's.
int attempt_in_box(const std::string& name, const Planted& planted);

}  // namespace milonga
