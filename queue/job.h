// A job as the queue keeps it: immutable once accepted. What changes (attempt,
// due time, state) is in the file's name and place, see spool.h.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace milonga::queue {

using JobId = std::int32_t;  // 1 .. 2^31-1, monotonic, never reused (Autolab's column is a 4-byte integer)
inline constexpr JobId kLastId = 0x7fffffff;

enum class JobClass { interactive, bulk };  // a student waits | regrade-all, imports

// One input file, pinned by its content: blob/<first two hex>/<the other 62>.
struct InputFile {
  std::string path;           // where the job finds it: relative, no "." or ".." component
  std::uint32_t mode = 0644;  // 0644 or 0755 (only the owner's execute bit of the source counts)
  std::uint64_t size = 0;     // bytes
  std::string sha256;         // 64 hex digits
};

struct Job {
  JobId id = 0;  // given by the queue
  std::string name;         // shown to people; any text up to 255 bytes without control characters
  std::string lane = "default";  // fairness key: the course lab
  JobClass job_class = JobClass::interactive;
  std::string image = "default";
  std::string directory;    // name of the work directory in the box, one path component
  std::vector<std::string> command;  // empty: make
  std::vector<InputFile> files;
  // Limits and the like, as autodriver's long options without the dashes:
  // {"memory","256M"}, {"network","none"}. Checked by who submits, and again by
  // autodriver; the queue takes [a-z0-9-]{1,32} -> up to 128 printable bytes.
  std::map<std::string, std::string> options;
  std::string output;       // absolute path where the feedback is published as well, or empty
  std::string callback_url;  // http(s) URL that is told of the end, or empty
  // What the submitter wants to see again with the job, as the REST face the names
  // under which files were uploaded. Neither the queue nor the runner reads it.
  std::map<std::string, std::string> labels;
  std::string submitter;    // "uid:1000"
  std::int64_t created_ms = 0;  // UTC, Unix time
};

}  // namespace milonga::queue
