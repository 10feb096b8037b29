#include "runner/about.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <climits>

namespace milonga::runner {

namespace json = boost::json;

std::string about_json(const DaemonOptions& options) {
  char host[HOST_NAME_MAX + 1] = {};
  (void)::gethostname(host, sizeof host - 1);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  json::object about{{"host", host},
                     {"pid", ::getpid()},
                     {"version", MILONGA_VERSION},
                     {"driver", options.driver},
                     {"slots", options.slots},
                     {"since_ms", std::chrono::duration_cast<std::chrono::milliseconds>(now).count()}};
  if (options.driver == "local") about["warm"] = options.warm;
  if (options.driver == "ssh") {
    json::array places;
    for (const SshHost& place : options.ssh.hosts)
      places.push_back({{"name", place.shown}, {"weight", place.weight}});
    about["places"] = std::move(places);
  }
  return json::serialize(about);
}

}  // namespace milonga::runner
