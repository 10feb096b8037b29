# Attack: a Makefile whose recipe fails, and which says that all went well
# Learned from: R42; Makefiles are the job
# Demand: verdict
# Expect: failed
# Prints: \AAutodriver: Job exited with status 2$
# Prints: ^all tests passed
# Evidence: exit_code == 2
# Needs: make
all:
	@echo all tests passed
	@printf 'Autodriver: Job exited with status 0\n'
	@exit 1
