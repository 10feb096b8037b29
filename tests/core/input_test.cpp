// The stream of a job's files, unpacked: names that would leave the directory,
// torn and malformed streams are refused; nothing is ever overwritten.
#include "sandbox/core/input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/core/unique_fd.h"
#include "sandbox/model/input_stream.h"

namespace milonga::core {
namespace {

class Input : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/milonga-input-XXXXXX";
    top_ = ::mkdtemp(pattern);
    dir_ = top_ / "box";
    std::filesystem::create_directory(dir_);
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(dir_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(top_);
  }

  void add(InputKind kind, const std::string& name, const std::string& content, std::uint32_t mode = 0644) {
    InputHeader h;
    h.kind = kind;
    h.mode = mode;
    h.name_size = static_cast<std::uint32_t>(name.size());
    h.size = content.size();
    stream_.append(reinterpret_cast<const char*>(&h), sizeof h);
    stream_ += name + content;
  }
  void end() {
    InputHeader h;
    stream_.append(reinterpret_cast<const char*>(&h), sizeof h);
  }
  Fail unpack() {
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    UniqueFd in(fds[0]), out(fds[1]);
    ::fcntl(out.get(), F_SETPIPE_SZ, 1 << 20);
    EXPECT_EQ(::write(out.get(), stream_.data(), stream_.size()), static_cast<ssize_t>(stream_.size()));
    out.reset();
    return unpack_input(in.get());
  }
  static std::string read(const std::string& path) {
    std::ifstream f(path);
    return {std::istreambuf_iterator<char>(f), {}};
  }

  std::string stream_;
  std::filesystem::path top_, dir_, before_;
};

TEST_F(Input, FilesDirectoriesAndLinksArriveAsTheyWere) {
  add(InputKind::directory, "src", "", 0755);
  add(InputKind::file, "src/run.sh", "#!/bin/sh\n", 0755);
  add(InputKind::file, "src/empty", "");
  add(InputKind::symlink, "link", "src/run.sh");
  end();
  ASSERT_FALSE(unpack());
  EXPECT_EQ(read("src/run.sh"), "#!/bin/sh\n");
  EXPECT_EQ(std::filesystem::read_symlink("link"), "src/run.sh");
  struct stat st {};
  ASSERT_EQ(::stat("src/run.sh", &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0755u);
}

TEST_F(Input, SpecialPermissionBitsAreDropped) {
  add(InputKind::file, "a", "x", 06755);
  end();
  ASSERT_FALSE(unpack());
  struct stat st {};
  ASSERT_EQ(::stat("a", &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0755u);
}

TEST_F(Input, NamesThatLeaveTheDirectoryAreRefused) {
  for (const std::string name : {"../x", "/tmp/milonga-absolute", "a/../x", ".", "..", "a//b", "a/", "./a"}) {
    stream_.clear();
    add(InputKind::file, name, "x");
    end();
    EXPECT_TRUE(unpack()) << name;
  }
  stream_.clear();
  add(InputKind::file, std::string("a\0b", 3), "x");
  end();
  EXPECT_TRUE(unpack());
  EXPECT_FALSE(std::filesystem::exists(top_ / "x"));
}

TEST_F(Input, ALinkIsNeverWrittenThrough) {
  std::ofstream("canary") << "untouched";
  add(InputKind::symlink, "out", "canary");
  add(InputKind::file, "out", "overwritten");
  end();
  EXPECT_TRUE(unpack());
  EXPECT_EQ(read("canary"), "untouched");
}

TEST_F(Input, EveryTornStreamIsRefused) {
  add(InputKind::directory, "d", "", 0700);
  add(InputKind::file, "d/file", "content");
  end();
  const std::string whole = stream_;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    stream_ = whole.substr(0, size);
    EXPECT_TRUE(unpack()) << size << " of " << whole.size() << " bytes";
    std::filesystem::remove_all("d");
  }
}

TEST_F(Input, UnknownKindsAndForeignBytesAreRefused) {
  add(static_cast<InputKind>(9), "a", "");
  end();
  EXPECT_TRUE(unpack());
  stream_ = std::string(200, 'x');
  EXPECT_TRUE(unpack());
}

}  // namespace
}  // namespace milonga::core
