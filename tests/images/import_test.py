#!/usr/bin/env python3
"""Images that are as they should be, in each form, become the tree that they describe.

usage: import_test.py MILONGA CASE, or --list
"""
import bz2
import gzip
import json
import lzma
import os
import signal
import stat
import subprocess
import tarfile

from archives import (as_directory, as_tar, config, docker_archive, entry, folder, hard, link, oci_layout, run_cases, sha, tar)

LOWER = tar(folder("etc"), entry("etc/a", data=b"a"), entry("etc/b", data=b"b"), folder("opt"), folder("opt/in"),
            entry("opt/in/x", data=b"x"), entry("opt/in/y", data=b"y"), folder("bin"), link("lib", "usr/lib"),
            entry("bin/su", data=b"#!", mode=0o6755))
UPPER = tar(entry("etc/.wh.a"), entry("etc/b", data=b"new b"), folder("opt/in"), entry("opt/in/z", data=b"z"),
            entry("opt/in/.wh..wh..opq"), hard("etc/c", "etc/b"), folder("lib"), entry("lib/real", data=b"r"))
BOTH = {"etc": 0o755, "etc/b": b"new b", "etc/c": b"new b", "opt": 0o755, "opt/in": 0o755, "opt/in/z": b"z", "bin": 0o755,
        "bin/su": b"#!", "lib": 0o755, "lib/real": b"r"}


def docker_save(store):
    """Layers in their order, with whiteouts; named after its tag; the id of the engine is kept."""
    record = store.take(docker_archive(LOWER, UPPER))
    assert record["name"] == "tango:v2" and record["format"] == "docker-archive" and record["layers"] == 2, record
    assert record["config_sha256"] == sha(config([LOWER, UPPER])) and record["reference"] == "course/tango:v2", record
    assert store.tree("tango:v2") == BOTH, store.tree("tango:v2")
    assert os.stat(f"{store.path}/tango:v2/etc/b").st_nlink == 2
    store.take(gzip.compress(docker_archive(LOWER, UPPER)), "--name", "packed")
    assert store.tree("packed") == BOTH


def one_layer_twice(store):
    """docker save writes a layer that it has written before as a symbolic link."""
    store.take(docker_archive(LOWER, UPPER, LOWER, links=(2,)), "--name", "x")
    wanted = {**BOTH, "etc/a": b"a", "etc/b": b"b", "opt/in/x": b"x", "opt/in/y": b"y", "lib": "-> usr/lib"}
    del wanted["lib/real"]
    assert store.tree("x") == wanted, store.tree("x")


def several_images(store):
    """Of an archive with several, the one that was asked for."""
    one, two = config([LOWER]), config([LOWER, UPPER])
    manifest = [{"Config": sha(one) + ".json", "RepoTags": ["a:1"], "Layers": ["l.tar"]},
                {"Config": sha(two) + ".json", "RepoTags": ["b:1"], "Layers": ["l.tar", "u.tar"]}]
    archive = tar(entry("l.tar", data=LOWER), entry("u.tar", data=UPPER), entry(sha(one) + ".json", data=one),
                  entry(sha(two) + ".json", data=two), entry("manifest.json", data=json.dumps(manifest).encode()))
    store.refuse(archive, "several images", "a:1, b:1", "--ref")
    store.refuse(archive, "no image 'c:1'", "a:1, b:1", options=("--ref", "c:1"))
    assert store.take(archive, "--ref", "b:1")["name"] == "b:1" and store.tree("b:1") == BOTH


