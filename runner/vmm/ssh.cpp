#include "runner/vmm/ssh.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/child.h"
#include "base/log.h"
#include "base/utf8.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr const char* kSsh = "/usr/bin/ssh";
// util-linux: ssh ends with the daemon, whatever ends that (prctl(2), PR_SET_PDEATHSIG).
constexpr const char* kSetpriv = "/usr/bin/setpriv";
constexpr milliseconds kConnect{15'000};
constexpr const char* kReady = "forwarded";
constexpr std::size_t kMostSaid = 4096;

// What no ssh_config may weaken. Source: ssh_config(5).
constexpr const char* kOptions[] = {
    "BatchMode=yes",              // asks nobody
    "StrictHostKeyChecking=yes",  // a key that is not known is an end, and so is one that has changed
    "VerifyHostKeyDNS=no",
    "UpdateHostKeys=no",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",  // a host that is gone without a word is noticed within 15 s
    "ServerAliveCountMax=2",
    "ExitOnForwardFailure=yes",
    "StreamLocalBindUnlink=yes",  // the socket of an ssh that was killed
    "StreamLocalBindMask=0177",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ControlMaster=no",
    "ControlPath=none",
    "PermitLocalCommand=yes",  // its word, when the forwarded socket is there: nothing needs to be polled
    "LocalCommand=exec echo forwarded",
};

// A host's Engine, with the ssh that leads to it.
class SshEngine : public Engine {
 public:
  SshEngine(EventLoop& loop, HttpClient& client, EngineSetting setting, const std::set<std::string>& living,
            SshHost host, const SshSetting& ssh)
      : Engine(loop, client, std::move(setting), living), host_(std::move(host)), ssh_(ssh) {}
  ~SshEngine() override {
    close();
    (void)::unlink(setting().socket.c_str());
    (void)::rmdir(fs::path(setting().socket).parent_path().c_str());  // the last one's succeeds
  }

 protected:
  void open(Deadline deadline, Done<void> done) override;

 private:
  [[nodiscard]] std::vector<std::string> command() const;
  Result<void> spawn();
  void on_output();
  void on_errors();
  void on_end();
  void close();
  void answer(Result<void> result);

  SshHost host_;
  SshSetting ssh_;
  Child child_;
  UniqueFd output_, errors_;
  std::string said_;
  bool forwarded_ = false;
  Done<void> done_;
  EventLoop::TimerId timer_ = 0;
};

std::vector<std::string> SshEngine::command() const {
  std::vector<std::string> argv{kSetpriv, "--pdeathsig", "TERM", "--", kSsh, "-N", "-T"};
  for (const char* option : kOptions) argv.insert(argv.end(), {"-o", option});
  if (!ssh_.known_hosts.empty())
    argv.insert(argv.end(),
                {"-o", "UserKnownHostsFile=" + ssh_.known_hosts, "-o", "GlobalKnownHostsFile=/dev/null"});
  if (!ssh_.identity.empty()) argv.insert(argv.end(), {"-o", "IdentitiesOnly=yes", "-i", ssh_.identity});
  if (host_.port != 0) argv.insert(argv.end(), {"-p", std::to_string(host_.port)});
  argv.insert(argv.end(), {"-L", setting().socket + ":" + host_.socket, "--", host_.target});
  return argv;
}

void SshEngine::open(Deadline deadline, Done<void> done) {
  if (forwarded_) return loop().post([done = std::move(done)] { done({}); });
  close();
  if (auto spawned = spawn(); !spawned) {
    close();
    return loop().post([done = std::move(done), error = spawned.error()] { done(Unexpected(error)); });
  }
  done_ = std::move(done);
  timer_ = loop().after(std::min(deadline, Deadline(kConnect)), [this] {
    timer_ = 0;
    answer(fail("deadline: no answer from ssh"));
  });
}

Result<void> SshEngine::spawn() {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno("make a pipe", "");
  output_.reset(out[0]);
  const UniqueFd their_output(out[1]);
  if (::pipe2(err, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno("make a pipe", "");
  errors_.reset(err[0]);
  const UniqueFd their_errors(err[1]), nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ChildPlan plan;
  plan.argv = command();
  plan.descriptors = {{nothing.get(), 0}, {their_output.get(), 1}, {their_errors.get(), 2}};
  child_ = TRY(Child::spawn(plan));
  TRY(loop().when_readable(output_.get(), [this] { on_output(); }));
  TRY(loop().when_readable(errors_.get(), [this] { on_errors(); }));
  return loop().when_readable(child_.pidfd(), [this] { on_end(); });
}

// The local command's word, or the end of the pipe.
void SshEngine::on_output() {
  char text[256];
  const ssize_t n = ::read(output_.get(), text, sizeof text);
  if (n < 0) return;
  loop().forget(output_.get());
  if (n == 0 || !std::string_view(text, static_cast<std::size_t>(n)).starts_with(kReady))
    return;  // its end will tell
  forwarded_ = true;
  answer({});
}

void SshEngine::on_errors() {
  char text[1024];
  const ssize_t n = ::read(errors_.get(), text, sizeof text);
  if (n < 0) return;
  if (n == 0) return loop().forget(errors_.get());
  said_.append(text, static_cast<std::size_t>(n));
  if (said_.size() > kMostSaid) said_.erase(0, said_.size() - kMostSaid);
}

// What stands before it are banners and warnings.
std::string last_line(std::string_view said) {
  while (!said.empty() && (said.back() == '\n' || said.back() == '\r')) said.remove_suffix(1);
  said.remove_prefix(said.rfind('\n') + 1);  // npos + 1 is 0
  return said.empty() ? "it ended without a word" : to_utf8(said, 300);
}

void SshEngine::on_end() {
  on_errors();  // its last words
  const std::string said = last_line(said_);
  const bool was_forwarded = forwarded_;
  close();
  if (was_forwarded) {
    log(Level::warning, fmt::format("{}: the ssh to it has ended: {}", name(), said));
    doubt();
  }
  answer(fail("ssh: " + said));
}

// Whatever there is of an ssh goes, and is not waited for: it has no work to lose.
void SshEngine::close() {
  loop().cancel(std::exchange(timer_, 0));
  forwarded_ = false;
  said_.clear();
  if (child_.pidfd() >= 0) {
    loop().forget(child_.pidfd());
    child_.signal(SIGKILL);
    (void)child_.reap();  // dead, or within the moment that SIGKILL takes
    child_ = Child();
  }
  for (UniqueFd* fd : {&output_, &errors_}) {
    if (fd->valid()) loop().forget(fd->get());
    fd->reset();
  }
}

void SshEngine::answer(Result<void> result) {
  if (!done_) return;
  loop().cancel(std::exchange(timer_, 0));
  if (!result) close();
  std::exchange(done_, nullptr)(std::move(result));
}

// A directory that only we can write to, the same for each daemon of a spool.
Result<std::string> socket_folder(const std::string& owner) {
  std::error_code error;
  const std::string path = fs::temp_directory_path(error).string() + "/milonga-ssh-" + owner.substr(0, 12);
  if (error) return fail("there is no directory for temporary files");
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("make", path);
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return fail_errno("look at", path);
  if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)
    return fail("'" + path + "' is not a directory of ours alone", "remove it");
  return path;
}

bool has_only(const std::string& text, std::string_view more) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || more.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

Result<int> number_in(const std::string& text, const std::string& what, int least, int most) {
  int n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < least || n > most)
    return fail(fmt::format("the {} '{}' is not a number from {} to {}", what, text, least, most));
  return n;
}

}  // namespace

