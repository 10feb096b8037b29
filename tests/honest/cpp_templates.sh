# Program: C++ templates deep enough to take g++ 100 MiB and more
# Demand: memory
# Expect: ok
# Prints: ^46368$
# Needs: g++
cat > deep.cpp <<'END'
#include <cstdio>
#include <tuple>
#include <utility>
template <int N> struct Fibonacci { static constexpr long value = Fibonacci<N - 1>::value + Fibonacci<N - 2>::value; };
template <> struct Fibonacci<0> { static constexpr long value = 0; };
template <> struct Fibonacci<1> { static constexpr long value = 1; };
template <std::size_t... I> auto many(std::index_sequence<I...>) { return std::make_tuple(std::integral_constant<int, I>{}...); }
int main() {
  auto all = many(std::make_index_sequence<120>{});
  std::printf("%ld\n", std::get<7>(all) == 7 ? Fibonacci<24>::value : 0);
}
END
g++ -std=c++17 -o deep deep.cpp && ./deep