def oci(store):
    """Layout and archive, each compression; an index of indexes; the one for this machine."""
    ids = set()
    for i, pack in enumerate((gzip.compress, bytes, lambda data: subprocess.run(["zstd"], input=data, stdout=subprocess.PIPE, check=True).stdout)):
        if i == 2 and not os.path.exists("/usr/bin/zstd"):
            continue
        as_directory(oci_layout(LOWER, UPPER, pack=pack), f"{store.place}/layout{i}")
        ids.add(store.take(f"{store.place}/layout{i}", "--name", f"d{i}")["id"])
        ids.add(store.take(as_tar(oci_layout(LOWER, UPPER, pack=pack)), "--name", f"a{i}")["id"])
    assert len(ids) == 1 and store.tree("a0") == BOTH and store.image("inspect", "a0").stdout.count("oci") == 1, ids

    def nest(blobs):
        inner = blobs["index.json"]
        name = "blobs/sha256/" + sha(inner)
        outer = {"manifests": [{"digest": "sha256:" + "0" * 64, "size": 1, "platform": {"architecture": "s390x"}},
                               {"digest": "sha256:" + sha(inner), "size": len(inner)}]}
        return {**blobs, name: inner, "index.json": json.dumps(outer).encode()}
    store.take(as_tar(oci_layout(LOWER, change=nest)), "--name", "nested")


