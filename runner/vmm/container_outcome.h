// What became of a run in a container: autodriver's report, checked against what
// the Engine says of the container and completed by it.
//
// The report is believed because of the way it came: over the container's standard
// error, which autodriver has and the job never had, and not from any path in the
// container. An end without a report is the job's doing only where the Engine says
// that the container ran out of its memory; else somebody killed it, and the job is
// not judged.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "autodriver/options.h"
#include "runner/vmm/container.h"
#include "runner/vmm/engine_api.h"

namespace milonga::runner {

struct ContainerEnd {
  ContainerState state;
  std::string engine;  // "Docker 20.10.24"
  BoxOptions box;      // as asked for
  ContainerBounds bounds;
  std::string errors;              // all that came over standard error
  std::uint64_t output_bytes = 0;  // that came over standard output
};

// Fails where the run is not judged: the job may be tried again.
Result<RunOutcome> container_outcome(const ContainerEnd& end);

// The part of what autodriver wrote that is its report; empty if there is none.
std::string_view find_report(std::string_view errors);

}  // namespace milonga::runner
