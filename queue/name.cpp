#include "queue/name.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "base/sha256.h"

namespace milonga::queue {
namespace {

constexpr std::size_t kLongestLane = 180;

template <class T>
bool number(std::string_view text, T& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size();
}

bool is_hash(std::string_view text) {
  return text.size() == 8 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string JobName::text() const {
  return fmt::format("{:010}.{}.{:02}.{:x}.{}.{}.{}", id, job_class == JobClass::interactive ? 'i' : 'b', attempt, due_ms,
                     cost_s, user, pool);
}

std::optional<JobName> JobName::parse(std::string_view text) {
  std::vector<std::string_view> part;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    part.push_back(text.substr(at, dot - at));
    at = dot + 1;
  }
  JobName n;
  if (part.size() != 7 || part[0].size() != 10 || part[2].size() != 2 || !number(part[0], n.id) || n.id <= 0 ||
      !number(part[2], n.attempt) || n.attempt < 0 || !number(part[3], n.due_ms, 16) || n.due_ms < 0 ||
      !number(part[4], n.cost_s) || !is_hash(part[5]) || !is_hash(part[6]))
    return std::nullopt;
  if (part[1] != "i" && part[1] != "b") return std::nullopt;
  n.job_class = part[1] == "i" ? JobClass::interactive : JobClass::bulk;
  n.user = part[5];
  n.pool = part[6];
  return n.text() == text ? std::optional(n) : std::nullopt;  // one spelling for one state
}

JobName JobName::first(const Job& job) {
  JobName n;
  n.id = job.id;
  n.job_class = job.job_class;
  n.user = sha256_hex(job.submitter).substr(0, 8);
  n.pool = sha256_hex(job.image).substr(0, 8);
  return n;
}

std::string encode_lane(std::string_view lane) {
  std::string out;
  for (const char c : lane) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                       (c == '.' && !out.empty());
    if (plain) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  if (out.empty()) out = "default";
  if (out.size() > kLongestLane) out = out.substr(0, kLongestLane - 17) + "-" + sha256_hex(lane).substr(0, 16);
  return out;
}

JobId parse_id(std::string_view text) {
  JobId id = 0;
  return number(text, id) && id > 0 ? id : 0;
}

std::string shard_of(JobId id) { return fmt::format("done/{}", id / 1000); }
std::string result_path(JobId id) { return fmt::format("{}/{}.res", shard_of(id), id); }
std::string record_path(JobId id) { return fmt::format("{}/{}.job", shard_of(id), id); }

}  // namespace milonga::queue
