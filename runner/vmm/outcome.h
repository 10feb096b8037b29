// From what autodriver left to what became of the run: the same for every driver.
//
// Privilege: none.
#pragma once

#include <string>

#include "base/result.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

// The report of a job that autodriver cannot be asked to run: its record is at fault,
// and no other attempt would go better.
std::string refusal(const std::string& why);

// What autodriver wrote to its standard error, in one line for a message: at most 400 bytes.
std::string said_in_one_line(std::string_view errors);

struct Left {
  std::string report;  // "" if there is none
  int status = 0;      // autodriver's exit status
  std::string said;    // one line
};

// A report of a judged run is an outcome, and so is autodriver's word that it was
// asked for something that does not exist; anything else is our failure.
Result<RunOutcome> outcome_of(const Left& left);

}  // namespace milonga::runner
