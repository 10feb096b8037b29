#include "base/nearest.h"

#include <algorithm>
#include <vector>

namespace milonga {
namespace {

// Optimal string alignment distance (Levenshtein plus swaps of neighbours).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
  name = name.substr(0, 64);  // a name is typed by people: longer ones are no typos, only work
  std::string_view best;
  std::size_t best_distance = (name.size() + 1) / 2 + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t now = distance(name, candidate);
    if (now < best_distance) {
      best = candidate;
      best_distance = now;
    }
  }
  return best;
}

std::string nearest_hint(std::string_view name, std::span<const std::string_view> candidates) {
  if (const std::string_view found = nearest(name, candidates); !found.empty()) {
    return "did you mean '" + std::string(found) + "'?";
  }
  std::string text = "one of: ";
  for (const std::string_view candidate : candidates) {
    if (candidate != candidates.front()) text += ", ";
    text += candidate;
  }
  return text;
}

}  // namespace milonga
