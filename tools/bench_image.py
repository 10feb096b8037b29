#!/usr/bin/env python3
"""What importing an image of 1 GB costs, beside `tar -x` of the same, in one run.

usage: bench_image.py BIN RUNS [--json FILE]

The image is made of this machine's own programs, headers and documents: as it would be, many small files and some
large ones. Columns take turns; before each the disk is idle (sync). tar leaves what it wrote in memory, an import is on
the disk when it ends: so tar is shown with and without a sync behind it.
"""
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

SIZE = 1 << 30
FROM = ("/usr/bin", "/usr/include", "/usr/share/doc", "/usr/share/perl", "/usr/lib/x86_64-linux-gnu", "/usr/lib")

SEEN = set()  # files that are in it


def make_images(work):
    """root.tar, and docker.tar as docker saves it."""
    root, layer = f"{work}/root.tar", hashlib.sha256()
    with tarfile.open(root, "w") as archive:
        for top in FROM:
            for path, dirs, files in os.walk(top):
                dirs.sort()
                for name in sorted(files):
                    full = os.path.join(path, name)
                    if archive.offset < SIZE and (os.path.islink(full) or os.path.isfile(full)) and full[1:] not in SEEN:
                        SEEN.add(full[1:])
                        archive.add(full, recursive=False)
    with open(root, "rb") as file:
        while block := file.read(1 << 20):
            layer.update(block)
    text = json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer.hexdigest()]}}).encode()
    name = hashlib.sha256(text).hexdigest() + ".json"
    for file, data in ((name, text), ("manifest.json", json.dumps([{"Config": name, "RepoTags": None, "Layers": ["root.tar"]}]).encode())):
        with open(f"{work}/{file}", "wb") as out:
            out.write(data)
    subprocess.run(["tar", "-C", work, "-cf", f"{work}/docker.tar", "root.tar", name, "manifest.json"], check=True)
    return root, f"{work}/docker.tar"


def run(*command):
    """(seconds, peak KiB)"""
    os.sync()
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.monotonic() - begin, usage.ru_maxrss


def main(binaries, runs):
    columns = {"tar": [], "tar and sync": [], "import": [], "import docker": []}
    peak = 0
    with tempfile.TemporaryDirectory(prefix="milonga-bench.", dir="/var/tmp") as work:
        root, docker = make_images(work)
        for i in range(runs):
            os.mkdir(f"{work}/x{i}")
            unpacked = run("tar", "-C", f"{work}/x{i}", "-xf", root)[0]
            begin = time.monotonic()
            subprocess.run(["sync", "-f", work], check=True)
            columns["tar"].append(unpacked)
            columns["tar and sync"].append(unpacked + time.monotonic() - begin)
            for name, source in (("import", root), ("import docker", docker)):
                seconds, kib = run(f"{binaries}/milonga", "image", "import", source, "--name", "x", "--store", f"{work}/{name}{i}")
                columns[name].append(seconds)
                peak = max(peak, kib)
        size = os.path.getsize(root)
        print(f"{size / 1e6:.0f} MB, {len(SEEN)} files, median of {runs}")
    medians = {name: statistics.median(times) for name, times in columns.items()}
    for name, seconds in medians.items():
        print(f"  {name:14} {seconds:7.2f} s   {seconds / medians['tar']:5.2f} x tar   (least {min(columns[name]):.2f} s)")
    print(f"  peak of an import: {peak / 1024:.1f} MiB")
    return {"image.import_over_tar": round(medians["import"] / medians["tar"], 3),
            "image.import_over_tar_and_sync": round(medians["import"] / medians["tar and sync"], 3),
            "image.import_docker_over_tar": round(medians["import docker"] / medians["tar"], 3),
            "image.import_peak_mib": round(peak / 1024, 1)}


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    figures = main(sys.argv[1], int(sys.argv[2]))
    if len(sys.argv) == 5:
        with open(sys.argv[4], "w", encoding="ascii") as out_file:
            json.dump(figures, out_file, indent=2)
            out_file.write("\n")
