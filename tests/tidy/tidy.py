"""House rules that a machine can hold. Each check is one function that yields findings.

Usage: tidy.py --root DIRECTORY CHECK   Exit 0: nothing found. Findings: FILE:LINE: what, and what to do.
       tidy.py --list                   The names of the checks.
"""
import re
import subprocess
import sys
from pathlib import Path

FOLDERS = ("base", "sandbox", "autodriver", "queue", "images", "runner", "rest", "cli")
CORE = ("sandbox/core", "autodriver/core")  # what runs with privilege
CORE_LINES = 1930  # docs/decisions/0006
CORE_FUNCTION_LINES, FUNCTION_LINES, FILE_LINES = 60, 70, 400

# Who may include whom; design: arrows go only downwards. The longest matching
# folder counts. A folder may include itself, and all may include base/core.
EDGES = {
    "base/core": (),
    "base": (),
    "sandbox/model": (),
    "sandbox/policy": ("sandbox/model",),
    "sandbox/core": ("sandbox/model", "sandbox/policy"),
    "sandbox": ("base", "sandbox/model", "sandbox/policy"),
    "autodriver/core": ("sandbox/core", "sandbox/model", "sandbox/policy"),
    "autodriver": ("base", "sandbox", "sandbox/model", "sandbox/policy"),
    "queue": ("base",),
    "images": ("base",),
    "runner": ("base", "queue", "images", "autodriver", "sandbox", "sandbox/model", "runner/vmm"),
    "runner/vmm": ("base", "queue", "images", "autodriver", "sandbox", "sandbox/model", "runner"),
    "rest": ("base", "queue", "images"),
    "cli": ("base", "queue", "images", "autodriver", "sandbox", "sandbox/model", "sandbox/policy"),
}

# Calls, where they are banned ("" = everywhere), and what to use instead.
CORE_PARTS = "base/core sandbox/core autodriver/core"
BANNED = (
    ("system popen", "", "posix_spawn with an argument vector: no shell reads what others wrote"),
    ("fork vfork", "base sandbox/policy sandbox autodriver queue images runner rest cli",
     "posix_spawn: a fork copies the page tables of the whole process"),
    ("strcpy strcat strncpy strncat sprintf vsprintf gets", "", "std::string, fmt::format, or snprintf into an array"),
    ("sleep usleep sleep_for", "", "the event loop: a pidfd, timerfd, inotify or pipe says when to go on"),
    ("tmpnam tempnam mktemp", "", "mkdtemp or O_TMPFILE"),
    ("access", "", "do it and look at the error: between the question and the deed the file can change"),
    ("atoi atol atof strtok", "", "std::from_chars, which reports what it did not understand"),
    ("gethostbyname inet_ntoa localtime gmtime asctime ctime", "", "the reentrant form, or fmt"),
    ("getpwnam getpwuid getpwnam_r getpwuid_r", "base/core sandbox/core autodriver/core autodriver",
     "nothing: a static program has no name service"),
    ("getenv secure_getenv", CORE_PARTS, "nothing: the core has no environment"),
    ("malloc calloc realloc", CORE_PARTS, "an object of fixed size"),
)
# Findings that are right as they are. One that no longer occurs is a finding itself.
EXCEPTIONS = {
    ("dangerous_calls_are_not_made", "autodriver/core_client.cpp", "access("):
        "chooses between the two places of our own installation; the spawn itself reports what is wrong with it",
    ("dangerous_calls_are_not_made", "autodriver/selftest_attempts.cpp", "fork("):
        "the attackers of the self-test, in their boxes: they fork because jobs do",
    ("descriptors_close_on_exec", "autodriver/core/start.cpp", "open "):
        "fills missing descriptors 0 to 2, which are there to be inherited",
    ("descriptors_close_on_exec", "autodriver/main.cpp", "open "):
        "the same in the front",
}
OPENS = re.compile(r"::open(?:at)?\(([^;]*)\)")


