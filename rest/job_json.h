// A job of the queue as our own API and the status page show it.
//
// Privilege: none.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "queue/queue.h"

namespace milonga::rest {

// The fields that rest/openapi.json describes as Job. `lab`: its lane without the key's id.
boost::json::object job_json(const queue::Status& status);

// The fields that rest/openapi.json describes as Host. What the runner did not say, or not right, is null.
boost::json::object runner_json(const queue::Runner& runner);

const char* state_name(queue::State state);
// What stands in the job's record as its course lab.
std::string lab_of(const queue::Job& job);
// The last 64 KiB of its feedback; empty if there is none.
std::string feedback_end(const queue::ResultRecord& result);

}  // namespace milonga::rest
