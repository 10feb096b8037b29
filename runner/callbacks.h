// Tells those who named a URL with their job that it has ended: one POST of the
// feedback, as Tango sends it and Autolab expects it (multipart/form-data, one
// part "file"), until somebody answers with 2xx or the time for it is over.
//
// What is owed stands in the queue's outbox, and with it the number of tries and
// the time of the next one, so that a restart neither forgets nor hurries. A
// receiver that fails is asked by one request at a time, after longer and longer
// pauses; others do not wait for it.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "queue/outbox.h"
#include "queue/queue.h"
#include "runner/address_rules.h"
#include "runner/http_client.h"

namespace milonga::runner {

struct CallbackOptions {
  AddressRules allow;                            // hosts and networks that are not public and may be sent to
  AddressRules insecure;                         // hosts whose certificate is not checked
  std::chrono::milliseconds deadline{30'000};    // for one request
  std::chrono::milliseconds first_retry{1'000};  // then twice as long each time
  std::chrono::milliseconds longest_retry{600'000};
  std::chrono::milliseconds expiry{24 * 3'600'000};  // after the job's end, it is given up
  std::size_t at_once = 16;                          // requests under way
  std::size_t at_once_each = 2;                      // of these, to one receiver
};

// How many requests ended how, since the start.
struct CallbackCounts {
  std::uint64_t delivered = 0, failed = 0, given_up = 0;
};

class Callbacks {
 public:
  // All references must outlive it. libcurl is set up with the first request: until then it costs no memory.
  Callbacks(EventLoop& loop, queue::Queue& queue, queue::Outbox& outbox, CallbackOptions options);
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  // Call at start and whenever the outbox has news.
  void on_news();
  // Sends no more; calls `drained` when no request is under way: an answer that nobody
  // waits for is a callback that is sent twice. After `grace` they are broken off.
  void stop(std::chrono::milliseconds grace, std::function<void()> drained);

  [[nodiscard]] const CallbackCounts& counts() const { return counts_; }
  [[nodiscard]] std::size_t owed() const { return known_.size(); }

 private:
  // One receiver: scheme, host and port.
  struct Receiver {
    std::set<std::pair<std::int64_t, queue::JobId>> waiting;  // by due time
    std::size_t under_way = 0;
    int failures = 0;  // in a row, of whatever job
    std::int64_t closed_until_ms = 0;
  };
  struct Known {
    queue::Callback callback;
    UrlTarget target;
    std::string url;
    std::int64_t expires_ms = 0;
    HttpClient::Id request = 0;  // 0: it waits
    bool not_allowed = false;    // an address of the request under way was refused
  };

  void read_some();
  void take(const queue::Callback& callback);
  void pump();
  void pump(Receiver& receiver, std::int64_t now, std::int64_t& next_ms);
  void send(queue::JobId id, Receiver& receiver);
  Result<void> post(queue::JobId id, Known& known);
  void on_answer(queue::JobId id, const Result<HttpReply>& reply);
  void fail_try(queue::JobId id, const std::string& why);
  void keep(const queue::Callback& callback);
  void say(const Known& known, const std::string& text) const;

  EventLoop& loop_;
  queue::Queue& queue_;
  queue::Outbox& outbox_;
  std::unique_ptr<HttpClient> client_;
  CallbackOptions options_;
  CallbackCounts counts_;
  std::map<queue::JobId, Known> known_;        // owed; not those that were given up
  std::map<std::string, Receiver> receivers_;  // by UrlTarget::origin()
  std::deque<queue::Callback> fresh_;          // not looked at yet
  std::size_t under_way_ = 0;
  EventLoop::TimerId timer_ = 0;
  bool stopping_ = false;
  std::function<void()> drained_;
};

}  // namespace milonga::runner
