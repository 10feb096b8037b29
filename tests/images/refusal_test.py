#!/usr/bin/env python3
"""Images that are damaged or meant to do harm: refused with one line that names the entry and the rule, and nothing left.

usage: refusal_test.py MILONGA CASE, or --list
"""
import bz2
import gzip
import io
import json
import os
import tarfile

from archives import (as_directory, as_tar, config, device, docker_archive, entry, folder, hard, link, oci_layout, run_cases, sha, tar)

GOOD = tar(folder("etc"), entry("etc/a", data=b"a" * 5000))


def truncated(store):
    """Wherever a tar ends early: within a header, a file, between two, in the compression, in docker's archive."""
    for at in (100, 700, 3000):
        store.refuse(GOOD[:at], "truncated")
        store.refuse(gzip.compress(GOOD)[:-at // 100], "truncated")
    whole = tar(entry("a", data=b"a" * 512), entry("b"))
    store.refuse(whole[:1024], "truncated", "zeros")
    store.refuse(docker_archive(GOOD)[:4000], "truncated")
    store.refuse(docker_archive(GOOD[:4000]), "layer 1 of 1", "truncated")
    store.refuse(b"", "damaged")
    store.refuse(gzip.compress(b""), "damaged")
    store.refuse(tar(), "empty")
    store.refuse(b"this is no tar" * 100, "damaged")


def wrong_digests(store):
    """Of a layer, a packed layer, a configuration, a manifest; a digest that is none; a layer that is missing."""
    bad = "sha256:" + sha(b"other")
    text = config([GOOD])
    store.refuse(docker_archive(GOOD, text=text.replace(sha(GOOD).encode(), sha(b"other").encode())), "layer 1 of 1", "wrong digest", bad)
    archive = docker_archive(GOOD)
    store.refuse(archive.replace(b'"os"', b'"so"'), "wrong digest", sha(text))
    store.refuse(docker_archive(GOOD, text=text.replace(b"rootfs", b"ROOTFS")), "has no rootfs")
    store.refuse(docker_archive(GOOD, text=config([GOOD, GOOD])), "2 layers")

    def swap(part, by):
        def change(blobs):
            name = next(n for n, data in blobs.items() if part in data and n.startswith("blobs"))
            return {**blobs, name: blobs[name].replace(part, by)}
        return change
    store.refuse(as_tar(oci_layout(GOOD, change=swap(b"schemaVersion", b"schemaversion"))), "wrong digest", "blobs/sha256/")
    store.refuse(as_tar(oci_layout(GOOD, change=swap(b"rootfs", b"r00tfs"))), "wrong digest", "blobs/sha256/")
    # Another packing of the same tar: only the blob's own digest can tell.
    packed, other = gzip.compress(GOOD, 9, mtime=1), gzip.compress(GOOD, 9, mtime=2)
    store.refuse(as_tar(oci_layout(GOOD, pack=lambda _: packed, change=swap(packed, other))), "layer 1 of 1", "wrong digest")
    store.refuse(as_tar(oci_layout(GOOD, change=lambda b: {n: d for n, d in b.items() if d[:2] != b"\x1f\x8b"})), "'blobs/sha256/", "not in the archive")
    as_directory(oci_layout(GOOD, change=lambda b: {**b, "index.json": b["index.json"].replace(b"sha256:", b"md5:")}), f"{store.place}/md5")
    store.refuse(f"{store.place}/md5", "only sha256")
    store.refuse(as_tar(oci_layout(GOOD, architecture="s390x")), "s390x")
    store.refuse(as_tar(oci_layout(GOOD, change=lambda b: {**b, "index.json": b"[" * 5000})), "index.json", "not JSON")


def paths(store):
    """Out of the tree by an absolute path, by "..", through a link; names that no kernel takes."""
    outside = f"{store.place}/outside"
    os.mkdir(outside)
    up = "../" * 12 + outside.strip("/")
    for name, rule in ((f"{outside}/x", "absolute path"), (f"../{outside}/x", "'..'"), ("a/../../x", "'..'"), ("..", "'..'"),
                       ("a/" * 201 + "x", "deep"), ("n" * 256, "256 bytes")):
        store.refuse(tar(entry("ok"), entry(name), form=tarfile.PAX_FORMAT), f"entry '{name}", rule)
        store.refuse(docker_archive(tar(entry(name), form=tarfile.PAX_FORMAT)), "layer 1 of 1", f"entry '{name}", rule)
    for target in (outside, up, "/", ".."):
        through = tar(link("d", target), entry("d/x", data=b"x"))
        store.refuse(through, "entry 'd/x'", "through a symbolic link")
        store.refuse(docker_archive(tar(link("d", target)), tar(entry("d/x"))), "layer 2 of 2", "entry 'd/x'", "through a symbolic link")
        store.refuse(docker_archive(tar(link("d", target)), tar(entry("d/.wh.x"))), "entry 'd/.wh.x'", "through a symbolic link")
        store.refuse(docker_archive(tar(link("d", target)), tar(entry("d/.wh..wh..opq"))), "through a symbolic link")
        store.refuse(tar(link("d", target), hard("h", "d/x")), "entry 'h'", "through a symbolic link")
        store.refuse(tar(link("d", target), folder("d/e")), "entry 'd/e", "through a symbolic link")
    assert os.listdir(outside) == []


def links(store):
    """Hard links to what is outside, is no file, or is not there; a symbolic link in place of the root."""
    secret = f"{store.place}/secret"
    with open(secret, "w", encoding="ascii") as file:
        file.write("s")
    for target, rule in ((secret, "absolute path"), ("../../secret", "'..'"), ("none", "not there"), ("e", "no regular file"),
                         ("s", "no regular file")):
        store.refuse(tar(link("s", secret), folder("e"), hard("h", target)), "entry 'h'", "hard link", rule)
    store.refuse(tar(link("./", "/etc")), "root")
    store.refuse(tar(entry("f"), entry("f/x")), "entry 'f/x'", "through what is no directory")
    # A file of the same name as a link replaces the link, and is never written through it.
    store.refuse(tar(link("s", secret), entry("s", data=b"overwritten")), "entry 's'", "twice")
    store.take(docker_archive(tar(link("s", secret)), tar(entry("s", data=b"own"))), "--name", "good")
    with open(secret, encoding="ascii") as file:
        assert file.read() == "s" and store.tree("good") == {"s": b"own"}


def changes_of_type(store):
    """A file over a directory and back, in one layer; between layers it is a replacement."""
    for first, second in ((folder("x"), entry("x")), (entry("x"), folder("x")), (folder("x"), link("x", "/")), (link("x", "/"), folder("x"))):
        store.refuse(tar(first, second), "entry 'x", "twice in one layer")
        store.refuse(tar(first, second, first), "entry 'x", "twice in one layer")
    store.refuse(tar(entry("x/y"), entry("x"), folder("x")), "entry 'x", "twice in one layer")
    store.refuse(docker_archive(tar(folder("x")), tar(entry("x/y"), entry("x"))), "layer 2 of 2", "entry 'x'", "twice")
    store.take(docker_archive(tar(folder("x"), entry("x/y")), tar(entry("x", data=b"f")), tar(folder("x"), entry("x/z"))), "--name", "good")
    assert store.tree("good") == {"x": 0o755, "x/z": b""}
    store.take(tar(entry("x", data=b"1"), entry("x", data=b"2")), "--name", "later")
    assert store.tree("later") == {"x": b"2"}, "as tar: the later counts"


def devices(store):
    """Device nodes, pipes and sockets; left out if that is asked for."""
    for kind, rule in ((tarfile.CHRTYPE, "device node"), (tarfile.BLKTYPE, "device node"), (tarfile.FIFOTYPE, "named pipe")):
        store.refuse(tar(entry("a"), device("dev/evil", kind)), "entry 'dev/evil'", rule, "--skip-devices")
        store.take(tar(entry("a"), device("dev/evil", kind)), "--name", "good", "--skip-devices")
        assert store.tree("good") == {"a": b""}
        store.image("rm", "good")


def whiteouts(store):
    """Names that are none; those of aufs are skipped."""
    for name in (".wh.", ".wh..", ".wh...", ".wh..wh.x", ".wh..wh..wh..opq"):
        store.refuse(docker_archive(GOOD, tar(entry("etc/" + name))), "layer 2 of 2", f"entry 'etc/{name}'", "whiteout")
        store.refuse(docker_archive(GOOD, tar(entry(name))), f"entry '{name}'", "whiteout")
    store.take(docker_archive(GOOD, tar(folder(".wh..wh.plnk"), entry(".wh..wh.aufs"))), "--name", "good")
    assert sorted(store.tree("good")) == ["etc", "etc/a"]


def sizes(store):
    """10 GiB of zeros in little; a size that is only told; holes; more entries than allowed; each limit by its option."""
    zeros = io.BytesIO()
    with gzip.open(zeros, "wb") as out:
        info = tarfile.TarInfo("zeros")
        info.size = 10 << 30
        out.write(info.tobuf())
        for _ in range(3):
            out.write(b"\0" * (1 << 20))
    store.refuse(zeros.getvalue(), "entry 'zeros'", "larger than 8.0 GiB", "--max-size")
    store.refuse(gzip.compress(info.tobuf()[:124] + b"00700000000" + info.tobuf()[135:]), "damaged")  # the checksum of a header
    info.size = 6 << 30
    packed = bz2.compress(info.tobuf() + b"\0" * (100 << 20))
    store.refuse(packed, "entry 'zeros'", "200 times", "--max-ratio")
    assert len(packed) < 10 << 10 and "truncated" in store.refuse(packed, options=("--max-ratio", "0"))
    layered = oci_layout(tar(entry("zeros", data=b"\0" * (100 << 20))), pack=bz2.compress)
    store.refuse(as_tar(layered), "layer 1 of 1", "entry 'zeros'", "200 times")
    store.refuse(bz2.compress(as_tar(oci_layout(tar(entry("zeros", data=b"\0" * (100 << 20))), pack=bytes))), "200 times")
    entries = [entry(f"d/{i}") for i in range(1000)]
    store.refuse(tar(*entries), "entry 'd/500'", "500 entries", options=("--max-entries", "500"))
    store.take(tar(*entries), "--name", "enough", "--max-entries", "1000")
    store.refuse(tar(entry("a", data=b"a" * 600), entry("b", data=b"b" * 600)), "entry 'b'", "1000 B", options=("--max-size", "1000"))
    sparse = f"{store.place}/hole"
    with open(sparse, "wb") as file:
        file.truncate(9 << 30)
    os.system(f"tar -C {store.place} -Scf {store.place}/sparse.tar hole")
    store.refuse(f"{store.place}/sparse.tar", "entry 'hole'", "larger than 8.0 GiB")
    twice = gzip.compress(gzip.compress(GOOD))
    store.refuse(twice, "more than once")


def outer_archives(store):
    """Of docker's archive itself: members that stand twice, lead outside, are devices, or are not there."""
    text = config([GOOD])
    name = sha(text) + ".json"

    def archive(*members, layers=("l.tar",), config_name=name):
        manifest = [{"Config": config_name, "RepoTags": None, "Layers": list(layers)}]
        return tar(*members, entry(name, data=text), entry("manifest.json", data=json.dumps(manifest).encode()))
    layer = entry("l.tar", data=GOOD)
    store.take(archive(layer), "--name", "good")
    store.refuse(archive(layer, layer), "'l.tar'", "twice")
    store.refuse(archive(device("l.tar")), "'l.tar'", "neither file nor link")
    store.refuse(archive(link("l.tar", "/etc/passwd")), "l.tar", "not in the archive")
    store.refuse(archive(link("l.tar", "l.tar")), "l.tar", "not in the archive")
    store.refuse(archive(layer, layers=("../l.tar",)), "'..'")
    store.refuse(archive(layer, layers=()), "1 layers")
    store.refuse(archive(layer, config_name="x.json"), "not named after its sha256")
    store.refuse(tar(entry("manifest.json", data=b"{}")), "no image")
    store.refuse(tar(entry("manifest.json", data=b"[" * 100_000)), "manifest.json", "not JSON")
    store.refuse(tar(entry("manifest.json", data=b" " * (5 << 20))), "manifest.json", "4 MiB")


def a_million_entries(store):
    """By the default limit, and the half of them that were made are removed."""
    block = bytearray(tarfile.TarInfo("d/0000000").tobuf())
    with gzip.open(f"{store.place}/million.tar.gz", "wb", 1) as out:
        for i in range(1_000_000):
            block[2:9] = b"%07d" % i
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
            out.write(block)
    store.refuse(f"{store.place}/million.tar.gz", "entry 'd/0500000'", "500000 entries", "--max-entries")


CASES = {f.__name__: f for f in (truncated, wrong_digests, paths, links, changes_of_type, devices, whiteouts, sizes, outer_archives,
                                 a_million_entries)}
if __name__ == "__main__":
    run_cases(CASES, __doc__)
