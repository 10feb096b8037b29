# Program: a test that starts a server in the background, waits for it and leaves it running
# Demand: kill
# Expect: ok
# Prints: ^answered$
# Evidence: wall_s <= 10
# Needs: python3
python3 -m http.server --bind 127.0.0.1 8080 > /dev/null 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  if python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:8080/").read()' 2> /dev/null; then
    echo answered
    exit 0
  fi
  sleep 0.2
done
