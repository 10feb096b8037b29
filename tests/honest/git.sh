# Program: git: a repository, commits, a branch, a merge, a clone by file
# Demand: filesystem
# Expect: ok
# Prints: ^3 commits, merged: one two$
# Needs: git
git init -q -b main repo && cd repo || exit 1
git config user.email student@example.org && git config user.name Student
echo one > file && git add file && git commit -qm one
git switch -qc side && echo two > other && git add other && git commit -qm two
git switch -q main && git merge -q --no-ff -m merged side
git clone -q . ../clone
cd ../clone && echo "$(git rev-list --count HEAD) commits, merged: $(cat file other | tr '\n' ' ' | sed 's/ $//')"
