# Program: make -j4 with a job server, recursion and many small files
# Demand: processes
# Expect: ok
# Prints: ^24 objects, first one obj1.o$
# Needs: make gcc
all:
	@for i in $$(seq 24); do echo "int f$$i(void) { return $$i; }" > obj$$i.c; done
	@$(MAKE) -s -j4 objects
	@echo "$$(ls obj*.o | wc -l) objects, first one $$(ls obj*.o | head -n 1)"
objects: $(foreach i,$(shell seq 24),obj$(i).o)
%.o: %.c
	@gcc -c -o $@ $<
