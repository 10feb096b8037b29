#!/usr/bin/env python3
"""An imported image, by its name, is what a job sees; and it stays for as long as a job runs on it. Needs root.

usage: run_test.py MILONGA
"""
import json
import os
import shutil
import subprocess
import sys

from archives import Store, docker_archive, entry, folder, link, tar

MILONGA = sys.argv[1]
if os.geteuid() != 0:
    print("SKIPPED: boxes are built as root here")
    sys.exit(77)
if not os.path.exists("/bin/busybox"):
    print("SKIPPED: no busybox-static (tools/setup --test)")
    sys.exit(77)
NAME = f"milonga-test-{os.getpid()}"
HOST_STORE = "/var/lib/milonga/images"


def layers():
    """busybox with a make of its own, as no host has it; the second layer takes something away again."""
    with open("/bin/busybox", "rb") as file:
        busybox = file.read()
    tools = [link(f"bin/{name}", "busybox") for name in ("sh", "ls", "cat", "id", "sleep", "touch")]
    make = b"#!/bin/sh\necho made in the image; ls /etc; cat /etc/motd; touch /etc/x || echo read-only\necho '{\"scores\": {\"a\": 1}}'\n"
    lower = tar(folder("bin"), entry("bin/busybox", data=busybox, mode=0o4755), *tools, folder("etc"), entry("etc/gone"),
                entry("etc/motd", data=b"old\n"), entry("bin/make", data=make, mode=0o755), folder("usr"), folder("var"), folder("var/tmp"))
    return lower, tar(entry("etc/.wh.gone"), entry("etc/motd", data=b"of the second layer\n"))


def run(*words):
    return subprocess.run([MILONGA, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


def grades(lab):
    """make of the image, and its files; nothing of the host's."""
    done = run("run", "--image", NAME, lab)
    assert done.returncode == 0, done
    assert done.stdout == ('made in the image\nmotd\nof the second layer\ntouch: /etc/x: Read-only file system\nread-only\n'
                           '{"scores": {"a": 1}}\n'), done.stdout
    done = run("run", "--image", NAME, "--command", "--", "/usr/bin/env")
    assert done.returncode != 0, "a program of the host was run"
    done = run("run", "--image", NAME + "-none", lab)
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "milonga image list" in done.stderr, done


def stays_while_used(host):
    """rm takes the name at once, and the image only when the last job on it has ended."""
    where = os.path.realpath(f"{HOST_STORE}/{NAME}")
    with subprocess.Popen([MILONGA, "run", "--image", NAME, "--command", "--", "sh", "-c", "echo up; sleep 60; echo end"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stdout.readline() == "up\n", job.stderr.read()
        assert json.loads(host("rm", NAME).stdout)["answer"] == "in_use"
        assert os.path.exists(f"{where}/bin/busybox") and not os.path.lexists(f"{HOST_STORE}/{NAME}")
        identity = os.path.basename(os.path.dirname(where))
        assert identity in json.loads(host("gc").stdout)["in_use"]
        job.terminate()
        job.wait(30)
    assert identity in json.loads(host("gc").stdout)["removed"] and not os.path.exists(where)


def main():
    missing = [path for path in (os.path.dirname(HOST_STORE), HOST_STORE) if not os.path.exists(path)]

    def host(*words):
        done = run("image", *words, "--json")
        assert done.returncode == 0, done
        return done
    with Store(MILONGA) as store:
        lab = f"{store.place}/lab"
        os.mkdir(lab)
        with open(f"{lab}/Makefile", "w", encoding="ascii") as file:
            file.write("all:\n")
        try:
            host("import", store.write("saved.tar", docker_archive(*layers())), "--name", NAME)
            grades(lab)
            if shutil.which("skopeo"):
                pulled = json.loads(host("pull", f"docker-archive:{store.place}/saved.tar", "--name", NAME).stdout)
                assert pulled["was_there"] and pulled["source"].startswith("docker-archive:") and pulled["format"] == "oci", pulled
                done = run("image", "pull", f"docker-archive:{store.place}/none", "--name", "none")
                assert done.returncode == 3 and "cannot pull" in done.stderr.splitlines()[-1], done
            stays_while_used(host)
        finally:
            run("image", "rm", NAME)
            for path in reversed(missing):
                shutil.rmtree(path)
    done = subprocess.run([MILONGA, "image", "pull", "x"], env={"PATH": "/nowhere"}, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "apt install skopeo" in done.stderr, done
    print("an imported image runs jobs, and is not removed under one")


if __name__ == "__main__":
    main()
