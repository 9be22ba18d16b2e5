"""Stored results beside those of a comparison (--against), and checks that nothing got slower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.analysis.frames import Frames
from zobench.analysis.words import quantity
from zobench.errors import BadInput
from zobench.harness.plan import RunSpec
from zobench.results.results import Results
from zobench.results.stored import stored, stored_specs

if TYPE_CHECKING:
    import pandas as pd

    from zobench.analysis.runlengths import Unit
    from zobench.analysis.slower import Slowdown

METERS = ("seconds", "estimator_seconds", "objective_seconds")  # in proportion to queries
NUMBERS = (*METERS, "peak_memory", "memory_ratio")


def with_stored(results: Results, folders: Sequence[Path]) -> Results:
    """Add the runs stored in `folders` on the same problems, of other or renamed estimators.

    An estimator whose name is in use becomes "NAME (stored)". Problems are the same if suite,
    version, targets and the scored point are. Stored runs are cut at the budget of `results`.

    Args:
        results: the results of the command.
        folders: results folders to compare with.

    Raises:
        BadInput: a folder has no run to compare with.
    """
    import pandas as pd

    suite = results.specs[0].suite
    parts = [results.frames]
    names, stored_of, notes = set(results.names), {}, list(results.notes)
    environments = dict(results.environments)
    for number, folder in enumerate(folders):
        other = stored(folder, suite)
        budgets = _comparable(results.problems, other.problems)
        is_used = other.runs["problem"].isin(list(budgets))
        if folder.resolve() == results.folder.resolve():  # its other estimators
            is_used &= ~other.runs["estimator"].isin(results.names)
        runs = other.runs.loc[is_used]
        if runs.empty:
            raise BadInput(f"{folder} holds no other runs on these problems with the same targets")
        shared = set(other.runs["problem"]) & set(results.problems["problem"])
        if differing := shared - set(budgets):
            notes.append(
                f"not compared with {folder} on {quantity(len(differing), 'problem')}: other "
                "targets, or another point is judged there (current or best)"
            )
        labels = {}
        for name in dict.fromkeys(runs["estimator"]):
            labels[name] = _label(name, folder, names)
            names.add(labels[name])
            stored_of[labels[name]] = name
        short = [name for name, (here, there) in budgets.items() if there < here]
        if short := set(short) & set(runs["problem"]):
            notes.append(
                f"stored runs of {folder} had smaller budgets on {quantity(len(short), 'problem')}"
            )
        for name in NUMBERS:  # NaN where unknown, also where all are
            runs = runs.assign(**{name: pd.to_numeric(runs[name])})
        parts.append(_labelled(_cut(replace(other.frames, runs=runs), budgets), number, labels))
        environments |= other.environments
    runs, hits, traces = (
        pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        for name in ("runs", "hits", "traces")
    )
    return replace(
        results, frames=Frames(runs, hits, traces, results.problems), notes=notes,
        against=tuple(folders), stored=stored_of, environments=environments, content="",
    )  # fmt: skip


def slowdowns_of(
    results: Results,
    tables: Mapping[Unit, pd.DataFrame],
    factor: float,
    queries_only: bool = False,
) -> list[Slowdown]:
    """Compare each estimator of the command with the stored one of its name, or the only one.

    Args:
        results: results of `with_stored`.
        tables: the `run_tables` of these results.
        factor: see `analysis.slower.slowdowns`.
        queries_only: True to compare queries alone, without times.

    Raises:
        BadInput: the stored estimator shares no problem with the results. `check_against` finds
            out before any run if there is no stored estimator at all.
    """
    from zobench.analysis.slower import MEASURES, slowdowns

    result, measures = [], MEASURES[:1] if queries_only else MEASURES
    for new in dict.fromkeys(spec.estimator.text for spec in results.specs):
        old = [label for label, name in results.stored.items() if name == new]
        old = old or (list(results.stored) if len(results.stored) == 1 else [])
        if not old:
            raise BadInput(f"--fail-if-slower: no stored runs of {new!r} on these problems")
        result += slowdowns(results.runs, tables, new, old[0], factor, measures)
    return result


def check_against(
    against: Sequence[Path], factor: float | None, specs: Sequence[RunSpec], out: Path
) -> None:
    """Check the options --against and --fail-if-slower before any run.

    Args:
        against: results folders to compare with.
        factor: of --fail-if-slower; None: not given.
        specs: the runs of the command.
        out: the results folder of the command.

    Raises:
        BadInput: a folder has runs of another suite, the factor is wrong, or there are no runs
            to be as fast as.
    """
    suite, version = specs[0].suite, specs[0].suite_version
    names: set[str] = set()
    for folder in against:
        others = stored_specs(folder, suite)
        first = others[0]
        if (first.suite, first.suite_version) != (suite, version):
            raise BadInput(
                f"{folder} holds runs of suite {first.suite!r} version {first.suite_version}, "
                f"not of {suite!r} version {version}"
            )
        names |= {spec.estimator.text for spec in others}
    if factor is None:
        return
    if not against:
        raise BadInput("--fail-if-slower needs --against RESULTS, the runs to be as fast as")
    if not 1 <= factor < float("inf"):
        raise BadInput(f"--fail-if-slower is a factor from 1, such as 1.2, not {factor:g}")
    if any(folder.resolve() == out.resolve() for folder in against):
        raise BadInput(
            f"{out} cannot be slower than itself; make the new runs elsewhere with --out"
        )
    for name in dict.fromkeys(spec.estimator.text for spec in specs):
        if name not in names and len(names) > 1:
            raise BadInput(
                f"--fail-if-slower: no stored runs of {name!r}; stored: {', '.join(sorted(names))}"
            )


def _comparable(new: pd.DataFrame, old: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Problem -> (budget here, budget there), for problems of equal targets and kind."""

    def definitions(problems: pd.DataFrame) -> dict[str, tuple]:
        return {
            str(name): (part["budget"].iloc[0], part["kind"].iloc[0], tuple(part["target"]))
            for name, part in problems.groupby("problem", sort=False)
        }

    here, there = definitions(new), definitions(old)
    names = [name for name in here if name in there and here[name][1:] == there[name][1:]]
    return {name: (here[name][0], there[name][0]) for name in names}


