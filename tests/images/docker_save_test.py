#!/usr/bin/env python3
"""What a real Docker Engine builds and saves is, imported, the file system that its own containers have. Needs root.

usage: docker_save_test.py MILONGA
"""
import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile

from archives import Store, entry, folder, link, tar

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docker"))
import engine  # noqa: E402  pylint: disable=wrong-import-position

MILONGA = sys.argv[1]
if os.geteuid() != 0:
    print("SKIPPED: needs root, to start a Docker Engine of its own")
    sys.exit(77)
DOCKERFILE = """FROM base
RUN rm /etc/gone && mkdir -p /srv/in && echo new > /srv/in/file && ln /srv/in/file /srv/in/hard
RUN rm -r /opt/tree && mkdir /opt/tree && echo again > /opt/tree/other && rm /etc/dir/x && rmdir /etc/dir && echo f > /etc/dir
RUN ln -s /srv/in /etc/to && chmod 4755 /srv/in/file && chmod 600 /opt/keep
"""


def content(archive):
    """{path: what is there}, of what an import keeps."""
    found = {}
    opened = tarfile.open(fileobj=io.BytesIO(archive))
    for member in opened:
        name = member.name.removeprefix("./").rstrip("/")
        if name.split("/")[0] in ("dev", "proc", "sys", ".dockerenv") or name in ("etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", "", "."):
            continue  # the engine's own, in each container
        file = opened.extractfile(member) if member.isfile() or member.islnk() else None
        found[name] = f"-> {member.linkname}" if member.issym() else (oct(member.mode & 0o755), file.read() if file else None)
    return found


@contextlib.contextmanager
def started():
    """A Docker Engine of our own; the path of its socket."""
    with tempfile.TemporaryDirectory(prefix="mlgi-", dir="/var/tmp") as root:
        one = engine.Engine(root)
        try:
            one.start()
            yield one.path
        finally:
            one.stop()


def main():
    with open("/bin/busybox", "rb") as file:
        busybox = file.read()
    base = tar(folder("bin"), entry("bin/busybox", data=busybox, mode=0o755),
               *(link(f"bin/{name}", "busybox") for name in ("sh", "rm", "mkdir", "ln", "chmod", "rmdir")),
               folder("etc"), entry("etc/gone"), folder("etc/dir"), entry("etc/dir/x"), folder("opt"), folder("opt/tree"),
               entry("opt/tree/deep"), entry("opt/keep", data=b"k"))
    with Store(MILONGA) as store, started() as path:
        docker = [engine.DOCKER, "--host", f"unix://{path}"]

        def run(*words, **more):
            done = subprocess.run([*docker, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False, **more)
            assert done.returncode == 0, (words, done.stderr[-2000:])
            return done.stdout
        run("import", "-", "base", input=base)
        os.mkdir(f"{store.place}/context")
        with open(f"{store.place}/context/Dockerfile", "w", encoding="ascii") as file:
            file.write(DOCKERFILE)
        run("build", "--network", "none", "-q", "-t", "course/built:v1", f"{store.place}/context", env={**os.environ, "DOCKER_BUILDKIT": "0"})
        run("save", "-o", f"{store.place}/saved.tar", "course/built:v1")
        record = store.take(f"{store.place}/saved.tar")
        assert record["name"] == "built:v1" and record["layers"] == 4, record
        assert "sha256:" + record["config_sha256"] == run("inspect", "--format", "{{.Id}}", "course/built:v1").decode().strip()
        run("save", "-o", f"{store.place}/both.tar", "base", "course/built:v1")
        assert store.take(f"{store.place}/both.tar", "--ref", "course/built:v1", "--name", "again")["id"] == record["id"]
        container = run("create", "--network", "none", "course/built:v1", "sh").decode().strip()
        wanted = content(run("export", container))
        subprocess.run(["tar", "-C", f"{store.path}/built:v1", "-cf", f"{store.place}/ours.tar", "."], check=True)
        with open(f"{store.place}/ours.tar", "rb") as file:
            ours = content(file.read())
        assert ours == wanted, {name: (ours.get(name), wanted.get(name)) for name in ours.keys() ^ wanted.keys()
                                | {n for n in ours.keys() & wanted.keys() if ours[n] != wanted[n]}}
    print(f"{len(wanted)} entries as in a container of the same image")


if __name__ == "__main__":
    main()
