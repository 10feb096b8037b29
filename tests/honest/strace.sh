# Program: strace counts the calls of a program and of its children
# Demand: syscalls
# Expect: ok
# Prints: execve\(
# Prints: ^traced$
# Needs: strace
strace -f -o trace sh -c 'ls / | wc -l; (true)' > /dev/null && grep -m1 'execve(' trace && echo traced
