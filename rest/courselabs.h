// The directories of course labs, laid out as Tango's:
//
//   COURSELABS/<key id>-<courselab>/NAME          uploaded files
//   COURSELABS/<key id>-<courselab>/output/NAME   feedback, written by the runner
//   COURSELABS/tmp/<server>/                      this server's unfinished files; `lock` is held while it
//   lives
//
// An upload is whole or not there: written to tmp/, flushed, renamed. What a
// killed server left in tmp/ is removed by the next one that starts. All names
// are single components, checked by the caller (name.h), and are opened below
// descriptors, without following symbolic links.
//
// Several servers may use one directory. Thread-safe.
//
// Privilege: none.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"
#include "rest/job_request.h"
#include "rest/md5.h"

namespace milonga::rest {

class CourseLabs {
 public:
  static Result<std::unique_ptr<CourseLabs>> open(const std::string& path);
  ~CourseLabs();

  // Makes the lab's directory; false if it is there already.
  Result<bool> make(const std::string& lab);
  [[nodiscard]] bool exists(const std::string& lab) const;

  // Name to MD5 of the lab's files that were used last, at most kMostListed; of
  // those not hashed yet at most kHashBudget bytes are read.
  Result<std::vector<std::pair<std::string, std::string>>> hashes(const std::string& lab);

  // A file on its way in. Destroyed before it was placed, it leaves nothing.
  class Upload {
   public:
    ~Upload();
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;
    Result<void> write(std::string_view bytes);

   private:
    friend class CourseLabs;
    Upload(CourseLabs& labs, std::string name, UniqueFd fd)
        : labs_(labs), name_(std::move(name)), fd_(std::move(fd)) {}
    CourseLabs& labs_;
    std::string name_;  // in tmp/<server>/
    UniqueFd fd_;
    Md5 md5_;
    std::uint64_t size_ = 0;
  };
  Result<std::unique_ptr<Upload>> begin_upload();
  // Durable. False: the same content stood there under this name.
  Result<bool> place(Upload& upload, const std::string& lab, const std::string& name);

  // A small uploaded file; nothing if there is none. Fails on one of more than a megabyte.
  Result<std::optional<std::string>> read_file(const std::string& lab, const std::string& name) const;

  // A directory with a job's files, by their destination names, each in the
  // version that is in the lab now (hard links: uploads replace, never rewrite).
  class Staged {
   public:
    ~Staged();
    Staged(const Staged&) = delete;
    Staged& operator=(const Staged&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

   private:
    friend class CourseLabs;
    explicit Staged(std::string path) : path_(std::move(path)) {}
    std::string path_;
  };
  // Of two files with one destination the last counts. Fails naming the file that is not there.
  Result<std::unique_ptr<Staged>> stage(const std::string& lab, const std::vector<JobFile>& files);

  // Feedback of an earlier job of that name, put aside while the next one is
  // submitted, so that nobody takes it for the new one's. Not kept: put back.
  class OldOutput {
   public:
    ~OldOutput();
    OldOutput(const OldOutput&) = delete;
    OldOutput& operator=(const OldOutput&) = delete;
    void drop();  // the new job is accepted

   private:
    friend class CourseLabs;
    OldOutput(UniqueFd output, std::string name, CourseLabs& labs, std::string aside)
        : output_(std::move(output)), name_(std::move(name)), labs_(labs), aside_(std::move(aside)) {}
    UniqueFd output_;
    std::string name_;
    CourseLabs& labs_;
    std::string aside_;
    bool dropped_ = false;
  };
  Result<std::unique_ptr<OldOutput>> put_aside(const std::string& lab,
                                               const std::string& name);  // null: there is none

  // The absolute path for a job's record, and the way back: "" if it is not one of ours.
  [[nodiscard]] std::string output_path(const std::string& lab, const std::string& name) const;
  [[nodiscard]] std::string relative(const std::string& absolute) const;
  // Nothing if there is no such file.
  Result<std::optional<UniqueFd>> open_output(const std::string& lab, const std::string& name) const;

  // Small files of all servers, such as what prealloc asked for; whole or as before.
  Result<std::string> read_shared(const std::string& name) const;  // empty if there is none
  Result<void> write_shared(const std::string& name, std::string_view bytes);

 private:
  CourseLabs(std::string path, UniqueFd root) : path_(std::move(path)), root_(std::move(root)) {}
  Result<void> take_own_place();
  void remove_dead();
  [[nodiscard]] UniqueFd open_below(const std::string& path, int flags, mode_t mode = 0) const;
  Result<std::optional<std::string>> read_small(const std::string& path, std::uint64_t limit) const;
  std::string temporary(const char* what);
  Result<std::string> hash_of(int lab, const std::string& name, std::uint64_t& budget);

  std::string path_;  // absolute, without symbolic links
  UniqueFd root_, own_, lock_;
  std::string own_path_;  // tmp/<server>
  std::atomic<std::uint64_t> sequence_{0};
  Md5Cache cache_;
};

}  // namespace milonga::rest