def root_tars(store):
    """Each compression; pax and GNU long names; names that are no ASCII; a sparse file; the same id for all."""
    long = "/".join(["long" * 20] * 6)
    entries = (folder("./"), folder("./bin"), entry("./bin/sh", data=b"sh", mode=0o755), entry(f"./{long}", data=b"deep"),
               entry("./späß", data=b"utf-8"), link("./etc", "/usr/etc"))
    ids = set()
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        plain = tar(*entries, form=form)
        for pack in (bytes, gzip.compress, bz2.compress, lzma.compress, lambda data: lzma.compress(data, lzma.FORMAT_ALONE)):
            ids.add(store.take(pack(plain), "--name", "x")["id"])
    assert len(ids) == 1, ids
    tree = store.tree("x")
    assert tree["späß"] == b"utf-8" and tree[long] == b"deep" and tree["etc"] == "-> /usr/etc", tree
    with open(f"{store.place}/hole", "wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 20)
        file.write(b"end")
    subprocess.run(["tar", "-C", store.place, "-Scf", f"{store.place}/sparse.tar", "hole"], check=True)
    store.take(f"{store.place}/sparse.tar")
    assert store.tree("sparse")["hole"] == b"\0" * (1 << 20) + b"end"
    assert store.image("verify").stdout.count("as it was imported") == 2


def directories(store):
    """A directory with links of both kinds becomes the same image as its tar."""
    root = f"{store.place}/root"
    os.makedirs(f"{root}/etc")
    with open(f"{root}/etc/a", "w", encoding="ascii") as file:
        file.write("a")
    os.link(f"{root}/etc/a", f"{root}/etc/b")
    os.symlink("/etc/passwd", f"{root}/etc/out")
    first = store.take(root)
    subprocess.run(["tar", "-C", root, "-cf", f"{store.place}/root.tar", "."], check=True)
    assert store.take(f"{store.place}/root.tar", "--name", "tarred")["id"] == first["id"] and first["name"] == "root"
    os.mkfifo(f"{root}/pipe")
    store.refuse(root, "entry 'pipe'", "named pipe", "--skip-devices")
    assert store.take(root, "--name", "left", "--skip-devices")["id"] == first["id"]


def nothing_special_is_left(store):
    """No setuid, setgid, sticky, no right to write for others, all of one owner."""
    store.take(tar(entry("s", mode=0o6777, uid=1000, gid=50), folder("t", mode=0o1777), entry("secret", mode=0o600),
                   entry("shadow", mode=0o2640)), "--name", "x")
    modes = {name: stat.S_IMODE(os.lstat(f"{store.path}/x/{name}").st_mode) for name in ("s", "t", "secret", "shadow")}
    assert modes == {"s": 0o755, "t": 0o755, "secret": 0o600, "shadow": 0o640}, modes
    assert {os.lstat(f"{store.path}/x/{name}").st_uid for name in modes} == {os.geteuid()}
    assert stat.S_IMODE(os.stat(f"{store.path}/x/").st_mode) == 0o755
    assert os.stat(f"{store.path}/x/s").st_mtime == 1_600_000_000


def names(store):
    """One content is one image with several names; a name may be given anew; what has none is removed."""
    first, again = store.take(tar(entry("a")), "--name", "one"), store.take(tar(entry("a")), "--name", "two")
    assert first["id"] == again["id"] and again["was_there"] and not first["was_there"]
    assert store.take(tar(entry("b")), "--name", "one")["replaced"]
    assert json.loads(store.image("gc", "--json").stdout) == {"removed": [], "in_use": []}
    assert [i["name"] for i in json.loads(store.image("list", "--json").stdout)] == ["one", "two"]
    store.take(tar(entry("c")), "--name", "one")
    assert len(json.loads(store.image("gc", "--json").stdout)["removed"]) == 1
    assert json.loads(store.image("rm", "two", "--json").stdout) == {"name": "two", "answer": "removed"}
    assert len(os.listdir(store.path + "/.store")) == 2, os.listdir(store.path + "/.store")
    for name in ("..", ".store", "a/b", "default", "-x", "a b"):
        done = store.image("import", f"{store.place}/image.tar", "--name=" + name)
        assert done.returncode == 64 and done.stderr.count("\n") == 1, done
    assert store.image("inspect", "none").returncode == 3 and "image list" in store.image("rm", "none").stderr
    os.mkdir(f"{store.path}/hand")
    assert "by hand" in store.image("rm", "hand").stderr and "by hand" in store.image("verify", "hand").stderr
    assert "choose another" in store.refuse(tar(entry("d")), "by hand", options=("--name", "hand"))


def damage_is_told(store):
    """verify names what was changed, removed and added, and exits 1."""
    store.take(tar(folder("etc"), entry("etc/a", data=b"a"), entry("etc/a b", data=b"b"), entry("etc/c")), "--name", "x")
    assert store.image("verify", "x").returncode == 0
    root = f"{store.path}/x"
    with open(f"{root}/etc/a b", "w", encoding="ascii") as file:
        file.write("B")
    os.utime(f"{root}/etc/a b", (1_600_000_000, 1_600_000_000))
    os.unlink(f"{root}/etc/a")
    os.mkdir(f"{root}/etc/d")
    done = store.image("verify", "x", "--json")
    assert done.returncode == 1, done
    assert json.loads(done.stdout)[0]["differences"] == ["missing: etc/a", "changed: etc/a\\x20b", "not of the image: etc/d"], done.stdout


def killed_imports(store):
    """SIGTERM in the middle leaves nothing; after SIGKILL the next command removes what is left."""
    store.take(tar(entry("a")), "--name", "kept")
    before = store.contents()
    big = f"{store.place}/big"
    with open(big, "wb") as out, tarfile.open(fileobj=out, mode="w") as archive:
        for i in range(3000):
            info, _ = entry(f"f{i}")
            info.size = 20_000
            with open("/dev/urandom", "rb") as noise:
                archive.addfile(info, noise)
    temporary = f"{store.path}/.store/tmp"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen([store.milonga, "image", "import", big, "--store", store.path], stderr=subprocess.PIPE) as running:
            while running.poll() is None and not any(files for _, _, files in os.walk(temporary)):
                pass
            running.send_signal(number)
            assert running.wait(60) == -number, (number, running.returncode)
            said = running.stderr.read()
        if number != signal.SIGKILL:
            assert b"interrupted" in said and store.contents() == before, (said, store.contents()[:5])
    assert os.listdir(temporary) != []
    assert store.image("gc").returncode == 0 and store.contents() == before, store.contents()[:5]


CASES = {f.__name__: f for f in (docker_save, one_layer_twice, several_images, oci, root_tars, directories, nothing_special_is_left,
                                 names, damage_is_told, killed_imports)}
if __name__ == "__main__":
    run_cases(CASES, __doc__)