def sources(root, folders=FOLDERS, suffixes=(".h", ".cpp")):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes:
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def code_only(text):
    """Comments and the insides of string literals blanked; line numbers stay."""
    def blank(match):
        found = match.group(0)
        return '""' if found[0] == '"' else re.sub(r"[^\n]", " ", found)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def home(path, folders):
    """The longest of the folders that the path is in, or None."""
    inside = [f for f in folders if path.startswith(f + "/")]
    return max(inside, key=len, default=None)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def includes_follow_the_arrows(root):
    for path, text in sources(root):
        folder = home(path, EDGES)
        allowed = (folder, "base/core", *EDGES[folder])
        for match in re.finditer(r'^#include "([^"]+)"', text, re.M):
            where, target = f"{path}:{line_of(text, match.start())}", match.group(1)
            if not (root / target).exists():
                yield f"{where}: no file '{target}' from the top of the repository (write the full path)"
            elif home(target, EDGES) not in allowed:
                yield f"{where}: {folder} must not include {home(target, EDGES) or target} (the table: tests/tidy/tidy.py)"


def runs_as_the_job(root, path):
    """Code that runs when all privilege is gone, or where there never was any: its header says `Privilege: job` or `none`."""
    header = root / (path.rsplit(".", 1)[0] + ".h")
    return header.exists() and re.search(r"^// Privilege: (job|none)\.$", header.read_text(encoding="utf-8"), re.M) is not None


def the_privileged_program_stays_small(root):
    """Code lines in sources and headers: not blank, comment, preprocessor or namespace, nor row of a constant table."""
    total = 0
    for path, text in sources(root, CORE):
        code = re.sub(r"constexpr [^;=]*\[\w*\] = \{.*?^\};", "", code_only(text), flags=re.S | re.M)
        lines = sum(1 for line in code.splitlines() if line.strip() and not re.match(r"#|(inline )?namespace|}  // namespace", line))
        counts = not runs_as_the_job(root, path)
        total += lines if counts else 0
        print(f"{lines:6} {path}{'' if counts else ' (as the job: not counted)'}")
    print(f"{total:6} code lines with privilege, of {CORE_LINES}")
    if total > CORE_LINES:
        yield f"{' + '.join(CORE)}: {total} code lines, more than {CORE_LINES} (move out what needs no privilege)"
    if total == 0:
        yield f"{' + '.join(CORE)}: no code found"


def functions(text):
    """(line, length) of each function: in our format it begins and ends at the same indent, 0 or 2."""
    lines = code_only(text).splitlines()
    for begin, line in enumerate(lines):
        if not re.match(r"( {2})?[A-Za-z\[~]", line) or re.match(r" *(namespace|struct|class|enum|union|public|private)\b", line):
            continue
        indent = line[: len(line) - len(line.lstrip())]
        opening = next((n for n in range(begin, min(begin + 8, len(lines))) if re.search(r"[{;]\s*$", lines[n])), None)
        if opening is None or not lines[opening].rstrip().endswith("{"):
            continue
        head = " ".join(lines[begin : opening + 1])
        if "(" not in head or " = " in head.split("(")[0]:
            continue
        closing = next((n for n in range(opening + 1, len(lines)) if lines[n].startswith(indent + "}")), None)
        if closing is not None:
            yield begin + 1, closing - begin + 1


def functions_fit_a_screen(root):
    for path, text in sources(root):
        most = CORE_FUNCTION_LINES if home(path, CORE) else FUNCTION_LINES
        for line, length in functions(text):
            if length > most:
                yield f"{path}:{line}: a function of {length} lines, more than {most} (give its parts names)"


def files_stay_short(root):
    for path, text in sources(root):
        count = text.count("\n")
        if count > FILE_LINES:
            yield f"{path}: {count} lines, more than {FILE_LINES} (it is about two things: make two files)"


def headers_say_who_they_are(root):
    for path, text in sources(root, suffixes=(".h",)):
        top = re.match(r"(?://[^\n]*\n)+", text)
        if not top or top.group(0).count("\n") < 3:
            yield f"{path}:1: no header comment (what it owns, what it rests on, and a line `// Privilege: ...`)"
        elif not re.search(r"^// Privilege: \S", top.group(0), re.M):
            yield f"{path}:1: the header comment has no line `// Privilege: root | caller | job | any | none`"
        if "#pragma once" not in text:
            yield f"{path}: no #pragma once"


