# Program: C++ templates deep enough to take g++ some hundred MiB and a second
# Demand: memory
# Expect: ok
# Prints: ^46368$
# Needs: g++
cat > deep.cpp <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <tuple>
#include <vector>
template <int N> struct Fibonacci { static constexpr long value = Fibonacci<N - 1>::value + Fibonacci<N - 2>::value; };
template <> struct Fibonacci<0> { static constexpr long value = 0; };
template <> struct Fibonacci<1> { static constexpr long value = 1; };
template <std::size_t... I> auto many(std::index_sequence<I...>) { return std::make_tuple(std::integral_constant<int, I>{}...); }
int main() {
  auto all = many(std::make_index_sequence<100>{});
  std::map<std::string, std::vector<int>> words{{"a", {std::get<7>(all)}}};
  std::cout << (std::regex_match("abc", std::regex("a.c")) ? Fibonacci<24>::value : 0) << "\n";
}
END
g++ -std=c++17 -O1 -o deep deep.cpp && ./deep
