# Program: ThreadSanitizer, which starts itself again without address randomisation
# Demand: syscalls
# Expect: ok
# Prints: data race
# Needs: g++
cat > race.cpp <<'END'
#include <thread>
int shared;
int main() {
  std::thread one([] { ++shared; }), two([] { ++shared; });
  one.join();
  two.join();
}
END
g++ -fsanitize=thread -g -o race race.cpp && ./race 2>&1 | grep -o 'data race' | head -n 1
