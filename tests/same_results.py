"""Compare the results of two checkouts at fixed seeds, bit by bit.

    python tests/same_results.py ../other-checkout

Each checkout runs all of `smoke` and the first problem of every other suite, with every estimator
that both register, in processes of its own. Scores, queries, targets and traces must be equal;
seconds and memory may differ. Runs whose estimator or objective has another version in the two
checkouts are listed as such. The exit status is 1 if anything differs without that reason.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
COMPARED = ("status", "queries", "calls", "samples", "dimension", "final_score", "best_score")
LIST = "from zobench.registry import estimators; print(*estimators.load())"
FEW = {"llm-tiny", "llm-control", "prompt", "rl-mujoco"}  # suites whose losses take long


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a checkout; its output is text."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    command = (sys.executable, *command)
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


def first_problem(suite: Path) -> str:
    """A pattern for the first problem of a suite's file, its variants included."""
    text = tomllib.loads(suite.read_text())
    problem = text["problem"][0]["id"]
    return problem.partition("{")[0] + "*" if "{" in problem else problem


def rows(folder: Path) -> dict[tuple, tuple]:
    """What a results folder holds, without seconds: (problem, estimator, repetition) -> values."""
    db = sqlite3.connect(folder / "results.sqlite")
    query = (
        "SELECT problems.problem, plans.estimator, plans.repetition, plans.estimator_version, "
        f"problems.json, runs.id, {', '.join('runs.' + name for name in COMPARED)} "
        "FROM runs JOIN plans USING (run_key) JOIN problems ON problems.id = plans.problem"
    )
    result = {}
    for problem, estimator, repetition, version, text, index, *values in db.execute(query):
        hits = db.execute(
            "SELECT kind, target_index, target, queries FROM hits WHERE run = ? ORDER BY 1, 2",
            (index,),
        ).fetchall()
        blob = db.execute("SELECT rows FROM traces WHERE run = ?", (index,)).fetchone()
        trace = np.frombuffer(blob[0] if blob else b"", "<f8").reshape(-1, 4)[:, [0, 2, 3]]
        result[problem, estimator, repetition] = (
            (version, text),
            (repr(values), hits, trace.tobytes()),
        )
    return result


def main() -> int:
    """Run both checkouts, suite by suite, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--suite", action="append", default=[], help="only these suites")
    parser.add_argument("--budget", type=int, default=60, help="queries per run")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    checkouts = [arguments.other.resolve(), HERE]
    names = [set(run(checkout, "-c", LIST).stdout.split()) for checkout in checkouts]
    estimators = sorted(names[0] & names[1])
    few = [name for name in ("mezo", "mezo-bcd", "lozo", "zo-adam", "spsa") if name in estimators]
    bad = 0
    for suite in sorted((HERE / "suites").glob("*.toml"), key=lambda path: path.stem != "smoke"):
        if arguments.suite and suite.stem not in arguments.suite:
            continue
        results = []
        for checkout in checkouts:
            folder = tempfile.mkdtemp()
            command = ["-m", "zobench", "run", *(few if suite.stem in FEW else estimators)]
            command += ["--suite", suite.stem, "--out", folder, "--defaults"]
            command += ["--budget", str(arguments.budget), "--repetitions", "1"]
            command += ["--jobs", str(arguments.jobs)]
            if suite.stem != "smoke":
                command += ["--problem", first_problem(suite)]
            done = run(checkout, *command)
            if done.returncode not in (0, 1):
                print(
                    f"{suite.stem}: {checkout} ended with {done.returncode}: {done.stderr[-500:]}"
                )
                return 1
            results.append(rows(Path(folder)))
        old, new = results
        missing = sorted(set(old) ^ set(new))
        differing = [cell for cell in sorted(set(old) & set(new)) if old[cell][1] != new[cell][1]]
        known = [cell for cell in differing if old[cell][0] != new[cell][0]]
        unknown = [cell for cell in differing if cell not in known]
        print(
            f"{suite.stem}: {len(new)} runs, {len(new) - len(differing)} equal to the bit, "
            f"{len(known)} of another version, {len(unknown)} differ, {len(missing)} in one only",
            flush=True,
        )
        for cell in [*unknown, *missing]:
            print("   ", *cell)
            bad += 1
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
