# Program: a shell with job control in a pseudo terminal: background, stop, continue, traps
# Demand: syscalls
# Expect: ok
# Prints: ^stopped and continued
# Prints: ^trapped TERM
# Needs: script bash
cat > jobs.bash <<'END'
set -m
sleep 30 & pid=$!
kill -STOP $pid; sleep 0.1
jobs -l | grep -q Stopped && kill -CONT $pid && echo "stopped and continued"
kill $pid; wait $pid 2> /dev/null
trap 'echo trapped TERM' TERM
kill -TERM $$
END
script -qec 'bash jobs.bash' /dev/null < /dev/null
