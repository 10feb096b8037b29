// Puts all that autodriver-core must know into one sealed request.
//
// Privilege: none. What is put in is checked again on the privileged side.
#pragma once

#include <string>
#include <vector>

#include "autodriver/options.h"
#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga {

struct RunPlan {
  const BoxOptions& options;
  std::string work_name;             // one path component: the job runs in /home/autograde/<work_name>
  std::vector<std::string> command;  // argv
  bool has_input = false;
  bool has_image = false;
  bool has_cgroups = false;
};

// A memfd with the request, sealed against any change. Fails if the command or
// the name do not fit.
Result<UniqueFd> build_run_request(const RunPlan& plan);

// The same for `autodriver gc`.
Result<UniqueFd> build_collect_request();

// The directory of an image: a path if it has a slash, else a name beneath
// /var/lib/milonga/images, which is locked (shared) so that it is not removed under the job. "default" has none: an invalid descriptor.
Result<UniqueFd> open_image(const std::string& image);

}  // namespace milonga
