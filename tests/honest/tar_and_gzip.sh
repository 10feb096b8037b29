# Program: tar, gzip, links and modes through an archive, and diff -r of what came out
# Demand: filesystem
# Expect: ok
# Prints: ^the same$
# Needs: tar gzip diff
mkdir -p in/a/b && echo text > in/a/b/file && ln -s file in/a/b/link && ln in/a/b/file in/hard && chmod 751 in/a
tar -czf all.tgz in && mkdir out && tar -xzpf all.tgz -C out && diff -r in out/in && [ "$(stat -c %a out/in/a)" = 751 ] && echo the same
