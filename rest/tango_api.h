// Tango's REST API over the queue: each call of route.h, with the status ids,
// messages and types that Autolab and tango-cli match on.
//
//   HTTP 200 and {"statusId": 0 | -1.., "statusMsg": ..., extra} for every answer of a call,
//   the bare bytes of the feedback for a poll that finds it,
//   404 and 405 with Tornado's page for what is no call.
//
// Privilege: none.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "rest/counters.h"
#include "rest/courselabs.h"
#include "rest/http.h"
#include "rest/options.h"
#include "rest/route.h"
#include "rest/queue_pool.h"
#include "rest/shared_look.h"

namespace milonga::rest {

class TangoApi : public Service {
 public:
  TangoApi(const ServerOptions& options, const KeysInForce& keys, CourseLabs& labs, QueuePool& queue)
      : options_(options), keys_(keys), labs_(labs), queue_(queue) {}

  Plan begin(const RequestHead& head) override;

  // What became of a job that somebody wants to have done; also for our own API.
  struct Added {
    enum class Kind { accepted, would_be, not_valid, full, failed } kind = Kind::failed;
    queue::JobId id = 0;
    std::vector<std::string> problems;  // why not, a line each
  };
  Added submit(const JobRequest& request, const std::string& key_id, const std::string& lab);

  // The images that a pool was asked for or that have jobs, by name; also for our own API.
  struct Pool {
    std::int64_t size = 0;  // as prealloc asked
    std::int64_t running = 0, waiting = 0;
  };
  Result<std::map<std::string, Pool>> pools();

  using Jobs = Result<std::vector<queue::Status>>;

 private:
  // tango_api.cpp: labs, files and what is known of jobs
  Reply answer(const Route& route, const Access& access, const std::string& body);
  Plan begin_upload(const RequestHead& head, const std::string& lab);
  Plan begin_build(const RequestHead& head);
  Reply open(const std::string& lab);
  Reply poll(const Route& route, const std::string& lab);
  Reply partial_output(const Route& route, const Access& access);
  Reply info();
  Reply jobs(const Route& route, const Access& access);
  Jobs list_live();
  Jobs list_all();
  Result<std::optional<queue::Status>> newest_with_output(const std::string& path);

  // add_job.cpp
  Reply add_job(const std::string& key_id, const std::string& lab, const std::string& body);
  std::vector<std::string> problems_of(const JobRequest& request, const std::string& lab) const;
  queue::Job job_from(const JobRequest& request, const std::string& key_id, const std::string& lab);
  Result<bool> queue_is_full();
  Reply cancel(const Route& route, const std::string& lab);

  // pools.cpp
  Reply pool(const std::string& image);
  Reply prealloc(const Route& route, const std::string& body);
  Reply scale(const Route& route);
  Result<boost::json::object> read_pools() const;
  [[nodiscard]] bool knows_image(const std::string& image) const;

  [[nodiscard]] std::string shown_output(const queue::Job& job) const;

  const ServerOptions& options_;
  const KeysInForce& keys_;
  CourseLabs& labs_;
  QueuePool& queue_;
  SharedLook<Jobs> live_{[this] { return list_live(); }};  // the first that wait or run
  SharedLook<Jobs> all_{[this] { return list_all(); }};    // all of these, and the newest of the others
  Counters counters_;
  std::mutex pools_mutex_, full_mutex_;
  bool full_ = false;
  std::chrono::steady_clock::time_point full_known_until_{};
};

// {"statusId": id, "statusMsg": message, extra...}
Reply status_reply(int id, std::string_view message, boost::json::object extra = {});
Reply trace_reply(int id,
                  const boost::json::array& trace);  // Tango rejects a job with its trace as the message
Reply failure(const Error& error);                   // -1

}  // namespace milonga::rest
