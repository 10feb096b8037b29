# Program: diff, cmp and their exit codes
# Demand: verdict
# Expect: ok
# Prints: ^1: differ, 0: equal$
# Needs: diff cmp
printf 'a\nb\n' > one && printf 'a\nc\n' > two && cp one three
diff one two > /dev/null
differ=$?
cmp one three
equal=$?
echo "$differ: differ, $equal: equal"
