"""Measure what commands cost with many stored runs: python tests/load.py FOLDER [REPETITIONS].

Fills FOLDER through zobench's own store with runs of five estimators on twenty problems, as if
they had been made; then runs `zobench run`, `report` and `export` on it, and prints the processor
time and peak memory of each. A folder that is filled already is measured as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

import numpy as np

from zobench.harness.environment import environment
from zobench.harness.plan import RunSpec, plan
from zobench.harness.result import RunResult
from zobench.harness.store import FILE, Store
from zobench.harness.suite_file import load

ESTIMATORS = ("random-search", "mezo", "spsa", "zo-sgd", "zo-adam")
DIMENSIONS = (2, 5, 10, 20, 40)
OBJECTIVES = ("sphere", "rosenbrock", "quadratic", "nonsmooth")
ROWS = 22  # of a trace, before it is cut at the final target: 19 are left in the mean
BUDGET = 1000
BATCH = 1000  # results per transaction
MIB = 1024  # KiB


def suite_text(repetitions: int) -> str:
    """A suite of twenty problems that cost nothing to build."""
    problems = [
        f'[[problem]]\nid = "{name}-d{{dim}}"\nobjective = "{name}"\ngroup = "{name}"\n'
        f"expand = {{ dim = {list(DIMENSIONS)} }}\nbudget = {BUDGET}\n"
        "targets = { log10 = [1, -1], step = -0.5 }\n"
        for name in OBJECTIVES
    ]
    head = f'name = "load"\nversion = "1"\nrepetitions = {repetitions}\n\n'
    return head + "\n".join(problems)


def result_of(spec: RunSpec, rng: np.random.Generator) -> RunResult:
    """A finished run whose score falls at random: a trace, and a hit per target it reached."""
    speed = 1 + ESTIMATORS.index(spec.estimator.entry) / 5
    count = int(rng.integers(ROWS - 6, ROWS + 8))
    at = np.unique(np.geomspace(1, BUDGET, count).astype(int))
    fall = 4 * rng.beta(4, 2) * np.log(at) / np.log(BUDGET) / speed
    best = np.minimum.accumulate(10 ** (1.5 - fall + rng.normal(0, 0.1, len(at))))
    per_query = 2e-5 * speed * rng.lognormal(0, 0.1)
    hits, end = [], BUDGET
    for kind in ("current", "best"):
        for index, target in enumerate(spec.problem.targets):
            reached = np.flatnonzero(best <= target)
            if len(reached):
                first = int(at[reached[0]])
                hits.append((kind, index, target, first, first * per_query))
                if index == len(spec.problem.targets) - 1:
                    end = first
    shown = at <= end
    trace = [
        (int(q), float(q * per_query), float(b * 1.01), float(b))
        for q, b in zip(at[shown], best[shown])
    ]
    final, low = trace[-1][2:]
    return RunResult(
        spec.key,
        "target" if end < BUDGET else "budget",
        queries=end,
        calls=end // 2,
        samples=end,
        forward_equivalents=float(end),
        estimator_seconds=end * per_query * 0.7,
        objective_seconds=end * per_query * 0.3,
        peak_memory=2e6 * rng.lognormal(0, 0.05),
        memory_ratio=1.0 + rng.random() / 10,
        final_score=final,
        best_score=low,
        scored="current",
        score_name="gap",
        build_seconds=0.01 * rng.random(),
        score_seconds=0.001 * rng.random(),
        dimension=spec.problem.settings["dim"],
        started="2026-01-01T00:00:00+00:00",
        describe={"blocks": 1, "dimension": spec.problem.settings["dim"]},
        scores={"gap": final},
        hits=hits,
        trace=trace,
    )


def fill(folder: Path, repetitions: int) -> int:
    """Store the runs of the suite in `folder`; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "load.toml"
    file.write_text(suite_text(repetitions))
    suite = load(file)
    specs = plan(suite, ESTIMATORS)
    rng = np.random.default_rng(0)
    with Store.open(folder) as store:
        store.begin(specs, environment(1, os.cpu_count() or 1), suite.file)
        for first in range(0, len(specs), BATCH):
            store.add([result_of(spec, rng) for spec in specs[first : first + BATCH]])
    return len(specs)


def measured(*words: str) -> tuple[float, float, float]:
    """(processor seconds, peak MiB, seconds) of a command of zobench and its children."""
    start = monotonic()
    process = subprocess.Popen([sys.executable, "-m", "zobench", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"zobench {' '.join(words)} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MIB, monotonic() - start


def main(folder: Path, repetitions: int = 1000) -> None:
    """Fill the folder where that is to be done, and measure the three commands."""
    if not (folder / FILE).exists():
        print(f"{fill(folder, repetitions):,} runs stored")
    suite, board = str(folder / "load.toml"), folder / "board.csv"
    home = str(folder)
    run = ["run", *ESTIMATORS, "--suite", suite, "--out", home]
    for words in (
        run,
        run,  # again: what the first one wrote stays as it is
        ["report", home, "--suite", suite],
        ["export", home, "--suite", suite, "--out", str(board)],
        ["export", home, "--format", "csv", "--out", str(folder / "csv")],
    ):
        board.unlink(missing_ok=True)
        for file in (folder / "csv").glob("*"):
            file.unlink()
        size = (folder / FILE).stat().st_size
        spent, peak, seconds = measured(*words)
        print(
            f"{words[0]:7} {spent:5.1f} s of processor, {peak:5.0f} MiB, {seconds:5.1f} s; file "
            f"{size / 1e6:.1f} MB, grown by {(folder / FILE).stat().st_size - size} bytes",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
