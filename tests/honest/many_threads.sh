# Program: 200 threads at once
# Demand: processes
# Expect: ok
# Prints: ^200 threads, sum 19900$
# Needs: g++
cat > threads.cpp <<'END'
#include <atomic>
#include <barrier>
#include <iostream>
#include <thread>
#include <vector>
int main() {
  std::atomic<int> sum{0};
  std::barrier all_there(200);
  std::vector<std::thread> threads;
  for (int i = 0; i < 200; ++i) threads.emplace_back([&, i] { all_there.arrive_and_wait(); sum += i; });
  for (auto& one : threads) one.join();
  std::cout << threads.size() << " threads, sum " << sum << "\n";
}
END
g++ -std=c++20 -pthread -o threads threads.cpp && ./threads
