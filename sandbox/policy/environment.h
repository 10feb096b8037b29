// The environment of a job, whole: nothing of the caller's gets in (secrets,
// MAKEFLAGS, LD_PRELOAD, locale).
//
// Privilege: any (plain constants).
#pragma once

namespace milonga {

struct EnvironmentRow {
  const char* assignment;
  const char* why;
};

inline constexpr EnvironmentRow kEnvironment[] = {
    {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
     "as in a container: images install anywhere"},
    {"HOME=/home/autograde", "tools keep caches there; it is the box's own tmpfs"},
    {"USER=autograde", "the name of Tango's images, which Makefiles of labs rely on"},
    {"LOGNAME=autograde", "the same, for POSIX tools"},
    {"SHELL=/bin/sh", "the one shell that each image has"},
    {"LANG=C.UTF-8", "student output is UTF-8 more often than not; no locale needs to be installed"},
    // TMPDIR is absent: /tmp is the box's own.
};

}  // namespace milonga
