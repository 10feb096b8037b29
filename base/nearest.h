// The known name that a mistyped one most likely meant.
//
// Privilege: none.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace milonga {

// The candidate with the fewest letters to add, drop, change or swap with
// their neighbour; empty when none is nearer than half of the name's letters.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

// "did you mean 'memory'?" or, when nothing is near, "one of: a, b, c".
std::string nearest_hint(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace milonga
