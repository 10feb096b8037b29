// milonga image import, milonga image pull
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/child.h"
#include "base/core/clock.h"
#include "base/size.h"
#include "base/terminal.h"
#include "cli/image.h"
#include "images/import.h"
#include "images/record.h"

namespace milonga::cli {
namespace {

namespace json = boost::json;
using images::Store;

// Ctrl-C and friends are only noted while an import goes on, so that it ends by its own clean-up.
class HeldSignals {
 public:
  HeldSignals() { ::sigprocmask(SIG_BLOCK, &set(), &before_); }
  // What has come takes its effect here.
  ~HeldSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  static const sigset_t& set() {
    static const sigset_t all = [] {
      sigset_t signals;
      ::sigemptyset(&signals);
      for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, number);
      return signals;
    }();
    return all;
  }

  static bool came() {
    sigset_t pending;
    ::sigpending(&pending);
    return ::sigismember(&pending, SIGINT) == 1 || ::sigismember(&pending, SIGTERM) == 1 ||
           ::sigismember(&pending, SIGHUP) == 1;
  }

 private:
  sigset_t before_;
};

// The state of an import: redrawn on a terminal ten times a second, elsewhere a line every ten seconds.
class Bar {
 public:
  explicit Bar(std::string what)
      : what_(std::move(what)),
        line_(STDERR_FILENO),
        interval_ns_(is_terminal(STDERR_FILENO) ? 100'000'000 : 10'000'000'000) {}

  Result<> show(const images::Progress& progress) {
    if (HeldSignals::came()) return fail("interrupted");
    const std::uint64_t now = now_ns();
    if (now - shown_ns_ < interval_ns_) return {};
    shown_ns_ = now;
    std::string text = fmt::format("importing {}: {}", what_, human_size(progress.read));
    if (progress.size > 0) {
      const std::uint64_t percent = std::min<std::uint64_t>(100, progress.read * 100 / progress.size);
      text = fmt::format("importing {}: [{:<20}] {:3} % of {}, {} entries", what_,
                         std::string(percent / 5, '#'), percent, human_size(progress.size), progress.entries);
    }
    line_.show(text);
    return {};
  }
  void clear() { line_.clear(); }

 private:
  std::string what_;
  StatusLine line_;
  std::uint64_t interval_ns_, shown_ns_ = now_ns();
};

// "--max-size 2G", or as it was.
Result<> take_limit(const Arguments& arguments, const char* option,
                    Result<std::uint64_t> (*parse)(std::string_view), std::uint64_t& limit) {
  if (!arguments.has(option)) return {};
  const Result<std::uint64_t> value = parse(arguments.get(option));
  if (!value)
    return fail(fmt::format("image import: --{}: {}", option, value.error().what), value.error().hint);
  limit = *value;
  return {};
}

Result<images::ImportPlan> plan_of(const Arguments& arguments) {
  images::ImportPlan plan;
  plan.path = arguments.words.front();
  plan.name = arguments.get("name");
  plan.reference = arguments.get("ref");
  if (arguments.has("skip-devices")) plan.devices = images::Devices::leave_out;
  TRY(take_limit(arguments, "max-size", parse_size, plan.limits.bytes));
  TRY(take_limit(arguments, "max-entries", parse_count, plan.limits.entries));
  TRY(take_limit(arguments, "max-ratio", parse_count, plan.limits.ratio));
  if (!plan.name.empty()) TRY(images::check_image_name(plan.name));
  return plan;
}

Result<int> tell_imported(const Arguments& arguments, const images::Imported& imported) {
  const images::ImageRecord& record = imported.record;
  if (arguments.json()) {
    json::object object = to_json({imported.name, record, store_path(arguments) + "/" + imported.name});
    object["was_there"] = imported.published.was_there;
    object["replaced"] = imported.published.replaced;
    return print(json::serialize(object) + "\n");
  }
  return print(fmt::format("{}: {}, {} entries, {}{}{}\n", imported.name, human_size(record.bytes),
                           record.entries, short_id(record.id),
                           imported.published.was_there ? ", the same as was there" : "",
                           imported.published.replaced ? ", in place of another" : ""));
}

// With signals held and a bar: what both commands do once they know from where.
Result<int> take_in(const Arguments& arguments, Store& store, images::ImportPlan plan) {
  const std::string shown = plan.source.empty() ? plan.path : plan.source;
  Bar bar(shown);
  plan.on_progress = [&bar](const images::Progress& progress) { return bar.show(progress); };
  const auto imported = images::import_image(store, plan);
  bar.clear();
  if (!imported) return complain("cannot import '" + shown + "': " + imported.error().line(), kFailed);
  return tell_imported(arguments, *imported);
}

// The file of a program that is looked for as a shell would; "": there is none.
std::string in_path(const std::string& program) {
  const char* path = ::secure_getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const std::string file = std::string(rest.substr(0, end)) + "/" + program;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error)) return file;
  }
  return {};
}

