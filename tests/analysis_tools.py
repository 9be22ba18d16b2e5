"""Small results, as the store would give them, for the tests of the statistics."""

import numpy as np
import pandas as pd

from zobench.analysis import table, verdict
from zobench.analysis.runlengths import run_tables

HIT_COLUMNS = ["run_key", "kind", "target_index", "target", "queries", "seconds"]


def results(runs, targets=(1.0, 0.1), budget=100, dimension=10, kind="current", groups=None):
    """(runs, hits, problems) of plain tuples: (problem, estimator, repetition, hits, facts).

    `hits` are queries at which the targets, the easiest first, were reached; a run takes a
    millisecond a query. `facts` replace columns of the run.
    """
    rows, found = [], []
    for number, (problem, estimator, repetition, hit, facts) in enumerate(runs):
        done = len(hit) == len(targets)
        row = {
            "run_key": f"k{number}",
            "suite": "s",
            "suite_version": "1",
            "problem": problem,
            "instance": np.nan,
            "estimator": estimator,
            "repetition": repetition,
            "seed": 2**61 + repetition,
            "status": "target" if done else "budget",
            "reason": "",
            "queries": hit[-1] if done else budget,
            "peak_memory": 1e6,
            "memory_ratio": np.nan,
            "final_score": 0.5,
            "best_score": 0.25,
            "first_order": False,
        } | facts
        row.setdefault("seconds", row["queries"] * 1e-3)
        row.setdefault("estimator_seconds", row["seconds"] / 4)
        rows.append(row)
        found += [
            (row["run_key"], kind, index, targets[index], q, q * 1e-3)
            for index, q in enumerate(hit)
        ]
    names = list(dict.fromkeys(row["problem"] for row in rows))
    problems = [
        (name, (groups or {}).get(name, "g"), dimension, budget, index, target, kind)
        for name in names
        for index, target in enumerate(targets)
    ]
    columns = ["problem", "group", "dimension", "budget", "target_index", "target", "kind"]
    return (
        pd.DataFrame(rows),
        pd.DataFrame(found, columns=HIT_COLUMNS),
        pd.DataFrame(problems, columns=columns),
    )


def lengths_table(samples, cut=np.inf, shared=True):
    """A run table with one target: `samples` maps (problem, estimator) to run lengths.

    Those beyond `cut` are unsuccessful. `shared`: repetitions share their seed.
    """
    parts = []
    for number, ((problem, estimator), lengths) in enumerate(samples.items()):
        lengths = np.asarray(lengths, float)
        count = np.arange(len(lengths))
        parts.append(
            pd.DataFrame(
                {
                    "problem": problem,
                    "estimator": estimator,
                    "target_index": 0,
                    "instance": -1.0,
                    "repetition": count,
                    "seed": count if shared else count + 1000 * (number + 1),
                    "length": np.minimum(lengths, cut),
                    "success": lengths <= cut,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def summary_of(runs, hits, problems, **options):
    """`summary` of frames, with the run tables made of them."""
    return table.summary(runs, problems, run_tables(runs, hits, problems), **options)


def verdict_of(runs, hits, problems, *estimators, **options):
    """`verdict` of frames, with the run tables made of them."""
    return verdict.verdict(runs, problems, run_tables(runs, hits, problems), *estimators, **options)
