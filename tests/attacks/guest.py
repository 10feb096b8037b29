"""The same corpus on a kernel with cgroup v2: this driver itself runs in the guest of tests/vm/run-in-vm, on a disk
with what the jobs need. It is made of this host's own packages, so that nothing is fetched but the kernel.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import case as cases

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ALWAYS = ["bash", "dash", "coreutils", "util-linux", "bsdutils", "findutils", "diffutils", "mawk", "sed",
          "grep", "tar", "gzip", "mount", "hostname", "libc-bin", "python3", "base-files"]
LEFT_OUT = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/",
            "/usr/lib/python3/dist-packages/")
EMPTY = ("proc", "sys", "dev", "run", "tmp", "var/tmp", "root", "home", "payload", "mnt")
TIMEOUT = 1400  # seconds; emulation is slow, other work may run beside it
SLACK = "5"  # reference: emulated faults and execs cost 4 to 14 times as much
BEGIN, END = "--- the results", "--- the end of the results"
COMMAND = """mkdir /disk && mount -t ext4 -o ro /dev/nvme0n1 /disk && cp -a /payload /tmp/
for name in dev proc sys run tmp; do mount --rbind /$name /disk/$name; done
mount -t tmpfs -o mode=1777 tmp /disk/var/tmp
cd /disk && mount --move . / && exec chroot . /bin/sh /tmp/payload/inside"""


def packages():
    """`NAME VERSION` of those with the programs that the cases name, and of all that they depend on."""
    tools = {tool for case in cases.load_all() for tool in case.head.get("Needs", "").split()}
    files = [os.path.realpath(found) for tool in sorted(tools) if (found := shutil.which(tool, path=PATH))]
    owners = subprocess.run(["dpkg", "-S", *files], capture_output=True, text=True, check=False).stdout
    form = "${Package}\\t${Version}\\t${Pre-Depends},${Depends}\\t${Provides}\\n"
    installed = {}
    providers = {}
    listed = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        name, version, needs, provides = line.split("\t")
        installed[name] = (version, needs)
        for virtual in [name, *names_in(provides)]:
            providers.setdefault(virtual, []).append(name)
    chosen, todo = set(), ALWAYS + sorted({line.split(":")[0] for line in owners.splitlines()})
    while todo:
        for name in providers.get(todo.pop(), []):
            if name not in chosen:
                chosen.add(name)
                todo += names_in(installed[name][1])
    return [f"{name} {installed[name][0]}" for name in sorted(chosen)]


def names_in(relation):
    """Of `a (>= 1), b:any | c [amd64]`: a, b, c."""
    return re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", relation)


def files_of(names):
    listed = subprocess.run(["dpkg", "-L", *names], capture_output=True, text=True, check=False).stdout.splitlines()
    links = [str(p) for d in ("/usr/bin", "/etc/alternatives") for p in Path(d).iterdir() if p.is_symlink()]
    kept = {os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)) for path in listed + links
            if path.startswith("/") and not path.startswith(LEFT_OUT) and not path.endswith(".jmod")}
    return sorted(filter(os.path.lexists, kept)) + ["/etc/ld.so.cache", "/bin", "/sbin", "/lib", "/lib64"]


def disk(cache):
    """The image, made once for these packages."""
    chosen = packages()
    image = cache / f"disk-{hashlib.sha256(repr(chosen).encode()).hexdigest()[:16]}.ext4"
    if image.exists():
        return image
    for old in cache.glob("disk-*.ext4"):
        old.unlink()
    print(f"making a disk of {len(chosen)} packages", flush=True)
    root = Path(tempfile.mkdtemp(prefix="disk.", dir=cache))
    names = "\n".join(files_of([line.split()[0] for line in chosen]))
    tar = subprocess.Popen(["tar", "-C", "/", "--no-recursion", "--ignore-failed-read", "-cPf", "-", "-T", "-"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    untar = subprocess.Popen(["tar", "-xf", "-", "-C", str(root)], stdin=tar.stdout, stderr=subprocess.DEVNULL)
    tar.stdin.write(names.encode())
    tar.stdin.close()
    tar.wait()
    untar.wait()
    for name in EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", encoding="ascii")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n", encoding="ascii")
    unfinished = image.with_suffix(".new")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-N", "100000", "-d", str(root),
                    str(unfinished), "1600M"], check=True)
    shutil.rmtree(root)
    unfinished.rename(image)
    return image


def inside(options):
    """What runs in the guest. The last lines of its output are the results."""
    arguments = f"--build /tmp/payload --env root --json /tmp/results -j 2 --only '{options.only}'"
    return f"""export PATH={PATH} HOME=/root PYTHONDONTWRITEBYTECODE=1 MILONGA_TEST_SLACK={SLACK}
cd /tmp/payload/tests/attacks && python3 run.py {arguments}
status=$?
echo '{BEGIN}'; cat /tmp/results; echo; echo '{END}'
exit $status
"""


def run(build, options):
    cache = build / "tests/vm/cache"
    cache.mkdir(parents=True, exist_ok=True)
    image = disk(cache)
    with tempfile.TemporaryDirectory(prefix="payload.", dir=cache) as directory:
        payload = Path(directory)
        (payload / "bin").mkdir()
        (payload / "lib").mkdir()
        for name in ("autodriver", "autodriver-core", "hostile"):
            subprocess.run(["strip", "-o", str(payload / "bin" / name), str(build / "bin" / name)], check=True)
        for folder in ("attacks", "honest"):
            shutil.copytree(cases.HERE.parent / folder, payload / "tests" / folder,
                            ignore=shutil.ignore_patterns("__pycache__"))
        (payload / "inside").write_text(inside(options), encoding="utf-8")
        process = subprocess.Popen([cases.HERE.parent / "vm/run-in-vm", "--cache", cache, "--disk", image, "--memory",
                                    "2048", "--timeout", str(TIMEOUT), "--payload", payload, "--command", COMMAND],
                                   stdout=subprocess.PIPE, text=True, errors="replace")
        output = process.communicate()[0]
    shown, _, rest = output.partition(BEGIN)
    print(shown)
    if process.returncode not in (0, 1) or END not in rest:
        print(f"FAILED: run-in-vm ended with {process.returncode}", file=sys.stderr)
        return process.returncode if process.returncode == 69 else 1
    results = json.loads(rest.partition(END)[0]) | {"place": "vm"}
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return process.returncode
