"""What a suite asks for and nobody ran: leaderboard rows are about all problems of a group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.results.frame import Frame


def with_unrun(problems: Frame, suite: Suite) -> Frame:
    """`problems` of results, and those of the suite without a run in a dimension and group of them.

    Only objectives with a setting `dim` say their dimension before they are built; problems of
    others appear with their first run. So do planned ones that no run has built yet.
    """
    import pandas as pd

    said = {p.id: p.settings["dim"] for p in suite.problems if "dim" in p.settings}
    sizes = problems["dimension"].fillna(problems["problem"].map(said.get))
    problems = problems.assign(dimension=pd.to_numeric(sizes))
    groups = set(problems[["dimension", "group"]].itertuples(index=False, name=None))
    kinds = dict(zip(problems["objective"], problems["kind"]))
    known, more = set(problems["problem"]), []
    for p in suite.problems:
        dimension = p.settings.get("dim")
        if p.id in known or (dimension, p.group) not in groups:
            continue
        facts = {"suite": suite.name, "suite_version": suite.version, "problem": p.id}
        facts |= {"group": p.group, "dimension": dimension, "budget": p.budget, "how": p.how}
        facts |= {"objective": p.objective, "kind": p.scored or kinds.get(p.objective, "current")}
        more += [facts | {"target_index": i, "target": t} for i, t in enumerate(p.targets)]
    return pd.concat([problems, pd.DataFrame(more)], ignore_index=True) if more else problems


def missing(rows: Frame, methods: Iterable[str], suite: Suite) -> dict[str, list[str]]:
    """Method -> groups of the suite, with their dimensions where it says them, without a row.

    `rows`: of a leaderboard, as text; rows of other versions of the suite do not count.
    """
    asked = dict.fromkeys((p.settings.get("dim"), p.group) for p in suite.problems)
    found = {}
    for method in methods:
        mine = rows[(rows["method"] == method) & (rows["suite_version"] == suite.version)]
        groups, sizes = set(mine["group"]), set(zip(mine["dimension"], mine["group"]))
        without = [
            group if dim is None else f"{group} (d = {dim:,})"
            for dim, group in asked
            if (group not in groups if dim is None else (str(dim), group) not in sizes)
        ]
        if without:
            found[method] = without
    return found


def whole_groups(specs: Sequence[RunSpec], suite: Suite) -> list[RunSpec]:
    """`specs`, and those of problems that an estimator did not run in a group that it ran.

    Settings are the same for all problems of a group.
    """
    made = {(s.estimator.text, s.problem.id) for s in specs}
    of_group = {(s.estimator.text, s.problem.group): s for s in specs}
    return [
        *specs,
        *(
            replace(spec, problem=p, repetition=0)
            for (name, group), spec in of_group.items()
            for p in suite.problems
            if p.group == group and (name, p.id) not in made
        ),
    ]
