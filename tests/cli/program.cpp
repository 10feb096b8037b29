#include "tests/cli/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

namespace milonga::test {

boost::json::value Said::json() const {
  boost::system::error_code error;
  boost::json::value parsed = boost::json::parse(out, error);
  EXPECT_FALSE(error) << out << err;
  return parsed;
}

bool Said::one_line_of_error() const {
  return err.starts_with("milonga: ") && err.find('\n') == err.size() - 1 && out.empty();
}

Program::Program(const std::vector<std::string>& words, const std::string& executable, Streams streams) {
  std::vector<std::string> all = {executable};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  out_.reset(pipe[0]);
  const UniqueFd write_end(pipe[1]);
  err_.reset(::memfd_create("stderr", MFD_CLOEXEC));
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, write_end.get(), 1);
  ::posix_spawn_file_actions_adddup2(&files, streams == Streams::merged ? write_end.get() : err_.get(), 2);
  const int code = ::posix_spawn(&pid_, executable.c_str(), &files, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (code != 0) throw std::runtime_error("cannot start " + executable);
}

Program::~Program() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Program::says(const std::string& text) {
  std::array<char, 65536> buffer;
  while (said_.find(text) == std::string::npos) {
    pollfd wait{out_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 60'000) <= 0) return false;
    const ssize_t n = ::read(out_.get(), buffer.data(), buffer.size());
    if (n <= 0) return false;
    said_.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return true;
}

bool Program::sleeps() const {
  const std::string path = "/proc/" + std::to_string(pid_) + "/stat";
  int times = 0;
  for (int i = 0; i < 6000 && times < 10; ++i) {
    const std::string where = read(path);  // "PID (NAME) STATE ...", proc(5)
    times = where.find(") S ") != std::string::npos ? times + 1 : 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return times == 10;
}

void Program::signal(int number) const {
  ::kill(pid_, number);
}

Said Program::end() {
  EXPECT_FALSE(says(std::string("\0no program says this\0", 22)));
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  Said said;
  said.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  said.out = said_;
  std::array<char, 65536> buffer;
  const ssize_t n = ::pread(err_.get(), buffer.data(), buffer.size(), 0);
  said.err.assign(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  return said;
}

Said milonga(const std::vector<std::string>& words) {
  return Program(words).end();
}

TemporaryDirectory::TemporaryDirectory() {
  std::string path = (std::filesystem::temp_directory_path() / "milonga-test-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = path;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::app);
  file << text << std::flush;
  ASSERT_TRUE(file.good()) << path;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace milonga::test
