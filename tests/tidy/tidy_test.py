"""Plants one fault for each check of tidy.py in a small tree, and expects that it is found, and only it."""
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tidy  # noqa: E402

HEADER = "// Owns nothing.\n//\n// Privilege: any.\n#pragma once\n"
CLEAN = {
    "base/a.h": HEADER,
    "queue/q.h": HEADER + '\n#include "base/a.h"\n',
    "sandbox/core/c.h": HEADER,
    "sandbox/core/c.cpp": '#include "sandbox/core/c.h"\n\nint f() {\n  return 0;\n}\n',
    "docs/threat-model.md": "| R1 | a rule | a mechanism | `Area.IsHeld` |\n",
    "tests/area_test.cpp": "TEST(Area, IsHeld) {}\n",
    "README.md": "See [the rules](docs/threat-model.md).\n",
}
# check -> (file, what is added to it)
FAULTS = {
    "includes_follow_the_arrows": ("base/a.h", '#include "queue/q.h"\n'),
    "the_privileged_program_stays_small": ("sandbox/core/c.cpp", "int x;\n" * (tidy.CORE_LINES + 1)),
    "functions_fit_a_screen": ("sandbox/core/c.cpp", "\nvoid g() {\n" + "  f();\n" * tidy.CORE_FUNCTION_LINES + "}\n"),
    "files_stay_short": ("base/a.h", "\n" * tidy.FILE_LINES),
    "headers_say_who_they_are": ("base/b.h", "#pragma once\nint b();\n"),
    "dangerous_calls_are_not_made": ("queue/q.cpp", 'void h() { ::system("true"); }\n'),
    "descriptors_close_on_exec": ("queue/q.cpp", 'int h() { return ::open("/", O_RDONLY); }\n'),
    "nothing_is_left_to_do": ("queue/q.cpp", "// TO" "DO: all of it\n"),
    "documents_link_to_what_exists": ("README.md", "And [this](docs/gone.md).\n"),
    "the_threat_model_names_real_tests": ("docs/threat-model.md", "| R2 | a rule | a mechanism | `Area.IsNot` |\n"),
}


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def main():
    failures = [f"{check}: no planted fault" for check in tidy.CHECKS if check not in FAULTS]
    for check, (path, addition) in FAULTS.items():
        with tempfile.TemporaryDirectory(prefix="milonga-tidy.") as directory:
            root = Path(directory)
            subprocess.run(["git", "init", "-q", directory], check=True)
            write(root, CLEAN)
            if found := list(tidy.findings(check, root)):
                failures.append(f"{check}: found in a clean tree: {found}")
            write(root, {path: CLEAN.get(path, "") + addition})
            found = list(tidy.findings(check, root))
            if len(found) != 1 or path.split("/")[0] not in found[0]:
                failures.append(f"{check}: expected one finding in {path}, got {found}")
    print("\n".join(failures) or f"each of {len(FAULTS)} planted faults was found")
    return 1 if failures else 0


sys.exit(main())
