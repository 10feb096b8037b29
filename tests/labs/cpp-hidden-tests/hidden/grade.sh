# Runs ./wordcount on each hidden input. The handin's output is only compared,
# never printed, so it cannot write the score line itself.
correctness=0 robustness=0

check() { # NAME POINTS EXPECTED < input
  if got=$(./wordcount) && [ "$got" = "$3" ]; then
    echo "PASS  $1"
    points=$2
  else
    echo "FAIL  $1: expected '$3', got '$got'"
    points=0
  fi
}

printf 'one two three\n' >input
check 'one line' 20 '1 3 14' <input
correctness=$((correctness + points))

printf 'to be\nor not\nto be\n' >input
check 'several lines' 20 '3 6 19' <input
correctness=$((correctness + points))

check 'empty input' 10 '0 0 0' </dev/null
robustness=$((robustness + points))

printf 'a\tb\n' >input
check 'tabs' 10 '1 2 4' <input
robustness=$((robustness + points))

echo "{\"scores\": {\"correctness\": $correctness, \"robustness\": $robustness}}"
