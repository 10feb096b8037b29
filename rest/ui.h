// The status page for operators, below /ui/: HTML, a style sheet and a script of
// this program's own, nothing from elsewhere. All but live output works without the script.
//
// Browsers send the key by HTTP Basic, as the password, with any name. It must be
// a key for the whole site; a lab's scoreboard takes a key for the lab, or none if the lab says so.
//
// Privilege: none.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "rest/courselabs.h"
#include "rest/http.h"
#include "rest/keyring.h"
#include "rest/queue_pool.h"
#include "rest/rate_limit.h"
#include "rest/tango_api.h"

namespace milonga::rest {

class Ui : public Service {
 public:
  Ui(const KeysInForce& keys, CourseLabs& labs, QueuePool& queue, TangoApi& tango);
  Plan begin(const RequestHead& head) override;

 private:
  Reply answer(const std::string& path, const RequestHead& head);
  Reply overview();
  Reply job(const std::string& id);
  Reply scoreboard(const std::string& lab, const std::optional<Access>& access);
  Reply events(const std::string& id, const std::string& last_event_id);

  const KeysInForce& keys_;
  CourseLabs& labs_;
  QueuePool& queue_;
  TangoApi& tango_;
  RateLimit failures_{0.2, 20};
  RateLimit visitors_{2, 20};  // of each address: scoreboards, without a key
  SharedLook<TangoApi::Jobs> scored_;
  std::atomic<int> feeds_{0};
};

// ui_pages.cpp: whole pages.
struct Overview {
  std::vector<queue::Status> jobs;
  queue::Stats stats;
  std::vector<queue::Runner> runners;
  std::map<std::string, TangoApi::Pool> pools;
};
std::string overview_page(const Overview& now, std::int64_t now_ms);
std::string job_page(const queue::Status& status, const std::string& output);

}  // namespace milonga::rest
