// The status page for operators, below /ui/: HTML, a style sheet and a script of
// this program's own, nothing from elsewhere. All but live output works without the script.
//
// Browsers send the key by HTTP Basic, as the password, with any name. It must be
// a key for the whole site.
//
// Privilege: none.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "rest/http.h"
#include "rest/keyring.h"
#include "rest/queue_pool.h"
#include "rest/rate_limit.h"

namespace milonga::rest {

class Ui : public Service {
 public:
  Ui(const KeysInForce& keys, QueuePool& queue) : keys_(keys), queue_(queue) {}
  Plan begin(const RequestHead& head) override;

 private:
  [[nodiscard]] bool knows(const RequestHead& head) const;
  Reply answer(const std::string& path, const RequestHead& head);
  Reply overview();
  Reply job(const std::string& id);
  Reply events(const std::string& id, const std::string& last_event_id);

  const KeysInForce& keys_;
  QueuePool& queue_;
  RateLimit failures_{0.2, 20};
  std::atomic<int> feeds_{0};
};

// ui_pages.cpp: whole pages.
std::string overview_page(const std::vector<queue::Status>& jobs, const queue::Stats& stats,
                          std::int64_t now_ms);
std::string job_page(const queue::Status& status, const std::string& output);

}  // namespace milonga::rest
