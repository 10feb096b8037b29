// milonga-rest: Tango's REST API in front of a spool. Builds the parts, wires them, and serves.
//
// Exit status: 0 stopped as asked; 1 spool, course labs or address cannot be used; 64 usage.
//
// Privilege: none.
#include <fmt/format.h>

#include <csignal>
#include <cstring>

#include "queue/spool.h"
#include "rest/courselabs.h"
#include "base/log.h"
#include "rest/options.h"
#include "rest/server.h"
#include "rest/tango_api.h"

namespace milonga::rest {
namespace {

constexpr int kUsage = 64;

Result<void> serve(const ServerOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  QueuePool queue([&] {
    queue::SpoolOptions spool;
    spool.path = options.spool;
    spool.create = true;  // whoever comes first, daemon or server, makes it
    spool.allow_volatile = options.allow_volatile;
    return queue::open_spool(std::move(spool));
  });
  TRY(queue.use([](queue::Queue& q) { return q.stats(); }));  // what cannot be used is known before anybody asks
  const auto labs = TRY(CourseLabs::open(options.courselabs));
  TangoApi api(options, *labs, queue);
  ServerLimits limits;
  limits.threads = options.threads;
  limits.connections = options.max_connections;
  Server server(api, limits);
  TRY(server.listen(options.address, options.port));
  for (const std::string& note : options.notes) log(Level::warning, note);
  log(Level::info, fmt::format("ready: listening on {}:{}, spool {}, course labs {}", options.address,
                               server.port(), options.spool, options.courselabs));
  server.run();
  log(Level::info, "stopped");
  return {};
}

// What --key says is seen by everyone in /proc; at least not for longer than it takes to read it.
void hide_keys(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    char* value = std::strncmp(argv[i], "--key=", 6) == 0 ? argv[i] + 6 : nullptr;
    if (i > 1 && std::strcmp(argv[i - 1], "--key") == 0) value = argv[i];
    if (value != nullptr) std::memset(value, '*', std::strlen(value));
  }
}

}  // namespace
}  // namespace milonga::rest

int main(int argc, char** argv) {
  using namespace milonga::rest;
  using milonga::write_line;
  const auto options = parse_server_options(argc, argv);
  hide_keys(argc, argv);
  if (!options) {
    write_line("milonga-rest: " + options.error().line());
    return kUsage;
  }
  if (options->print) {
    fmt::print("{}", *options->print);
    return 0;
  }
  if (auto served = serve(*options); !served) {
    write_line("milonga-rest: " + served.error().line());
    return 1;
  }
  return 0;
}
