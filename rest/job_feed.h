// One job as Server-Sent Events (WHATWG HTML, 9.2), from its first state to its end:
//
//   event: state     data: the job, each time its state, attempt or place changed
//   event: output    data: {"attempt": 1, "at": 120, "text": "..."}   id: 1.180
//   event: end       data: the job with its result; nothing follows
//
// Who reads on sends the last id back ("Last-Event-ID") and gets what comes after.
//
// Privilege: none.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "rest/http.h"
#include "rest/queue_pool.h"

namespace milonga::rest {

// `describe`: the job as JSON on one line. `open_feeds` is counted up while this lives.
// Fails if there is no such job, or it cannot be watched.
Result<std::unique_ptr<Feed>> follow_job(QueuePool& queue, queue::JobId id, const std::string& last_event_id,
                                         std::function<std::string(const queue::Status&)> describe,
                                         std::atomic<int>& open_feeds);

}  // namespace milonga::rest
