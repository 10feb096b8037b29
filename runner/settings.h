// The daemon's settings: one row each, from which come its command line, its
// --help and the keys of its config file. A test holds the table, the shipped
// packaging/milonga.toml and the page milonga.toml(5) together.
//
// To add one: a row here, its use in options.cpp, and its lines in those two files.
//
// Privilege: none.
#pragma once

#include <span>

namespace milonga::runner {

enum class SettingKind { text, number, flag, list };

struct Setting {
  const char* key;     // in the config file: "callbacks.allow" is `allow` in [callbacks]
  const char* option;  // on the command line, without its dashes
  SettingKind kind;
  const char* value;     // what --help calls the value; null for a flag
  const char* fallback;  // without it; as TOML, so that the shipped file can show it
  const char* help;
};

std::span<const Setting> settings();

}  // namespace milonga::runner
