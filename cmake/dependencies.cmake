# Every library that Milonga is built from, with the reason. All are Debian 12
# packages; tools/setup installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# Options of every program; JSON at the edges (reports, job records, --json).
# 1.81 and not Debian's default 1.74: that one has no Boost.JSON.
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS program_options json)

pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)  # filter compiler (build time) and its tests
pkg_check_modules(libcap REQUIRED IMPORTED_TARGET libcap)       # doctor: what this process may do
pkg_check_modules(libcgroup REQUIRED IMPORTED_TARGET libcgroup) # doctor: which controllers are mounted where
pkg_check_modules(crypto REQUIRED IMPORTED_TARGET libcrypto)    # SHA-256 of spool records and inputs
pkg_check_modules(ssl REQUIRED IMPORTED_TARGET libssl)          # TLS of milonga-rest
find_package(CURL REQUIRED)                                     # the HTTP client of the daemon
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)           # the daemon's config; used as headers only
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive) # images: tar, zip, every compression; what is copied into containers
find_package(fmt REQUIRED)                                      # g++ 12 has no std::format
find_path(TL_EXPECTED_INCLUDE tl/expected.hpp REQUIRED)         # g++ 12 has no std::expected
add_library(tl_expected INTERFACE)
target_include_directories(tl_expected SYSTEM INTERFACE ${TL_EXPECTED_INCLUDE})

pkg_check_modules(libnl REQUIRED IMPORTED_TARGET libnl-route-3.0)  # tests: what is in a box's network namespace
find_package(GTest REQUIRED)
