# Program: four processes write to one sqlite database and wait for each other's locks
# Demand: filesystem
# Expect: ok
# Prints: ^80 rows$
# Needs: python3
import os
import sqlite3

sqlite3.connect("shared.db").execute("CREATE TABLE t(a)").connection.commit()
children = []
for worker in range(4):
    pid = os.fork()
    if pid == 0:
        connection = sqlite3.connect("shared.db", timeout=30)
        for number in range(20):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
            connection.commit()
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
print(sqlite3.connect("shared.db").execute("SELECT count(*) FROM t").fetchone()[0], "rows")
