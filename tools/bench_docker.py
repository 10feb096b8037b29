"""Part of tools/bench e2e: a trivial job in a container through milongad, against `docker run` of the same.

In a Docker Engine of its own (tests/docker/engine.py), one after the other in turn, so that both see the same machine.
The programs that are copied into the container are stripped, as installed ones are.
"""
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "docker"))
from engine import DOCKER, IMAGE, engine  # noqa: E402  (its folder had to be named first)


def ms_since(start):
    return (time.perf_counter() - start) * 1000


def time_run(docker, lab):
    start = time.perf_counter()
    done = subprocess.run([DOCKER, "--host", f"unix://{docker.path}", "run", "--rm", "--network", "none", "-v", f"{lab}:/lab:ro",
                           IMAGE, "make", "-s", "-C", "/lab"], check=True, capture_output=True)
    assert done.stdout == b"hello\n", done.stdout
    return ms_since(start)


def time_job(milonga, spool, lab):
    start = time.perf_counter()
    done = subprocess.run([milonga, "--spool", spool, "submit", lab, "--wait"], check=True, capture_output=True)
    assert done.stdout.endswith(b"hello\n"), done.stdout
    return ms_since(start)


def stages(spool):
    """Median time of each stage, in ms, as the results say."""
    times = {}
    for path in glob.glob(f"{spool}/done/*/*.res"):
        with open(path, encoding="utf-8") as file:
            timing = json.loads(file.read().split("\n", 1)[1])["timing"]
        timing = json.loads(timing) if isinstance(timing, str) else timing
        for stage, seconds in timing["seconds"].items():
            times.setdefault(stage, []).append(seconds * 1000)
    return {stage: statistics.median(values) for stage, values in times.items()}


def figures(binaries, directory, lab, runs):
    """directory: where a spool may be."""
    with tempfile.TemporaryDirectory(prefix="mlgd-", dir="/var/tmp") as base, engine(base) as docker:
        for name in ("autodriver", "autodriver-core"):
            subprocess.run(["strip", "-o", f"{base}/{name}", f"{binaries}/{name}"], check=True)
        spool = f"{directory}/docker-spool"
        daemon = subprocess.Popen([f"{binaries}/milongad", "--spool", spool, "--volatile", "--driver", "docker", "--docker-socket", docker.path,
                                   "--docker-image", IMAGE, "--autodriver", f"{base}/autodriver"], stderr=subprocess.PIPE, text=True)
        try:
            for line in daemon.stderr:
                if "ready: spool" in line:
                    break
            run_ms, job_ms = [], []
            for number in range(runs + 1):  # the first is for warming up
                times = time_run(docker, lab), time_job(f"{binaries}/milonga", spool, lab)
                if number > 0:
                    run_ms.append(times[0])
                    job_ms.append(times[1])
            by_stage = stages(spool)
        finally:
            daemon.terminate()
            daemon.stderr.read()
            daemon.wait()
    run, job = statistics.median(run_ms), statistics.median(job_ms)
    return {"e2e.docker_run_ms": run, "e2e.docker_ms": job, "e2e.docker_over_run": job / run,
            **{f"e2e.docker_stage_{stage}_ms": value for stage, value in by_stage.items() if value > 1}}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="milonga-bench.", dir="/var/tmp") as top:
        os.mkdir(f"{top}/lab")
        with open(f"{top}/lab/Makefile", "w", encoding="ascii") as makefile:
            makefile.write("all:\n\t@echo hello\n")
        print(json.dumps(figures(os.path.abspath(sys.argv[1]), top, f"{top}/lab", int(sys.argv[2])), indent=2))