// Runs it to its end, its words to our standard error. A signal that we hold ends it too.
Result<> run_program(const std::vector<std::string>& argv) {
  const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Child child = TRY(Child::spawn({argv, {{nothing.get(), 0}, {STDERR_FILENO, 1}, {STDERR_FILENO, 2}}}));
  const UniqueFd signals(::signalfd(-1, &HeldSignals::set(), SFD_CLOEXEC));  // looked at, never read
  pollfd fds[2] = {{child.pidfd(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
  bool interrupted = false;
  while (fds[0].revents == 0) {
    if (::poll(fds, interrupted ? 1 : 2, -1) < 0 && errno != EINTR) return fail_errno("wait for", argv[0]);
    if (fds[1].revents == 0 || interrupted) continue;
    interrupted = true;
    child.signal(SIGTERM);
  }
  const int status = TRY(child.reap());
  if (interrupted) return fail("interrupted");
  if (status != 0) return fail(argv[0] + " failed", "its own words are above");
  return {};
}

// What skopeo calls it: a registry's, unless it names another place.
std::string skopeo_source(const std::string& reference) {
  for (const char* transport : {"docker:", "docker-daemon:", "docker-archive:", "oci:", "oci-archive:",
                                "containers-storage:", "dir:"})
    if (reference.starts_with(transport)) return reference;
  return "docker://" + reference;
}

}  // namespace

Result<int> image_import(const Arguments& arguments) {
  const Result<images::ImportPlan> plan = plan_of(arguments);
  if (!plan) return complain(plan.error().line(), kUsage);
  const HeldSignals held;
  ::umask(022);
  Store store = TRY(Store::open(store_path(arguments)));
  return take_in(arguments, store, *plan);
}

Result<int> image_pull(const Arguments& arguments) {
  Result<images::ImportPlan> plan = plan_of(arguments);
  if (!plan) return complain(plan.error().line(), kUsage);
  const std::string skopeo = in_path("skopeo");
  if (skopeo.empty())
    return complain(
        "image pull: skopeo is not installed (apt install skopeo, or docker save and milonga image import)",
        kFailed);
  const HeldSignals held;
  ::umask(022);
  Store store = TRY(Store::open(store_path(arguments)));
  const images::Draft draft = TRY(store.begin());  // removed with all in it, whatever happens
  plan->source = plan->path;
  plan->path = store.path_of(draft) + "/pulled";
  if (plan->name.empty()) plan->name = images::name_of_reference(plan->source);
  TRY(images::check_image_name(plan->name));
  const Result<> copied =
      run_program({skopeo, "copy", "--quiet", "--", skopeo_source(plan->source), "oci:" + plan->path});
  if (!copied) return complain("cannot pull '" + plan->source + "': " + copied.error().line(), kFailed);
  return take_in(arguments, store, *plan);
}

}  // namespace milonga::cli
