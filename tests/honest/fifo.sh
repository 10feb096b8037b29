# Program: named pipes between processes
# Demand: filesystem
# Expect: ok
# Prints: ^10 lines through the fifo$
mkfifo pipe
seq 10 > pipe &
n=$(wc -l < pipe)
wait
echo "$n lines through the fifo"
