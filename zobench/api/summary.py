"""The table that a comparison shows, a row for each problem and estimator."""

from __future__ import annotations

from zobench.api.frame import Frame
from zobench.api.making import Results


def summarise(results: Results) -> Frame:
    """One row a problem and estimator; its successes and run lengths are to the hardest target.

    problem, group, dimension, budget, target, kind (of point that must reach it: "current" or
    "best"), estimator, runs, skipped, failed, diverged, successes; ert_queries and ert_seconds
    with _low and _high (95 %); ms_per_query (of which estimator_ms_per_query); peak_memory (bytes,
    the highest), memory_ratio (median); final_score (median over the runs, of the kind of point
    that is scored); first_order.
    """
    import pandas as pd

    from zobench.analysis.ert import ert_interval
    from zobench.analysis.runlengths import at_targets, cases, run_table
    from zobench.analysis.targets import final_targets

    runs, hits, problems = results.runs, results.hits, results.problems
    finals = final_targets(problems)
    erts = {}
    for unit in ("queries", "seconds"):
        table = at_targets(run_table(runs, hits, problems, unit), finals)
        for (problem, _, estimator), lengths in cases(table).items():
            erts[unit, problem, estimator] = ert_interval(lengths)
    hardest = problems.sort_values("target_index").groupby("problem", sort=False).last()
    best = runs["scored"] == "best"
    runs = runs.assign(score=runs["best_score"].where(best, runs["final_score"]))
    rows = []
    for (problem, estimator), part in runs.groupby(["problem", "estimator"], sort=False):
        facts = hardest.loc[problem]
        row = {"problem": problem, **{k: facts[k] for k in _FACTS}, "estimator": estimator}
        counts = part["status"].value_counts()
        row |= {"runs": len(part), "skipped": int(counts.get("skipped", 0))}
        row["failed"] = int(sum(counts.get(s, 0) for s in ("failed", "timeout", "oom")))
        row["diverged"] = int(counts.get("diverged", 0))
        for unit in ("queries", "seconds"):
            found = erts.get((unit, problem, estimator))
            row["successes"] = found.successes if found else 0
            row[f"ert_{unit}"] = found.value if found else float("nan")
            row[f"ert_{unit}_low"] = found.low if found else float("nan")
            row[f"ert_{unit}_high"] = found.high if found else float("nan")
        queries = float(part["queries"].sum()) or float("nan")
        row["ms_per_query"] = 1e3 * part["seconds"].sum() / queries
        row["estimator_ms_per_query"] = 1e3 * part["estimator_seconds"].sum() / queries
        row["peak_memory"] = part["peak_memory"].max()
        row["memory_ratio"] = part["memory_ratio"].median()
        row["final_score"] = part["score"].median()
        row["first_order"] = bool(part["first_order"].any())
        rows.append(row)
    return pd.DataFrame(rows)


_FACTS = ("group", "dimension", "budget", "target", "kind")
