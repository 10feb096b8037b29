// What `autodriver selftest` found on this host, dated: a JSON file that says for
// which kernel and which programs it holds. Reports name it (docs/report.md).
//
// Privilege: none.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "base/result.h"
#include "sandbox/model/response.h"

namespace milonga {

// What a report says of it.
struct SelftestMark {
  std::string date;  // UTC, "2026-11-23T12:00:00Z"
  bool passed = false;
};

// Of what a certificate holds: the kernel, and both programs by size and time of
// their last change in any way (st_ctime; a new installation is a new program).
boost::json::object certified_host();

// Where it is kept: of root /var/lib/milonga/selftest.json, else
// $XDG_STATE_HOME/milonga/selftest.json or ~/.local/state in its place. Empty: nowhere.
std::string certificate_path();

// The caller's own, else root's, if it was made with this kernel, these programs and boxes of this kind.
std::optional<SelftestMark> find_selftest(BoxKind kind);

// Makes missing directories of certificate_path() as well.
Result<> write_certificate(const std::string& path, const boost::json::object& certificate);

}  // namespace milonga
