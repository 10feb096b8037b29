# Program: a lab whose tests fail
# Demand: verdict
# Expect: failed
# Prints: ^\{"scores": \{"correctness": 10\}\}$
# Evidence: exit_code == 2
# Needs: make
all:
	@echo 'PASS one'; echo 'FAIL two: expected 4, got 5'; echo '{"scores": {"correctness": 10}}'; exit 1
