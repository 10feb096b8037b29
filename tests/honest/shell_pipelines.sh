# Program: long pipelines, here documents, process substitution, subshells, traps, SIGPIPE
# Demand: syscalls
# Expect: ok
# Prints: ^1000000$
# Prints: ^same 3$
# Prints: ^bye$
# Needs: bash
yes | head -n 1000000 | cat | cat | cat | wc -l
bash -c 'diff <(seq 3) <(printf "1\n2\n3\n") && echo "same $(seq 3 | tail -n 1)"; trap "echo bye" EXIT; exit 0'
