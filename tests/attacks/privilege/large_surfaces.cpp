// Attack: interfaces with a long list of holes: bpf, perf, userfaultfd, io_uring, keyrings, aio and others
// Learned from: R32; CVE-2021-3490 (bpf), CVE-2022-0995 (watch queues), moby#46762 (io_uring)
// Demand: syscalls
// Expect: ok
// Outside: nobody
#include <linux/bpf.h>
#include <linux/perf_event.h>

#include "tests/attacks/attack.h"

ATTACK(large_surfaces) {
  bpf_attr map{};
  map.map_type = BPF_MAP_TYPE_ARRAY;
  map.key_size = map.value_size = 4;
  map.max_entries = 1;
  attempt("bpf", call(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map) >= 0);
  perf_event_attr perf{};
  perf.type = PERF_TYPE_SOFTWARE;
  perf.size = sizeof perf;
  perf.exclude_kernel = 1;
  attempt("perf_event_open", call(SYS_perf_event_open, &perf, 0, -1, -1, 0) >= 0);
  attempt("userfaultfd", call(SYS_userfaultfd, 1) >= 0);
  uint32_t parameters[30] = {};
  attempt("io_uring", call(SYS_io_uring_setup, 1, parameters) >= 0);
  attempt("a key", call(SYS_add_key, "user", "name", "value", 5, -3) >= 0);
  attempt("a session keyring", call(SYS_keyctl, 1, nullptr) >= 0);
  attempt("a keyring's id", call(SYS_keyctl, 0, -4, 1) >= 0);
  attempt("request_key", call(SYS_request_key, "user", "name", nullptr, 0) >= 0);
  unsigned long context = 0;
  attempt("asynchronous i/o", call(SYS_io_setup, 1, &context) >= 0);
  attempt("memfd_secret", call(447, 0) >= 0);
  attempt("modify_ldt", call(SYS_modify_ldt, 0, malloc(64), 64) >= 0);
  attempt("a watch queue", [] {
    int ends[2];
    return pipe2(ends, 0200 /* O_NOTIFICATION_PIPE, which is O_EXCL */) == 0;
  }());
  attempt("vmsplice", [] {
    int ends[2];
    if (pipe(ends) != 0) return false;
    struct {
      void* base;
      size_t length;
    } part{malloc(10), 10};
    return call(SYS_vmsplice, ends[1], &part, 1, 0) >= 0;
  }());
}
