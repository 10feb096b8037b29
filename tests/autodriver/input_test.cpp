#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "autodriver/input_list.h"
#include "autodriver/input_sender.h"

namespace milonga {
namespace {

namespace fs = std::filesystem;

class Input : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/milonga-input-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void file(const std::string& path, const std::string& content) const {
    std::ofstream(root_ / path) << content;
  }
  [[nodiscard]] UniqueFd open() const {
    return UniqueFd(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  [[nodiscard]] Result<std::vector<InputEntry>> list() const { return list_input(open().get(), "lab"); }

  fs::path root_;
};

std::string whole_stream(UniqueFd directory, std::vector<InputEntry> entries, Result<>& result) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd reader(ends[0]);
  InputSender sender(std::move(directory), std::move(entries), UniqueFd(ends[1]));
  std::string stream;
  char buffer[65536];
  const auto read_some = [&] {
    for (ssize_t n; (n = ::read(reader.get(), buffer, sizeof buffer)) > 0;) {
      stream.append(buffer, static_cast<std::size_t>(n));
    }
  };
  while (sender.writing() >= 0 && result) {
    result = sender.on_writable();
    read_some();
  }
  read_some();
  return stream;
}

struct Sent {
  InputKind kind;
  std::uint32_t mode;
  std::string content;
};

std::map<std::string, Sent> decoded(std::string_view stream, bool& ended) {
  std::map<std::string, Sent> files;
  ended = false;
  while (stream.size() >= sizeof(InputHeader) && !ended) {
    InputHeader header;
    std::memcpy(&header, stream.data(), sizeof header);
    EXPECT_EQ(header.magic, kInputMagic);
    stream.remove_prefix(sizeof header);
    ended = header.kind == InputKind::end;
    const std::string name(stream.substr(0, header.name_size));
    stream.remove_prefix(header.name_size);
    if (!ended) files[name] = {header.kind, header.mode, std::string(stream.substr(0, header.size))};
    stream.remove_prefix(header.size);
  }
  EXPECT_TRUE(stream.empty());
  return files;
}

TEST_F(Input, FilesDirectoriesAndLinksArriveWithTheirModesAndContent) {
  const std::string big(300'000, 'b');
  file("Makefile", "all:\n");
  file("big", big);
  fs::create_directory(root_ / "src");
  file("src/empty", "");
  fs::create_symlink("/etc/shadow", root_ / "src/link");
  ::chmod((root_ / "Makefile").c_str(), 0640);
  ::chmod((root_ / "src").c_str(), 0750);
  auto entries = list();
  ASSERT_TRUE(entries) << entries.error().line();
  Result<> result;
  bool ended = false;
  const auto files = decoded(whole_stream(open(), *entries, result), ended);
  ASSERT_TRUE(result);
  EXPECT_TRUE(ended);
  ASSERT_EQ(files.size(), 5u);
  EXPECT_EQ(files.at("Makefile").content, "all:\n");
  EXPECT_EQ(files.at("Makefile").mode, 0640u);
  EXPECT_EQ(files.at("big").content, big);
  EXPECT_EQ(files.at("src").kind, InputKind::directory);
  EXPECT_EQ(files.at("src").mode, 0750u);
  EXPECT_EQ(files.at("src/empty").content, "");
  // The link itself, never what it points at.
  EXPECT_EQ(files.at("src/link").kind, InputKind::symlink);
  EXPECT_EQ(files.at("src/link").content, "/etc/shadow");
}

TEST_F(Input, ADirectoryStandsBeforeWhatIsInIt) {
  fs::create_directories(root_ / "a/b/c");
  file("a/b/c/d", "x");
  const auto entries = list();
  ASSERT_TRUE(entries);
  std::vector<std::string> paths;
  for (const InputEntry& entry : *entries) paths.push_back(entry.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"a", "a/b", "a/b/c", "a/b/c/d"}));
}

TEST_F(Input, AFifoIsRefusedByName) {
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  const auto entries = list();
  ASSERT_FALSE(entries);
  EXPECT_EQ(
      entries.error().line(),
      "'lab/pipe' is a FIFO (only files, directories and symbolic links can be given to a job: remove it)");
}

TEST_F(Input, ASocketIsRefusedByName) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (root_ / "sock").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto entries = list();
  ASSERT_FALSE(entries);
  EXPECT_NE(entries.error().line().find("'lab/sock' is a socket"), std::string::npos);
}

// What the listing saw is swapped for something else before it is sent.
TEST_F(Input, AFileThatBecomesALinkIsNotFollowed) {
  file("answer", "mine");
  const auto entries = list();
  ASSERT_TRUE(entries);
  fs::remove(root_ / "answer");
  fs::create_symlink("/etc/hostname", root_ / "answer");
  Result<> result;
  bool ended = true;
  decoded(whole_stream(open(), *entries, result), ended);
  EXPECT_FALSE(result);
  EXPECT_FALSE(ended) << "the reader must see a torn stream";
}

TEST_F(Input, ADirectoryThatBecomesALinkLeadsNowhere) {
  fs::create_directory(root_ / "d");
  file("d/hostname", "mine");
  const auto entries = list();
  ASSERT_TRUE(entries);
  fs::remove_all(root_ / "d");
  fs::create_directory_symlink("/etc", root_ / "d");
  Result<> result;
  bool ended = true;
  const auto files = decoded(whole_stream(open(), *entries, result), ended);
  EXPECT_FALSE(result);
  EXPECT_FALSE(files.contains("d/hostname"));
}

TEST_F(Input, AFileThatGrowsOrShrinksIsAnErrorNotATornCopy) {
  file("data", "12345");
  const auto entries = list();
  ASSERT_TRUE(entries);
  file("data", "123");
  Result<> result;
  bool ended = true;
  decoded(whole_stream(open(), *entries, result), ended);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().line(),
            "'data' was changed while it was read (run again when nobody writes to the directory)");
}

}  // namespace
}  // namespace milonga
