#include "autodriver/certificate.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>

#include "autodriver/core_client.h"
#include "base/core/unique_fd.h"
#include "base/output_file.h"

namespace milonga {
namespace {

namespace json = boost::json;

constexpr const char* kOfRoot = "/var/lib/milonga/selftest.json";
constexpr std::size_t kLargest = 64 * 1024;

json::value identity(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return nullptr;
  return json::object{{"path", path},
                      {"bytes", st.st_size},
                      {"changed_ns", std::int64_t{st.st_ctim.tv_sec} * 1'000'000'000 + st.st_ctim.tv_nsec}};
}

// Its text, if it is a plain file that only root or we could write.
std::string read_trusted(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 022) != 0)
    return "";
  if (st.st_uid != 0 && st.st_uid != ::geteuid()) return "";
  std::string text(kLargest, '\0');
  const ssize_t n = ::read(fd.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

std::optional<SelftestMark> mark_of(const std::string& text, BoxKind kind) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& certificate = value.get_object();
  const auto field = [&](const char* name) {
    const json::value* found = certificate.if_contains(name);
    return found != nullptr ? *found : json::value(nullptr);
  };
  const json::value date = field("date"), passed = field("passed");
  if (!date.is_string() || !passed.is_bool() || field("schema") != json::value(1)) return std::nullopt;
  if (field("host") != json::value(certified_host())) return std::nullopt;
  if (field("box") != json::value(kBoxKindNames[static_cast<std::size_t>(kind)])) return std::nullopt;
  return SelftestMark{std::string(date.get_string()), passed.get_bool()};
}

}  // namespace

json::object certified_host() {
  struct utsname kernel {};
  ::uname(&kernel);
  const Result<std::string> core = CoreClient::program();
  std::error_code error;
  const std::string front = std::filesystem::read_symlink("/proc/self/exe", error).string();
  return {{"kernel", std::string(kernel.release) + " " + kernel.version},
          {"autodriver", identity(front)},
          {"autodriver_core", core ? identity(*core) : json::value(nullptr)}};
}

std::string certificate_path() {
  if (::geteuid() == 0) return kOfRoot;
  const char* state =
      std::getenv("XDG_STATE_HOME");  // the XDG base directory specification: absolute, or ignored
  if (state != nullptr && state[0] == '/') return std::string(state) + "/milonga/selftest.json";
  const char* home = std::getenv("HOME");
  return home != nullptr && home[0] == '/' ? std::string(home) + "/.local/state/milonga/selftest.json" : "";
}

std::optional<SelftestMark> find_selftest(BoxKind kind) {
  for (const std::string& path : {certificate_path(), std::string(kOfRoot)}) {
    if (path.empty()) continue;
    if (auto mark = mark_of(read_trusted(path), kind)) return mark;
  }
  return std::nullopt;
}

Result<> write_certificate(const std::string& path, const json::object& certificate) {
  const std::string text = json::serialize(certificate) + "\n";
  if (path == certificate_path()) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    if (error)
      return fail_errno("make the directory of", path, "--certificate FILE puts it elsewhere", error.value());
  }
  if (is_replaceable(path)) return replace_file(path, text);
  const UniqueFd file = TRY(open_output(path));
  return write_output(file.get(), text, path);
}

}  // namespace milonga
