"""Millions of dimensions: the memory of an evaluation (and its time: run with -s)."""

import json
import os
import subprocess
import sys

import pytest

MEASURE = """
import json, sys, time, torch
from zobench.registry import objectives
torch.set_num_threads(1)
def peak():
    lines = open("/proc/self/status")
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
def reset():
    open("/proc/self/clear_refs", "w").write("5")
for name, settings in json.loads(sys.argv[1]):
    small = objectives[name].build({**settings, "dim": 200_000})
    small.start(0), small.score(), reset()
    base = peak()
    large = objectives[name].build({**settings, "dim": 2_000_000})
    large.start(0), reset()
    began = time.perf_counter()
    gap = large.score()["gap"]
    print(json.dumps([time.perf_counter() - began, (peak() - base) / 2e6, gap]))
    del small, large
"""
LARGE = [  # with the number of float32 vectors that may exist
    ("quadratic", {"shift": 1.0}, 1),
    ("quadratic", {"basis": "random"}, 2),
    ("block-quadratic", {"blocks": 100, "basis": "random"}, 2),
    ("chained-rosenbrock", {}, 1),
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_millions_of_dimensions_need_the_point_and_one_buffer():
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps([case[:2] for case in LARGE])],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000"},  # what is freed leaves the process
    )
    for (name, chosen, copies), line in zip(LARGE, done.stdout.splitlines(), strict=True):
        seconds, bytes_each, gap = json.loads(line)
        print(f"{name} {chosen}: {1e3 * seconds:.1f} ms, {bytes_each:.1f} bytes a dimension")
        assert gap == pytest.approx(1.0, abs=1e-4)
        assert bytes_each < 4.0 * copies + 5.0  # and some chunks of 1 MiB