Result<SshHost> parse_ssh_host(const std::string& text) {
  SshHost host;
  host.shown = text;
  std::string rest = text;
  if (const std::size_t at = rest.rfind('='); at != std::string::npos) {
    host.weight = TRY(number_in(rest.substr(at + 1), "weight", 1, 1000));
    rest.resize(at);
  }
  if (const std::size_t at = rest.find('/'); at != std::string::npos) {
    host.socket = rest.substr(at);
    rest.resize(at);
  }
  std::string user;
  if (const std::size_t at = rest.find('@'); at != std::string::npos) {
    user = rest.substr(0, at + 1);
    rest.erase(0, at + 1);
    if (!has_only(user.substr(0, at), "._-")) return fail("'" + text + "' names no user before its @");
  }
  std::string port;
  if (rest.starts_with("[")) {
    const std::size_t end = rest.find(']');
    if (end == std::string::npos) return fail("'" + text + "' has a [ without its ]");
    port = rest.substr(end + 1);
    rest = rest.substr(1, end - 1);
  } else if (const std::size_t at = rest.find(':'); at != std::string::npos) {
    port = rest.substr(at);
    rest.resize(at);
  }
  if (!port.empty()) {
    if (port.front() != ':') return fail("'" + text + "' has something between its ] and its end");
    host.port = TRY(number_in(port.substr(1), "port", 1, 65535));
  }
  if (!has_only(rest, "._-:"))
    return fail("'" + text + "' names no host", "write [USER@]HOST[:PORT][/SOCKET][=WEIGHT]");
  if (!has_only(host.socket, "/._-")) return fail("'" + host.socket + "' is no path of a socket");
  host.target = user + rest;
  return host;
}

Result<std::unique_ptr<Vmm>> make_ssh_vmm(EventLoop& loop, queue::Queue& queue, DockerOptions options,
                                          SshSetting ssh) {
  if (ssh.hosts.empty()) return fail("the driver ssh has no host", "name some with --ssh-host");
  const std::string folder = TRY(socket_folder(options.owner));
  const std::string owner = options.owner;
  return make_docker_vmm(
      loop, queue, std::move(options),
      [&loop, ssh, folder, owner](HttpClient& client, const std::set<std::string>& living) {
        std::vector<std::unique_ptr<Engine>> engines;
        for (std::size_t i = 0; i < ssh.hosts.size(); ++i) {
          const SshHost& host = ssh.hosts[i];
          EngineSetting setting{host.shown, fmt::format("{}/{}", folder, i), owner, host.weight};
          engines.push_back(std::make_unique<SshEngine>(loop, client, std::move(setting), living, host, ssh));
        }
        return engines;
      });
}

}  // namespace milonga::runner
