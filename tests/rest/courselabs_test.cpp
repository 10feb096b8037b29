// The files of course labs, on a real directory.
#include "rest/courselabs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace milonga::rest {
namespace {

namespace fs = std::filesystem;

class Labs : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(path_), nullptr);
    labs_ = std::move(*CourseLabs::open(path_));
    ASSERT_TRUE(*labs_->make("k-lab"));
  }
  void TearDown() override {
    labs_.reset();
    fs::remove_all(path_);
  }
  Result<bool> upload(const std::string& name, const std::string& bytes) {
    auto upload = TRY(labs_->begin_upload());
    TRY(upload->write(bytes));
    return labs_->place(*upload, "k-lab", name);
  }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  // Files in tmp/ but locks.
  std::size_t unfinished() const {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(std::string(path_) + "/tmp"))
      count += entry.is_regular_file() && entry.path().filename() != "lock";
    return count;
  }
  [[nodiscard]] std::string at(const std::string& path) const { return std::string(path_) + "/" + path; }
  char path_[32] = "/tmp/milonga-labs.XXXXXX";
  std::unique_ptr<CourseLabs> labs_;
};

TEST_F(Labs, AnUploadIsWholeOrNotThere) {
  {
    auto upload = labs_->begin_upload();
    ASSERT_TRUE(upload && (*upload)->write("half"));
    EXPECT_EQ(unfinished(), 1u);
  }
  EXPECT_EQ(unfinished(), 0u);
  EXPECT_TRUE(*upload("a", "one"));
  EXPECT_FALSE(*upload("a", "one"));  // the same is there
  EXPECT_TRUE(*upload("a", "two"));
  EXPECT_TRUE(*upload("a", "one!"));
  EXPECT_EQ(read(at("k-lab/a")), "one!");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Labs, HashesAreOfWhatIsThere) {
  ASSERT_TRUE(upload("empty", ""));
  ASSERT_TRUE(upload("abc", "abc"));
  auto hashes = labs_->hashes("k-lab");
  ASSERT_TRUE(hashes);
  std::map<std::string, std::string> found(hashes->begin(), hashes->end());
  EXPECT_EQ(found["empty"], "d41d8cd98f00b204e9800998ecf8427e");  // RFC 1321, A.5
  EXPECT_EQ(found["abc"], "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(found.size(), 2u);  // no folder, no output
  std::ofstream(at("k-lab/abc"), std::ios::app) << "x";  // by hand, past us
  hashes = labs_->hashes("k-lab");
  found = {hashes->begin(), hashes->end()};
  EXPECT_NE(found["abc"], "900150983cd24fb0d6963f7d28e17f72");
}

TEST_F(Labs, AJobTakesTheVersionsOfItsMoment) {
  ASSERT_TRUE(upload("autograde.tar", "old"));
  auto staged = labs_->stage("k-lab", {{"autograde.tar", "first"}, {"autograde.tar", "tar"}, {"autograde.tar", "tar"}});
  ASSERT_TRUE(staged) << staged.error().line();
  ASSERT_TRUE(upload("autograde.tar", "new"));
  EXPECT_EQ(read((*staged)->path() + "/tar"), "old");
  EXPECT_EQ(read((*staged)->path() + "/first"), "old");
  const std::string path = (*staged)->path();
  staged->reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Labs, NoLinkLeadsOut) {
  fs::create_symlink("/etc/passwd", at("k-lab/link"));
  fs::create_directory(at("k-lab/folder"));
  for (const char* name : {"link", "folder", "nothing"}) EXPECT_FALSE(labs_->stage("k-lab", {{name, "x"}})) << name;
  fs::create_symlink("/etc/passwd", at("k-lab/output/out"));
  EXPECT_FALSE(labs_->open_output("k-lab", "out"));
  fs::create_symlink("/etc", at("k-etc"));
  EXPECT_FALSE(labs_->exists("k-etc"));
  EXPECT_FALSE(labs_->open_output("k-etc", "passwd").value_or(std::nullopt));
  EXPECT_EQ(unfinished(), 0u);
  EXPECT_FALSE(upload("folder", "x"));
}

TEST_F(Labs, OldFeedbackIsPutBackIfNoNewJobCame) {
  std::ofstream(at("k-lab/output/out")) << "old";
  {
    auto aside = labs_->put_aside("k-lab", "out");
    ASSERT_TRUE(aside && *aside);
    EXPECT_FALSE(fs::exists(at("k-lab/output/out")));
  }
  EXPECT_EQ(read(at("k-lab/output/out")), "old");
  {
    auto aside = labs_->put_aside("k-lab", "out");
    std::ofstream(at("k-lab/output/out")) << "new";  // the runner was quick
    (*aside)->drop();
  }
  EXPECT_EQ(read(at("k-lab/output/out")), "new");
  EXPECT_EQ(*labs_->put_aside("k-lab", "none"), nullptr);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Labs, WhatTheDeadLeftIsRemovedAndTheLivingIsNot) {
  auto upload = labs_->begin_upload();  // of a living server
  ASSERT_TRUE(upload);
  fs::create_directories(at("tmp/dead"));
  std::ofstream(at("tmp/dead/lock")) << "";
  std::ofstream(at("tmp/dead/upload.1")) << "half";
  std::ofstream(at("tmp/uploadXYZ")) << "Tango's";
  auto second = CourseLabs::open(path_);
  ASSERT_TRUE(second);
  EXPECT_FALSE(fs::exists(at("tmp/dead")));
  EXPECT_TRUE(fs::exists(at("tmp/uploadXYZ")));
  ASSERT_TRUE((*upload)->write("x"));
  EXPECT_TRUE(labs_->place(**upload, "k-lab", "x"));
}

TEST_F(Labs, PathsOfOutputs) {
  EXPECT_EQ(labs_->relative(labs_->output_path("k-lab", "o")), "k-lab/output/o");
  EXPECT_EQ(labs_->relative("/elsewhere/o"), "");
  EXPECT_EQ(*labs_->read_shared("pools.json"), "");
  ASSERT_TRUE(labs_->write_shared("pools.json", "{}"));
  EXPECT_EQ(*labs_->read_shared("pools.json"), "{}");
}

}  // namespace
}  // namespace milonga::rest
