"""Images as engines write them, made by hand: layers, docker's archive, OCI layouts; and a store to import them into."""
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, **more):
    """One entry of a tar: (TarInfo, content)."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.size = kind, mode, 1_600_000_000, len(data)
    for field, value in more.items():
        setattr(info, field, value)
    return info, data


def folder(name, mode=0o755):
    return entry(name, tarfile.DIRTYPE, mode=mode)


def link(name, target):
    return entry(name, tarfile.SYMTYPE, linkname=target)


def hard(name, target):
    return entry(name, tarfile.LNKTYPE, linkname=target)


def device(name, kind=tarfile.CHRTYPE):
    return entry(name, kind, devmajor=1, devminor=3)


def tar(*entries, form=tarfile.GNU_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def config(layers, architecture=MACHINE):
    return json.dumps({"architecture": architecture, "os": "linux",
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(layer) for layer in layers]}}).encode()


def docker_archive(*layers, tags=("course/tango:v2",), text=None, links=()):
    """As `docker save` of version 20 writes it. links: numbers of layers that are a symbolic link to the first."""
    text = config(layers) if text is None else text
    members, names = [], []
    for i, layer in enumerate(layers):
        name = f"{sha(layer + bytes([i]))}/layer.tar"
        names.append(name)
        members.append(folder(name.split("/")[0]))
        members.append(link(name, "../" + names[0]) if i in links else entry(name, data=layer))
    members.append(entry(sha(text) + ".json", data=text))
    manifest = json.dumps([{"Config": sha(text) + ".json", "RepoTags": list(tags), "Layers": names}]).encode()
    return tar(*members, entry("manifest.json", data=manifest), entry("repositories", data=b"{}"))


def oci_layout(*layers, pack=gzip.compress, architecture=MACHINE, change=lambda blobs: blobs):
    """The files of an OCI layout: {name: content}. `change` may damage them."""
    blobs = {}

    def put(data):
        blobs["blobs/sha256/" + sha(data)] = data
        return {"digest": "sha256:" + sha(data), "size": len(data)}
    text = put(config(layers, architecture))
    manifest = put(json.dumps({"schemaVersion": 2, "config": text, "layers": [put(pack(layer)) for layer in layers]}).encode())
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    index = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
    return change({**blobs, "index.json": index, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'})


def as_tar(files):
    return tar(folder("blobs"), folder("blobs/sha256"), *(entry(name, data=data) for name, data in sorted(files.items())))


def as_directory(files, directory):
    for name, data in files.items():
        os.makedirs(os.path.dirname(f"{directory}/{name}"), exist_ok=True)
        with open(f"{directory}/{name}", "wb") as file:
            file.write(data)


class Store:
    """A store of its own, in a directory that is removed; runs `milonga image` on it."""

    def __init__(self, milonga):
        self.milonga = milonga
        self.place = tempfile.mkdtemp(prefix="milonga-images.", dir="/var/tmp")
        os.chmod(self.place, 0o755)  # boxes look into it
        self.path = f"{self.place}/store"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.place)

    def write(self, name, data):
        with open(f"{self.place}/{name}", "wb") as file:
            file.write(data)
        return f"{self.place}/{name}"

    def image(self, *words, **more):
        return subprocess.run([self.milonga, "image", *words, "--store", self.path], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False, **more)

    def take(self, source, *options):
        """Imports what must be good; the record that --json shows."""
        source = self.write("image.tar", source) if isinstance(source, bytes) else source
        done = self.image("import", source, "--json", *options)
        assert done.returncode == 0, (done.returncode, done.stderr)
        return json.loads(done.stdout)

    def refuse(self, source, *rules, options=()):
        """Imports what must be refused: exit 3, one line with all of `rules`, and nothing left."""
        source = self.write("image.tar", source) if isinstance(source, bytes) else source
        before = self.contents()
        done = self.image("import", source, "--name", "bad", *options)
        assert done.returncode == 3 and done.stdout == "", (rules, done)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("importing ")]  # what took long
        assert len(lines) == 1, done.stderr
        for rule in rules:
            assert rule in done.stderr, f"{rule!r} is not in: {done.stderr}"
        assert self.contents() == before, self.contents()
        return done.stderr

    def contents(self):
        return sorted(f"{path}/{name}" for path, dirs, files in os.walk(self.path) for name in dirs + files
                      if f"{path}/{name}" not in (f"{self.path}/.store", f"{self.path}/.store/tmp"))

    def tree(self, name):
        """{path: content of a file, "-> target" of a link, mode of a directory}"""
        root, found = f"{self.path}/{name}", {}
        for path, dirs, files in os.walk(root + "/"):
            for leaf in dirs + files:
                full = os.path.join(path, leaf)
                inside = os.path.relpath(full, root)
                if os.path.islink(full):
                    found[inside] = "-> " + os.readlink(full)
                elif os.path.isdir(full):
                    found[inside] = os.stat(full).st_mode & 0o7777
                else:
                    with open(full, "rb") as file:
                        found[inside] = file.read()
        return found


def run_cases(cases, usage):
    """main() of a test: `PROGRAM MILONGA CASE`, or --list."""
    if sys.argv[1:] == ["--list"]:
        print("\n".join(cases))
        return
    if len(sys.argv) != 3 or sys.argv[2] not in cases:
        sys.exit(usage)
    with Store(sys.argv[1]) as store:
        cases[sys.argv[2]](store)
