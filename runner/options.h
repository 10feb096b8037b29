// What milongad was told: by its command line, else its config file (config.h),
// else as settings.h says.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "runner/callbacks.h"
#include "runner/vmm/exec.h"
#include "runner/vmm/docker.h"
#include "runner/vmm/ssh.h"

namespace milonga::runner {

struct DaemonOptions {
  std::string spool = "/var/spool/milonga";
  std::string driver = "local";
  std::size_t slots = 1;
  std::size_t warm = 1;  // boxes made ahead
  std::chrono::milliseconds grace{10'000};
  std::chrono::seconds default_wall{600};
  std::string autodriver;  // default: beside this program
  DockerSetting docker;
  SshSetting ssh;
  ExecSetting exec;
  bool allow_volatile = false;
  CallbackOptions callbacks;
  std::string metrics_listen;  // StatusServer's `where`; empty: nowhere
  bool check = false;
  std::string config;         // the file that was read; empty: there is none
  bool check_config = false;  // only look whether it is right
  std::optional<std::string> print;  // --help, --version: print this and exit with 0
};

// Fails with one line that names the option, or the config's file, line and key.
Result<DaemonOptions> parse_daemon_options(int argc, const char* const* argv);

}  // namespace milonga::runner
