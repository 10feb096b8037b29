# Program: four g++ at once, the most that a lab's make -j4 takes
# Demand: memory
# Expect: ok
# Prints: ^10$
# Needs: g++ make
for i in 1 2 3 4; do
  printf '#include <vector>\nint f%d() { std::vector<int> v(%d); return int(v.size()); }\n' $i $i > f$i.cpp
done
printf '#include <cstdio>\nint f1(); int f2(); int f3(); int f4();\nint main() { std::printf("%%d\\n", f1() + f2() + f3() + f4()); }\n' > main.cpp
printf 'prog: main.o f1.o f2.o f3.o f4.o\n\t@g++ -o $@ $^\n%%.o: %%.cpp\n\t@g++ -O1 -c -o $@ $<\n' > Makefile
make -s -j4 && ./prog
