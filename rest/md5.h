// MD5, by which Autolab decides whether it must send a file again. It protects
// nothing: what a job gets is pinned by SHA-256 in the queue.
//
// Privilege: none.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

struct evp_md_ctx_st;

namespace milonga::rest {

class Md5 {
 public:
  Md5();
  ~Md5();
  Md5(const Md5&) = delete;
  Md5& operator=(const Md5&) = delete;
  void add(std::string_view bytes);
  std::string hex();  // once, at the end

 private:
  evp_md_ctx_st* context_;
};

// What was hashed already, by the file's identity, size and time of change; the
// entries used last are kept. Thread-safe.
class Md5Cache {
 public:
  std::optional<std::string> find(const struct stat& file);
  void add(const struct stat& file, const std::string& md5);

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;
  static Key key_of(const struct stat& file);
  std::mutex mutex_;
  std::list<std::pair<Key, std::string>> entries_;  // the one used last in front
  std::map<Key, std::list<std::pair<Key, std::string>>::iterator> index_;
};

}  // namespace milonga::rest
