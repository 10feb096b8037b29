// pool, prealloc and scale. A box is made in milliseconds and used once, so a
// pool keeps nothing warm: its size is accounting, which Autolab's status page
// shows; the cores and memory that prealloc names hold for the image's jobs from then on.
// Kept in tmp/pools.json of the course labs, for all servers.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <map>

#include "rest/job_view.h"
#include "rest/name.h"
#include "rest/tango_api.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr const char* kFile = "pools.json";
constexpr const char* kScale = "/scale";                  // beside the images, of which none begins with '/'
constexpr std::int64_t kFirstId = 1000, kMostVms = 9000;  // Tango's ids: 1000 to 9999

std::int64_t number_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

json::object pool_row(std::int64_t size, std::int64_t busy) {
  json::array total, free;
  for (std::int64_t i = 0; i < std::max(size, busy); ++i) {
    total.push_back(kFirstId + i);
    if (i >= busy) free.push_back(kFirstId + i);
  }
  return {{"total", total}, {"free", free}};
}

}  // namespace

bool TangoApi::knows_image(const std::string& image) const {
  return is_image_name(image) && (options_.images.contains(image) || options_.images.contains("*"));
}

Result<json::object> TangoApi::read_pools() const {
  const std::string text = TRY(labs_.read_shared(kFile));
  if (text.empty()) return json::object();
  json::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return fail("tmp/pools.json is damaged", "remove it");
  return value.as_object();
}

Result<std::map<std::string, TangoApi::Pool>> TangoApi::pools() {
  std::map<std::string, Pool> all;
  for (const auto& kept : TRY(read_pools()))
    if (kept.key() != kScale && kept.value().is_object())
      all[kept.key()].size = number_of(kept.value().as_object(), "size");
  const auto jobs = live_();
  if (!*jobs) return Unexpected(jobs->error());
  for (const queue::Status& status : **jobs) {
    const auto label = status.job.labels.find(kImageLabel);
    Pool& pool = all[label == status.job.labels.end() ? status.job.image : label->second];
    ++(status.state == queue::State::running ? pool.running : pool.waiting);
  }
  return all;
}

Reply TangoApi::pool(const std::string& image) {
  const auto kept = read_pools();
  if (!kept) return failure(kept.error());
  auto all = pools();
  if (!all) return failure(all.error());
  std::erase_if(*all, [](const auto& row) { return row.second.size == 0 && row.second.running == 0; });
  json::object extra{{"pools", json::object()}};
  if (const json::value* scale = kept->if_contains(kScale); scale != nullptr && scale->is_object())
    extra.insert(scale->as_object().begin(), scale->as_object().end());
  const bool one = !image.empty() && all->contains(image);
  json::object& rows = extra["pools"].as_object();
  for (const auto& [name, pool] : *all)
    if (!one || name == image) rows[name] = pool_row(pool.size, pool.running);
  if (image.empty()) return status_reply(0, "Found all pools", std::move(extra));
  return one ? status_reply(0, "Found pool", std::move(extra))
             : status_reply(-1, "Pool not found", std::move(extra));
}

Reply TangoApi::prealloc(const Route& route, const std::string& body) {
  if (!knows_image(route.image)) return status_reply(-1, "Invalid image name");
  std::int64_t size = 0;
  (void)std::from_chars(route.number.data(), route.number.data() + route.number.size(), size);
  if (size > kMostVms) return status_reply(-1, "Invalid prealloc size");
  const auto request = parse_pool_request(body);
  if (!request) return failure(request.error());
  const std::lock_guard lock(pools_mutex_);
  auto pools = read_pools();
  if (!pools) return failure(pools.error());
  json::object pool{{"size", size}};
  if (request->cores) pool["cores"] = *request->cores;
  if (request->memory_mb) pool["memory"] = *request->memory_mb;
  if (size == 0)
    pools->erase(route.image);
  else
    (*pools)[route.image] = pool;
  if (auto kept = labs_.write_shared(kFile, json::serialize(*pools)); !kept)
    return status_reply(-1, "Preallocate VM failed");
  return status_reply(0, "VMs preallocated");
}

Reply TangoApi::scale(const Route& route) {
  std::int64_t low = 0, most = 0;
  (void)std::from_chars(route.number.data(), route.number.data() + route.number.size(), low);
  (void)std::from_chars(route.most.data(), route.most.data() + route.most.size(), most);
  const std::lock_guard lock(pools_mutex_);
  auto pools = read_pools();
  if (!pools || low > most) return status_reply(-1, "Scale parameters failed to save");
  (*pools)[kScale] = json::object{{"low_water_mark", low}, {"max_pool_size", most}};
  if (auto kept = labs_.write_shared(kFile, json::serialize(*pools)); !kept)
    return status_reply(-1, "Scale parameters failed to save");
  return status_reply(0, "Scale parameters saved");
}

}  // namespace milonga::rest
