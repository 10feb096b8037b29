# Program: 5000 files in 50 directories, counted and removed again
# Demand: inodes
# Expect: ok
# Prints: ^5000 files, then 0$
# Needs: find
for d in $(seq 50); do
  mkdir "d$d" && (cd "d$d" && seq 100 | xargs touch)
done
n=$(find d* -type f | wc -l)
rm -r d*
echo "$n files, then $(find . -name 'd*' -type d | wc -l)"
