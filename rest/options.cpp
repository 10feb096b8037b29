#include "rest/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdlib>
#include <sstream>

#include "base/nearest.h"
#include "base/size.h"
#include "rest/name.h"
#include "rest/tango_config.h"

namespace milonga::rest {
namespace {

namespace po = boost::program_options;

constexpr std::uint64_t kLeastOutput = 64, kMostOutput = 1ull << 30;  // as in sandbox/model/limits.h
constexpr std::uint64_t kMostUpload = 1ull << 40;

po::options_description describe() {
  const auto one = [](const char* shown) { return po::value<std::string>()->value_name(shown); };
  const auto many = [](const char* shown) {
    return po::value<std::vector<std::string>>()->value_name(shown);
  };
  po::options_description d("Options");
  d.add_options()                                                                                       //
      ("spool", one("DIR"), "the queue (default /var/spool/milonga, or MILONGA_SPOOL)")                 //
      ("courselabs", one("DIR"), "uploaded files and feedback (default: courselabs)")                   //
      ("listen", many("WHERE"), "ADDR:PORT, tls:ADDR:PORT or unix:PATH (default 127.0.0.1:3000)")       //
      ("tls-certificate", one("FILE"), "certificate and those between it and the root, PEM")            //
      ("tls-key", one("FILE"), "the certificate's private key, PEM")                                    //
      ("key", many("KEY"), "a key of clients; others see it in ps: better --key-file")                  //
      ("key-file", one("FILE"), "keys of clients, one a line: KEY, or ID KEY")                          //
      ("new-key", one("ID"), "print a new key and its line for a key file, and exit")                   //
      ("rate", one("N"), "requests a second of one key under /v1 (default 50)")                         //
      ("image", many("NAME[=TARGET]"), "an image that jobs may name, and what it is here; '*' is any")  //
      ("job-network", one("none|host"), "of jobs that do not disable it (default none)")                //
      ("default-timeout", one("S"), "of jobs that bring none (default 60)")                             //
      ("max-output", one("SIZE"), "of a job, whatever its max_kb says (default 1000K)")                 //
      ("max-upload", one("SIZE"), "of one file (default 10G)")                                          //
      ("max-waiting", one("N"), "jobs in the queue, beyond which none is accepted (default 100000)")    //
      ("max-connections", one("N"), "at once; more are closed (default 10000)")                         //
      ("threads", one("N"), "requests worked on at once (default 32)")                                   //
      ("tango-config", one("FILE"), "take what is still meant from Tango's config.py")                  //
      ("volatile", "accept a spool on tmpfs or overlay, which a power cut empties")                     //
      ("help,h", "this text")("version", "the version");
  return d;
}

Result<po::variables_map> parse(int argc, const char* const* argv,
                                const po::options_description& description) {
  po::variables_map values;
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(argc, argv).options(description).style(style).positional({}).run(),
              values);
  } catch (const po::unknown_option& e) {
    std::vector<std::string> names;
    for (const auto& option : description.options()) names.push_back("--" + option->long_name());
    const std::vector<std::string_view> known(names.begin(), names.end());
    return fail(fmt::format("unknown option '{}'", e.get_option_name()),
                nearest_hint(e.get_option_name(), known));
  } catch (const po::error& e) {
    return fail(e.what(), "see milonga-rest --help");
  }
  return values;
}

template <class Number>
Result<void> take(const po::variables_map& values, const char* name, std::uint64_t least, std::uint64_t most,
                  Number& to) {
  if (!values.contains(name)) return {};
  const std::string text = values[name].as<std::string>();
  const auto number = parse_size(text);
  if (!number || *number < least || *number > most)
    return fail(fmt::format("--{} '{}' is not a number from {} to {}", name, text, least, most));
  to = static_cast<Number>(*number);
  return {};
}

Result<void> take_listen(const po::variables_map& values, ServerOptions& o) {
  if (values.contains("listen")) {
    o.listen.clear();
    for (const std::string& text : values["listen"].as<std::vector<std::string>>())
      o.listen.push_back(TRY(parse_listen(text)));
  }
  if (o.listen.empty()) o.listen.emplace_back();
  if (values.contains("tls-certificate")) o.tls_certificate = values["tls-certificate"].as<std::string>();
  if (values.contains("tls-key")) o.tls_key = values["tls-key"].as<std::string>();
  const bool any_tls = std::any_of(o.listen.begin(), o.listen.end(), [](const auto& one) { return one.tls; });
  if (any_tls && (o.tls_certificate.empty() || o.tls_key.empty()))
    return fail("--listen tls: needs a certificate and its key", "--tls-certificate FILE --tls-key FILE");
  return {};
}

Result<void> take_images(const po::variables_map& values, ServerOptions& o) {
  if (!values.contains("image")) return {};
  for (const std::string& text : values["image"].as<std::vector<std::string>>()) {
    const std::size_t equal = text.find('=');
    const std::string name = text.substr(0, equal);
    const std::string target = equal == std::string::npos ? name : text.substr(equal + 1);
    if ((name != "*" && !is_image_name(name)) || target.empty() || target == "*")
      return fail(fmt::format("--image '{}' is not NAME or NAME=TARGET", text),
                  "such as rhel=default, or *=default");
    o.images[name] = target;
  }
  return {};
}

