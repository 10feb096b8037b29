// Runs the real milonga and keeps what it says.
#pragma once

#include <sys/types.h>

#include <boost/json.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"

namespace milonga::test {

struct Said {
  int exit_status = -1;
  std::string out, err;

  [[nodiscard]] boost::json::value json() const;  // of `out`; null and a test failure if it is none
  [[nodiscard]] bool one_line_of_error() const;   // "milonga: ...\n" and nothing else
};

enum class Streams { apart, merged };  // merged: standard error is read with standard output

// One program in the background; killed when it goes out of scope.
class Program {
 public:
  explicit Program(const std::vector<std::string>& words, const std::string& executable = MILONGA,
                   Streams streams = Streams::apart);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  // Reads standard output until it holds `text`; false if it ends before, or after a minute.
  bool says(const std::string& text);
  // Waits until it waits in the kernel and has gone on doing so for a while; false after a minute.
  [[nodiscard]] bool sleeps() const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  Said end();  // waits for it

 private:
  pid_t pid_ = -1;
  milonga::UniqueFd out_, err_;
  std::string said_;
};

Said milonga(const std::vector<std::string>& words);

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

void write(const std::string& path, const std::string& text);
std::string read(const std::string& path);

}  // namespace milonga::test
