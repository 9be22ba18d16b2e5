"""Runs that a suite defines and that were not made: a row is about all problems of a group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite

if TYPE_CHECKING:
    import pandas as pd


def with_unrun(problems: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """Add the suite's problems without a run to those of results, if their group has runs.

    Only objectives with a setting `dim` say their dimension before they are built; problems of
    others appear with their first run. So do planned ones that no run has built yet.
    """
    import pandas as pd

    size_of = {p.id: p.settings["dim"] for p in suite.problems if "dim" in p.settings}
    sizes = problems["dimension"].fillna(problems["problem"].map(size_of.get))
    problems = problems.assign(dimension=pd.to_numeric(sizes))
    groups = set(problems[["dimension", "group"]].itertuples(index=False, name=None))
    kinds = dict(zip(problems["objective"], problems["kind"]))
    ids, more = set(problems["problem"]), []
    for p in suite.problems:
        dimension = p.settings.get("dim")
        if p.id in ids or (dimension, p.group) not in groups:
            continue
        facts = {"suite": suite.name, "suite_version": suite.version, "problem": p.id}
        facts |= {"group": p.group, "dimension": dimension, "budget": p.budget, "how": p.how}
        facts |= {"objective": p.objective, "kind": p.scored or kinds.get(p.objective, "current")}
        more += [facts | {"target_index": i, "target": t} for i, t in enumerate(p.targets)]
    return pd.concat([problems, pd.DataFrame(more)], ignore_index=True) if more else problems


def groups_without_row(
    rows: pd.DataFrame, methods: Iterable[str], suite: Suite
) -> dict[str, list[str]]:
    """Map each method to the groups of the suite without a row, with their dimensions if known.

    `rows`: of a leaderboard, as text; rows of other versions of the suite do not count.
    """
    cases = dict.fromkeys((p.settings.get("dim"), p.group) for p in suite.problems)
    result = {}
    for method in methods:
        own = rows[(rows["method"] == method) & (rows["suite_version"] == suite.version)]
        groups, sizes = set(own["group"]), set(zip(own["dimension"], own["group"]))
        without = [
            group if dim is None else f"{group} (d = {dim:,})"
            for dim, group in cases
            if (group not in groups if dim is None else (str(dim), group) not in sizes)
        ]
        if without:
            result[method] = without
    return result


def whole_groups(specs: Sequence[RunSpec], suite: Suite) -> list[RunSpec]:
    """Add runs of the problems that an estimator did not run in a group that it ran.

    Settings are the same for all problems of a group.
    """
    pairs = {(s.estimator.text, s.problem.id) for s in specs}
    of_group = {(s.estimator.text, s.problem.group): s for s in specs}
    return [
        *specs,
        *(
            replace(spec, problem=p, repetition=0)
            for (name, group), spec in of_group.items()
            for p in suite.problems
            if p.group == group and (name, p.id) not in pairs
        ),
    ]
