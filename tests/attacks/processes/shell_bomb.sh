# Attack: the fork bomb of the shell, to a depth of ten
# Learned from: every course
# Demand: processes
# Limits: --pids 32
# Expect: ok failed
# Prints: ^begun
# Evidence: forks_refused >= 1; processes_peak <= 33
echo begun
bomb() {
  [ "$1" -le 0 ] || { bomb $(($1 - 1)) | bomb $(($1 - 1)); }
}
bomb 10 2> /dev/null
sleep 1