Result<void> take_tango_config(const std::string& path, ServerOptions& o) {
  const TangoConfig tango = TRY(load_tango_config(path));
  if (tango.port) {
    if (*tango.port > 65535) return fail(fmt::format("{}: PORT is above 65535", path));
    o.listen = {{false, "", "::", static_cast<std::uint16_t>(*tango.port)}};  // as Tango listens
  }
  if (tango.courselabs) o.courselabs = *tango.courselabs;
  if (tango.runjob_timeout)
    o.default_timeout_s = std::min<std::int64_t>(*tango.runjob_timeout, 7 * 24 * 3600);
  if (tango.max_input) o.max_upload = std::min(static_cast<std::uint64_t>(*tango.max_input), kMostUpload);
  if (tango.max_output)
    o.max_output = std::clamp(static_cast<std::uint64_t>(*tango.max_output), kLeastOutput, kMostOutput);
  if (tango.file_size) o.job_options["file-size"] = std::to_string(*tango.file_size);
  if (tango.processes) o.job_options["pids"] = std::to_string(*tango.processes);
  if (tango.memory_mb) o.job_options["memory"] = fmt::format("{}M", *tango.memory_mb);
  for (const std::string& key : tango.keys) TRY(o.keys.add(key));
  for (const std::string& note : tango.notes) o.notes.push_back(fmt::format("{}: {}", path, note));
  return {};
}

Result<void> take_keys(const po::variables_map& values, ServerOptions& o) {
  Keyring named;
  if (values.contains("key"))
    for (const std::string& key : values["key"].as<std::vector<std::string>>()) TRY(named.add(key));
  if (values.contains("key-file")) {
    o.key_file = values["key-file"].as<std::string>();
    o.keys_not_filed = named;
    TRY(named.add_file(o.key_file));
  }
  // What is named comes before the environment, and that before config.py.
  for (const char* variable : {"MILONGA_REST_KEY", "RESTFUL_KEY"})
    if (const char* key = std::getenv(variable); key != nullptr && named.empty()) TRY(named.add(key));
  if (!named.empty()) o.keys = std::move(named);
  if (o.keys.find("test"))
    o.notes.emplace_back(
        "the key 'test' is Tango's default, which everybody knows: set another, here and in Autolab");
  if (o.keys.empty() && !o.print)
    return fail("no key of clients is named", "give one by --key-file, --key, or MILONGA_REST_KEY");
  return {};
}

std::string help(const po::options_description& description) {
  std::ostringstream text;
  text << "Usage: milonga-rest --key-file FILE [--spool DIR] [--courselabs DIR] [--listen ADDR:PORT]\n\n"
          "Speaks Tango's REST API for Autolab and tango-cli, and puts their jobs into a spool.\n\n"
       << description
       << "\nExit status: 0 stopped as asked; 1 spool, course labs or address cannot be used; 64 usage.\n"
          "Stop it with SIGTERM. Jobs are run by: milongad --spool DIR\n";
  return text.str();
}

}  // namespace

Result<ServerOptions> parse_server_options(int argc, const char* const* argv) {
  const po::options_description description = describe();
  const po::variables_map values = TRY(parse(argc, argv, description));
  ServerOptions o;
  if (values.contains("version")) o.print = fmt::format("milonga-rest {}\n", MILONGA_VERSION);
  if (values.contains("new-key")) {
    const NewKey made = TRY(make_key(values["new-key"].as<std::string>()));
    o.print = fmt::format("key, for the client: {}\nfor the key file:    {}\n", made.key, made.line);
  }
  if (values.contains("help")) o.print = help(description);
  if (values.contains("tango-config")) TRY(take_tango_config(values["tango-config"].as<std::string>(), o));
  if (const char* spool = std::getenv("MILONGA_SPOOL")) o.spool = spool;
  if (values.contains("spool")) o.spool = values["spool"].as<std::string>();
  if (values.contains("courselabs")) o.courselabs = values["courselabs"].as<std::string>();
  if (o.spool.empty() || o.courselabs.empty())
    return fail("--spool and --courselabs must name a directory each");
  TRY(take_listen(values, o));
  TRY(take_images(values, o));
  TRY(take_keys(values, o));
  TRY(take(values, "default-timeout", 1, 7 * 24 * 3600, o.default_timeout_s));
  TRY(take(values, "max-output", kLeastOutput, kMostOutput, o.max_output));
  TRY(take(values, "max-upload", 1, kMostUpload, o.max_upload));
  TRY(take(values, "max-waiting", 0, 1'000'000'000, o.max_waiting));
  TRY(take(values, "max-connections", 1, 1'000'000, o.max_connections));
  TRY(take(values, "threads", 1, 256, o.threads));
  TRY(take(values, "rate", 1, 1'000'000, o.rate));
  if (values.contains("job-network")) {
    const std::string network = values["job-network"].as<std::string>();
    if (network != "none" && network != "host")
      return fail(fmt::format("--job-network '{}' is neither none nor host", network));
    o.host_network = network == "host";
  }
  o.allow_volatile = values.contains("volatile");
  return o;
}

}  // namespace milonga::rest
