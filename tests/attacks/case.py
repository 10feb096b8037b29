"""A case: one file that says by itself what it tries and what must become of it (README.md explains the keys)."""
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
HONEST = HERE.parent / "honest"
VERDICTS = ("ok", "failed", "signaled", "wall_limit", "cpu_limit", "memory_limit", "output_limit", "disk_limit",
            "process_limit", "refused")
DEMANDS = ("wall", "cpu", "memory", "processes", "disk", "inodes", "file_size", "open_files", "output", "kill", "swap",
           "network", "filesystem", "visibility", "privilege", "syscalls", "verdict")
KEYS = ("Attack", "Program", "Learned from", "Demand", "Limits", "Expect", "Prints", "Never", "Evidence",
        "Environments", "Needs", "Outside", "Alone", "Open", "Accounts")
HOSTILE_LIMITS = "--wall-time 20 --memory 256M --pids 64"
HONEST_LIMITS = "--wall-time 120 --memory 1G"
EVIDENCE = re.compile(r"^([\w.]+) *(==|!=|>=|<=|~) *(.+)$")
RUNNERS = {".cpp": lambda name: ["./hostile", name], ".sh": lambda name: ["sh", name + ".sh"],
           ".py": lambda name: ["python3", "-B", name + ".py"], ".mk": None}


class BadCase(Exception):
    """A case whose head is not as it has to be: FILE: what is wrong."""


@dataclass
class Case:
    path: Path
    head: dict = field(default_factory=dict)

    @property
    def honest(self):
        return HONEST in self.path.parents

    @property
    def category(self):
        return "honest" if self.honest else self.path.parent.name

    @property
    def name(self):
        return f"{self.category}.{self.path.stem}"

    def limits(self, slack):
        """Options with a value each, those of the case over the common ones; and switches."""
        words = f"{HONEST_LIMITS if self.honest else HOSTILE_LIMITS} {self.head.get('Limits', '')}".split()
        words[1] = f"{float(words[1]) * slack:g}"  # the common wall time is there to end what hangs
        chosen, switches = {}, []
        while words:
            option = words.pop(0)
            if words and not words[0].startswith("--"):
                chosen[option] = words.pop(0)
            else:
                switches.append(option)
        return [word for pair in chosen.items() for word in pair] + switches

    @property
    def verdicts(self):
        return self.head["Expect"].split()

    @property
    def evidence(self):
        return [EVIDENCE.match(one.strip()).groups() for one in self.head.get("Evidence", "").split(";") if one.strip()]

    @property
    def prints(self):
        lines = self.head.get("Prints", "").split("\n")
        if lines != [""]:
            return lines
        return ["^contained: "]

    def command(self):
        """What runs in the box; None: make, as for every lab."""
        runner = RUNNERS[self.path.suffix]
        return runner(self.path.stem) if runner else None


def head_of(path):
    """The keys in the first comment; a line without one goes on with the one before. `Prints` may come often."""
    head, key = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#!"):
            continue
        comment = re.match(r"(?:// |# )(.*)$", line)
        if not comment:
            break
        text = comment.group(1)
        match = re.match(r"(" + "|".join(KEYS) + r"): (.*)$", text)
        if match:
            key, value = match.groups()
            if key in head and key not in ("Prints", "Never"):
                raise BadCase(f"{path}: two lines `{key}:`")
            head[key] = head[key] + "\n" + value if key in head else value
        elif key is None:
            raise BadCase(f"{path}: its first line is not one of the keys ({', '.join(KEYS)}): {text!r}")
        else:
            head[key] += " " + text.strip()
    return head


def load(path):
    case = Case(path, head_of(path))
    head, what = case.head, "Program" if case.honest else "Attack"
    for key in (what, "Demand", "Expect") + (() if case.honest else ("Learned from",)):
        if key not in head:
            raise BadCase(f"{path}: no line `{key}:`")
    for verdict in case.verdicts:
        if verdict not in VERDICTS:
            raise BadCase(f"{path}: no verdict {verdict!r} (they are: {', '.join(VERDICTS)})")
    if head["Demand"] not in DEMANDS:
        raise BadCase(f"{path}: no demand {head['Demand']!r} (they are: {', '.join(DEMANDS)})")
    for one in filter(None, (part.strip() for part in head.get("Evidence", "").split(";"))):
        if not EVIDENCE.match(one):
            raise BadCase(f"{path}: no evidence: {one!r} (write: key.in.the.report >= value)")
    if (case.honest or not set(case.verdicts) <= {"ok", "failed"}) and "Prints" not in head:
        raise BadCase(f"{path}: no line `Prints:` (only a hostile job that gets to its end does without)")
    return case


def load_all(pattern=""):
    files = sorted(p for top in (HERE, HONEST) for p in top.rglob("*") if p.suffix in RUNNERS and p.parent != HERE)
    cases = [load(p) for p in files if p.parent.name != "leaks" and not p.name.startswith(("_", "."))]
    names = {}
    for case in cases:
        name = case.path.stem if case.path.suffix == ".cpp" else case.name  # subcommands of one program
        if name in names:
            raise BadCase(f"{case.path}: {names[name]} has the same name")
        names[name] = case.path
    return [case for case in cases if re.search(pattern, case.name)]


def lookup(report, key):
    for part in key.split("."):
        report = report[part]
    return report


def evidence_problems(case, report, slack):
    """`slack` stretches upper bounds of times where a machine is emulated."""
    problems = []
    for key, operator, text in case.evidence:
        try:
            seen = lookup(report, key)
        except (KeyError, TypeError):
            problems.append(f"the report has no {key}")
            continue
        try:
            wanted = json.loads(text)
        except json.JSONDecodeError:
            wanted = text
        if operator == "<=" and key.endswith("_s"):
            wanted *= slack
        if operator == "~":
            right = isinstance(seen, str) and re.search(text, seen) is not None
        elif operator in ("==", "!="):
            right = (seen == wanted) == (operator == "==")
        else:
            right = seen is not None and (seen >= wanted if operator == ">=" else seen <= wanted)
        if not right:
            problems.append(f"{key} is {json.dumps(seen)}, not {operator} {text}")
    return problems
