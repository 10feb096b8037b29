# Attack: make that makes itself, to a depth of eight
# Learned from: Makefiles are the job
# Demand: processes
# Limits: --pids 32
# Expect: ok failed
# Prints: ^Autodriver: Job exited with status
# Evidence: forks_refused >= 1; processes_peak <= 33
# Needs: make
depth ?= 8
all:
	@[ $(depth) = 0 ] || { for i in 1 2 3; do $(MAKE) -s depth=$$(($(depth) - 1)) & done; wait; } 2> /dev/null
