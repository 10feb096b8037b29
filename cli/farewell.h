// Ctrl-C while somebody waits for a job ends the waiting and not the job: said in
// one line before the program dies of the signal, as shells and scripts expect.
//
// Privilege: none (the caller's).
#pragma once

#include <string>

namespace milonga::cli {

// While one lives, SIGINT and SIGTERM first write this line to standard error. A
// signal that was ignored stays so. There is one at a time.
class Farewell {
 public:
  explicit Farewell(const std::string& line);
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;
  ~Farewell();
};

}  // namespace milonga::cli
