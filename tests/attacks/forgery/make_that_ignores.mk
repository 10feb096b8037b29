# Attack: every way in which make ignores failures, in one Makefile: the status is make's, and the report says so
# Learned from: R42
# Demand: verdict
# Expect: signaled
# Prints: ^Autodriver: Job was killed by SIGTERM
# Needs: make
.IGNORE:
all:
	-@false
	@kill -TERM $$PPID; sleep 5