def _cut(frames: Frames, budgets: dict[str, tuple[int, int]]) -> Frames:
    """The frames as if their runs had stopped at the budget here."""
    runs: Any = frames.runs
    here = runs["problem"].map({name: pair[0] for name, pair in budgets.items()})
    limit: Any = dict(zip(runs["run_key"], here))
    hits, traces = (
        frame[frame["queries"] <= frame["run_key"].map(limit)]  # NaN: of a run that is not shown
        for frame in (frames.hits, frames.traces)
    )
    is_over = runs["queries"] > here
    if is_over.any():
        share = (here / runs["queries"]).where(is_over, 1.0)
        runs = runs.assign(queries=runs["queries"].where(~is_over, here))
        runs = runs.assign(**{name: runs[name] * share for name in METERS})
        last: Any = traces.groupby("run_key", observed=True).last()  # the last value of a column
        for column, name in (("final_score", "score"), ("best_score", "best")):
            runs[column] = runs[column].where(~is_over, runs["run_key"].map(last[name]))
    return replace(frames, runs=runs, hits=hits, traces=traces)


def _labelled(frames: Frames, number: int, labels: dict[str, str]) -> Frames:
    """The frames with the labels of their estimators, and keys of no other folder."""
    runs, hits, traces = (
        frame.assign(run_key=f"{number}/" + frame["run_key"].astype("str"))
        for frame in (frames.runs, frames.hits, frames.traces)
    )
    runs = runs.assign(estimator=[labels[name] for name in runs["estimator"]])
    return replace(frames, runs=runs, hits=hits, traces=traces)


def _label(name: str, folder: Path, names: set[str]) -> str:
    """A label that is not among `names`."""
    for label in (name, f"{name} (stored)", f"{name} ({folder.resolve().name})"):
        if label not in names:
            return label
    return f"{name} ({folder})"