def dangerous_calls_are_not_made(root):
    for path, text in sources(root):
        code = code_only(text)
        for names, where, instead in BANNED:
            if where and home(path, EDGES) not in where.split():
                continue
            # Not a method (x.access, Disk::access): only libc's, plain, with :: or std::.
            for match in re.finditer(rf"(?<![\w.>:])(?:std::|::)?({'|'.join(names.split())})\(", code):
                yield f"{path}:{line_of(code, match.start())}: {match.group(1)}(): use {instead}"


def descriptors_close_on_exec(root):
    for path, text in sources(root):
        code = code_only(text)
        for match in OPENS.finditer(code):
            if "O_" in match.group(1) and "O_CLOEXEC" not in match.group(1):
                yield f"{path}:{line_of(code, match.start())}: open without O_CLOEXEC (every program that we start would inherit it)"


def nothing_is_left_to_do(root):
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=True).stdout.split("\n")
    for path in filter(None, listed):
        if path.startswith("tests/tidy/") or not (root / path).is_file():
            continue
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        for match in re.finditer(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b(?!X)", text):
            yield f"{path}:{line_of(text, match.start())}: {match.group(1)} (make it an issue, or a row in docs/limitations.md)"


def documents_link_to_what_exists(root):
    for path in sorted(root.glob("*.md")) + sorted((root / "docs").rglob("*.md")) + sorted((root / "tests").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"\]\(([^)#\s]+)[^)]*\)", text):
            target = match.group(1)
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                yield f"{path.relative_to(root)}:{line_of(text, match.start())}: no such file: {target}"


def the_threat_model_names_real_tests(root):
    """Each rule's last column has `folder/file` and test names in backquotes; each must be found in tests/."""
    document = root / "docs/threat-model.md"
    tests = "\n".join(p.read_text(encoding="utf-8", errors="replace")
                      for p in sorted((root / "tests").rglob("*")) if p.is_file() and p.suffix in (".cpp", ".py", ".h", "", ".sh", ".txt"))
    rules = [line for line in document.read_text(encoding="utf-8").splitlines() if re.match(r"\| R\d+ ", line)]
    if not rules:
        yield f"{document}: no rule found (rows begin with `| R1 |`)"
    for rule in rules:
        name, last = rule.split("|")[1].strip(), rule.strip().strip("|").split("|")[-1]
        named = re.findall(r"`([^`]+)`", last)
        if not named and "not yet" not in last:
            yield f"docs/threat-model.md: {name} names no test"
        for test in named:
            case = test.split(".")[-1]
            if case not in tests and not (root / test).is_file():
                yield f"docs/threat-model.md: {name} names the test {test}, which does not exist"


CHECKS = {f.__name__: f for f in (
    includes_follow_the_arrows, the_privileged_program_stays_small, functions_fit_a_screen, files_stay_short,
    headers_say_who_they_are, dangerous_calls_are_not_made, descriptors_close_on_exec, nothing_is_left_to_do,
    documents_link_to_what_exists, the_threat_model_names_real_tests)}


def findings(check, root):
    used = set()
    for finding in CHECKS[check](root):
        excused = [key for key in EXCEPTIONS if key[0] == check and finding.startswith(key[1] + ":") and key[2] in finding]
        used.update(excused)
        if not excused:
            yield finding
    for key in EXCEPTIONS:
        if key[0] == check and key not in used and (root / "tests/tidy/tidy.py").exists():
            yield f"tests/tidy/tidy.py: the exception {key} is not needed any more (remove it)"


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(CHECKS))
        return 0
    if len(arguments) != 3 or arguments[0] != "--root" or arguments[2] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 64
    found = 0
    for finding in findings(arguments[2], Path(arguments[1]).resolve()):
        print(finding)
        found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
