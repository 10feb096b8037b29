# Program: sqlite with transactions, an index and a journal
# Demand: filesystem
# Expect: ok
# Prints: ^1000\|499500$
# Prints: ^ok$
# Needs: sqlite3
sqlite3 lab.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t(b);
  WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < 999) INSERT INTO t SELECT x, x FROM n;
  SELECT count(*), sum(b) FROM t; PRAGMA integrity_check;'
