// What a box sees of the file system: tables, each row with its reason.
//
// Privilege: any (plain constants).
#pragma once

#include <cstddef>
#include <cstdint>

namespace milonga {

// Top-level entries of the host that the image `default` shows, read-only,
// nosuid, nodev, with all that is mounted below them. A symbolic link (usr
// merge) is made again as a link. What is absent is left out.
struct HostEntry {
  const char* name;
  const char* why;
};
inline constexpr HostEntry kHostEntries[] = {
    {"usr", "programs, libraries, headers"},
    {"bin", "programs; a link to usr/bin on merged systems"},
    {"sbin", "the same"},
    {"lib", "the dynamic loader is named by this path in every program"},
    {"lib32", "32-bit programs of multilib toolchains"},
    {"lib64", "the x86-64 loader's path"},
    {"libx32", "named by some toolchains"},
    {"etc",
     "ld.so.cache, alternatives, ssl certificates, locale; secrets there are protected by their modes"},
    {"opt", "toolchains that courses install by hand"},
};

// Of an image directory everything is shown but these: they are the box's own.
inline constexpr const char* kNotFromImage[] = {".",    "..",  "proc", "sys",  "dev", "tmp",  "run",
                                                "home", "root", "mnt", "media"};

struct DeviceRow {
  const char* name;
  unsigned major_number, minor_number;
  const char* why;
};
inline constexpr DeviceRow kDevices[] = {
    {"null", 1, 3, "every build redirects to it"},
    {"zero", 1, 5, "mmap and dd of labs"},
    {"full", 1, 7, "tests of write errors; harmless"},
    {"random", 1, 8, "reads only: writing needs no privilege but adds no entropy credit"},
    {"urandom", 1, 9, "languages seed from it"},
    {"tty", 5, 0, "opens the controlling terminal, of which the box has none: ENXIO, as in any batch job"},
};

struct LinkRow {
  const char* name;
  const char* target;
};
inline constexpr LinkRow kDeviceLinks[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

// Writable places. All are directories of one tmpfs, so that --disk and
// --inodes bound them together; it is fresh for each box.
struct WritableRow {
  const char* source;  // directory in the tmpfs
  const char* target;  // where the box sees it
  std::uint32_t mode;
  bool of_job;  // owned by the box's uid, else by root
  const char* why;
};
inline constexpr WritableRow kWritable[] = {
    {"home", "home/autograde", 0755, true, "the job's home, with the work directory"},
    {"tmp", "tmp", 01777, false, "as everywhere"},
    {"vartmp", "var/tmp", 01777, false, "as everywhere"},
    {"shm", "dev/shm", 01777, false, "POSIX shared memory: python multiprocessing, JVMs"},
};
// In a container there is no tmpfs of the box's own: where a job may write among
// what the container has, and where its leftovers are looked for afterwards.
struct SharedRow {
  const char* path;
  const char* why;
};
inline constexpr SharedRow kShared[] = {
    {"/home/autograde", "the job's home, as in Tango's images"},
    {"/tmp", "as everywhere"},
    {"/var/tmp", "as everywhere"},
    {"/dev/shm", "POSIX shared memory and semaphores"},
    {"/dev/mqueue", "POSIX message queues, where it is mounted"},
};

inline constexpr const char* kHomeName = "autograde";  // ~autograde, as in Tango's images

// The one tmpfs on which all of this hangs is itself small and ends read-only.
inline constexpr const char* kRootOptions = "size=1m,nr_inodes=1024,mode=0755";
// Own processes only, and of /proc nothing but processes (proc(5)).
inline constexpr const char* kProcOptions = "hidepid=invisible,subset=pid";
// An own instance of pseudo terminals, and no more than this many.
inline constexpr const char* kPtsOptions = "newinstance,ptmxmode=0666,mode=0620,max=16";

inline constexpr const char* kHostName = "box";

}  // namespace milonga
