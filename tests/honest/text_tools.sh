# Program: awk, sed, sort, uniq, cut, tr, paste, join, comm, xargs, find, bc: the shell course
# Demand: syscalls
# Expect: ok
# Prints: ^2 the$
# Prints: ^1267650600228229401496703205376$
# Prints: ^3:c$
# Needs: awk sed bc find xargs
printf 'the cat\nthe dog\na bird\n' | tr ' ' '\n' | sort | uniq -c | sort -rn | awk '{ print $1, $2 }' | head -n 1
echo '2^100' | bc
printf '1:a\n2:b\n3:c\n' | sed -n '/^3/p' | cut -d: -f1,2
for i in 1 2 3; do echo $i > $i.txt; done
find . -name '*.txt' -print0 | xargs -0 -n 1 -P 3 cat | sort | paste -sd+ | bc
