// milonga-rest's command line, with Tango's config.py and environment below it.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rest/keyring.h"
#include "rest/listener.h"

namespace milonga::rest {

struct ServerOptions {
  std::string spool = "/var/spool/milonga";
  std::string courselabs = "courselabs";
  std::vector<ListenAddress> listen;  // one at least
  std::string tls_certificate, tls_key;  // PEM files
  Keyring keys;           // all
  Keyring keys_not_filed;  // of these what did not come from key_file
  std::string key_file;   // empty: none
  double rate = 50;       // requests/s of one key under /v1, in the long run
  // Tango's image name -> the job's: "default", a name or a directory. "*" stands for any other.
  std::map<std::string, std::string> images{{"default", "default"}};
  // autodriver's options of every job, such as pids or memory: what the job says itself comes first.
  std::map<std::string, std::string> job_options;
  bool host_network = false;  // of jobs that do not disable the network
  std::int64_t default_timeout_s = 60;
  std::uint64_t max_output = 1000 * 1024;
  std::uint64_t max_upload = 10ull << 30;
  std::uint64_t max_waiting = 100'000;
  std::size_t threads = 32;
  std::size_t max_connections = 10'000;
  bool allow_volatile = false;
  std::vector<std::string> notes;    // for the log
  std::optional<std::string> print;  // --help, --version: print this and exit with 0
};

// Fails with one line that names the option.
Result<ServerOptions> parse_server_options(int argc, const char* const* argv);

}  // namespace milonga::rest
