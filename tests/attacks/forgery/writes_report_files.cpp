// Attack: writes files with the names of results wherever it can
// Learned from: R42; Saligrama 2023 (results.json); judge0 (fixed names in the submission's directory)
// Demand: verdict
// Expect: failed
// Prints: ^written [1-9]
// Evidence: exit_code == 1
#include "tests/attacks/attack.h"

ATTACK(writes_report_files) {
  int written = 0;
  for (const char* directory : {".", "..", "/tmp", "/var/tmp", "/dev/shm", "/run", "/"})
    for (const char* name :
         {"report.json", "output", "feedback", "results.json", "score", "errors", "status", "stdout"}) {
      char path[64];
      snprintf(path, sizeof path, "%s/%s", directory, name);
      const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
      written += fd >= 0 && write(fd, "{\"verdict\":\"ok\",\"exit_code\":0}", 31) == 31;
    }
  say("written %d files", written);
  _exit(1);
}
