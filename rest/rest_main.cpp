// milonga-rest: Tango's REST API in front of a spool. Builds the parts, wires them, and serves.
//
// Exit status: 0 stopped as asked; 1 spool, course labs or address cannot be used; 64 usage.
//
// Privilege: none.
#include <fmt/format.h>
#include <malloc.h>

#include <csignal>
#include <cstring>

#include "queue/spool.h"
#include "rest/courselabs.h"
#include "base/log.h"
#include "rest/options.h"
#include "rest/router.h"
#include "rest/server.h"

namespace milonga::rest {
namespace {

constexpr int kUsage = 64;

// On SIGHUP. What cannot be read leaves everything as it was.
void read_again(const ServerOptions& options, KeysInForce& keys, Server& server) {
  Keyring now = options.keys_not_filed;
  Result<void> read;
  if (!options.key_file.empty()) read = now.add_file(options.key_file);
  if (read && !options.key_file.empty()) keys.replace(std::move(now));
  if (read && !options.tls_certificate.empty()) read = server.use_tls(options.tls_certificate, options.tls_key);
  log(read ? Level::info : Level::error, read ? "keys and certificate are read again" : read.error().line());
}

Result<void> serve(const ServerOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  ::mallopt(M_ARENA_MAX, 2);  // else each of the workers keeps as much as its largest list took
  QueuePool queue([&] {
    queue::SpoolOptions spool;
    spool.path = options.spool;
    spool.create = true;  // whoever comes first, daemon or server, makes it
    spool.allow_volatile = options.allow_volatile;
    return queue::open_spool(std::move(spool));
  });
  TRY(queue.use([](queue::Queue& q) { return q.stats(); }));  // what cannot be used is known before anybody asks
  const auto labs = TRY(CourseLabs::open(options.courselabs));
  KeysInForce keys(options.keys);
  TangoApi tango(options, keys, *labs, queue);
  V1Api v1(options, keys, *labs, queue, tango);
  Ui ui(keys, *labs, queue, tango);
  Router api(tango, v1, ui);
  ServerLimits limits;
  limits.threads = options.threads;
  limits.connections = options.max_connections;
  Server server(api, limits);
  if (!options.tls_certificate.empty()) TRY(server.use_tls(options.tls_certificate, options.tls_key));
  std::vector<std::string> doors;
  for (const ListenAddress& where : options.listen) {
    Listener listener = TRY(Listener::open(where));
    doors.push_back(listener.shown());
    TRY(server.listen(std::move(listener)));
  }
  for (const std::string& note : options.notes) log(Level::warning, note);
  server.on_hangup([&] { read_again(options, keys, server); });
  log(Level::info, fmt::format("ready: listening on {}, spool {}, course labs {}", fmt::join(doors, ", "), options.spool,
                               options.courselabs));
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
