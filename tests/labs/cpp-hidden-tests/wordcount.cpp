// A student's handin: prints the number of lines, words and characters of its
// input. Its mistake: only blanks and newlines end a word, so tabs do not.
#include <iostream>
#include <iterator>
#include <string>

int main() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  std::size_t lines = 0, words = 0;
  bool in_word = false;
  for (const char c : text) {
    if (c == '\n') ++lines;
    const bool space = c == ' ' || c == '\n';
    if (!space && !in_word) ++words;
    in_word = !space;
  }
  std::cout << lines << ' ' << words << ' ' << text.size() << '\n';
}
