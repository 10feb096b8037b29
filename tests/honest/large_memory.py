# Program: 700 MiB of 1 GiB, touched
# Demand: memory
# Expect: ok
# Prints: ^700 MiB$
# Evidence: memory_peak_bytes >= 734003200
# Needs: python3
block = bytearray(700 << 20)
for offset in range(0, len(block), 4096):
    block[offset] = 1
print(len(block) >> 20, "MiB")
