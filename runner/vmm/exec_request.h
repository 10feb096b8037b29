// What a verb of an exec driver is told: milonga-exec-driver(7), WHAT A VERB IS TOLD.
//
// Privilege: none. Pure, but for the variables that are handed on.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "queue/queue.h"
#include "runner/vmm/exec_verb.h"

namespace milonga::runner {

struct Asked {
  std::map<std::string, std::string>
      variables;             // NAME is MILONGA_NAME in the environment, `name` in the JSON
  boost::json::object more;  // only in the JSON
};

Asked about_job(const queue::Claim& claim);
// With how autodriver is to be called there: autodriver OPTIONS DIRECTORY COMMAND. Fails if
// the job asks for what does not exist.
Result<Asked> about_run(const queue::Claim& claim, const std::string& image,
                        std::chrono::seconds default_wall);

// Sets environment and input of the plan; `own` are the operator's variables.
void tell(Asked asked, const std::vector<std::string>& own, VerbPlan& plan);

}  // namespace milonga::runner
