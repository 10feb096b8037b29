# Program: whoami, id, hostname, home, a login shell's environment: what labs' Makefiles ask for
# Demand: visibility
# Expect: ok
# Prints: ^autograde /home/autograde box /bin/sh [1-9][0-9]*$
# Prints: ^tmp and home can be written to$
echo "$(whoami) $HOME $(hostname 2> /dev/null || uname -n) $SHELL $(nproc)"
touch ~/x /tmp/x /var/tmp/x /dev/shm/x && echo "tmp and home can be written to"
