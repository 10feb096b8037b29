# Program: 8 MiB of output, which is legal, and every byte of it arrives
# Demand: output
# Expect: ok
# Prints: ^line 200000 of 200000 with some text to fill it
# Evidence: output_bytes == 8933352; output_kept_bytes == 8933352
seq 200000 | awk '{ printf "line %d of 200000 with some text to fill it\n", $1 }' > all
head -c 8933303 all
echo
echo "line 200000 of 200000 with some text to fill it"
