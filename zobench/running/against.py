"""`--against`: stored results beside those of a comparison, and whether anything got slower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.analysis.frames import Frames
from zobench.analysis.words import some
from zobench.errors import BadInput
from zobench.harness.plan import RunSpec
from zobench.results.frame import Frame
from zobench.results.results import Results
from zobench.results.stored import stored, stored_specs

if TYPE_CHECKING:
    from zobench.analysis.slower import Slowdown

NUMBERS = ("seconds", "estimator_seconds", "objective_seconds", "peak_memory", "memory_ratio")


def with_stored(results: Results, folders: Sequence[Path]) -> Results:
    """`results` and the runs in `folders` on the same problems, of other or renamed estimators.

    An estimator of a name that is taken becomes "NAME (stored)". Problems count as the same if
    suite, version, targets and the scored point are; stored runs are cut at the budget here.
    Raises BadInput where a folder holds nothing to compare.
    """
    import pandas as pd

    suite = results.specs[0].suite
    frames = [(results.runs, results.hits, results.traces)]
    taken, stored_of, notes = set(results.names), {}, list(results.notes)
    environments = dict(results.environments)
    for number, folder in enumerate(folders):
        found = stored(folder, suite)
        budgets = _comparable(results.problems, found.problems)
        mine = found.runs["problem"].isin(list(budgets))
        if folder.resolve() == results.folder.resolve():  # its other estimators
            mine &= ~found.runs["estimator"].isin(results.names)
        runs = found.runs[mine]
        if runs.empty:
            raise BadInput(f"{folder} holds no other runs on these problems with the same targets")
        lost = set(found.runs["problem"]) & set(results.problems["problem"]) - set(budgets)
        if lost:
            notes.append(
                f"not compared with {folder} on {some(len(lost), 'problem')}: other targets, or "
                "another point is judged there (current or best)"
            )
        labels = {}
        for name in dict.fromkeys(runs["estimator"]):
            labels[name] = _label(name, folder, taken)
            taken.add(labels[name])
            stored_of[labels[name]] = name
        short = [name for name, (here, there) in budgets.items() if there < here]
        if short := set(short) & set(runs["problem"]):
            notes.append(
                f"stored runs of {folder} had smaller budgets on {some(len(short), 'problem')}"
            )
        for name in NUMBERS:  # NaN where unknown, also where all are
            runs = runs.assign(**{name: pd.to_numeric(runs[name])})
        parts = _cut(runs, found, budgets)
        parts = [f.assign(run_key=f"{number}/" + f["run_key"].astype("str")) for f in parts]
        environments |= found.environments
        frames.append((parts[0].assign(estimator=parts[0]["estimator"].map(labels)), *parts[1:]))
    joined = [pd.concat(parts, ignore_index=True) for parts in zip(*frames)]
    runs, hits, traces = joined
    return replace(
        results, frames=Frames(runs, hits, traces, results.problems), notes=notes,
        against=tuple(folders), stored=stored_of, environments=environments, content="",
    )  # fmt: skip


def slowdowns_of(results: Results, factor: float, queries_only: bool = False) -> list[Slowdown]:
    """Each estimator of the command against the stored one of its name, or the only stored one.

    `check_against` has made sure that there is one, unless it shares no problem: then BadInput.
    """
    from zobench.analysis.slower import WHAT, slowdowns

    frames = results.runs, results.hits, results.problems
    found = []
    for new in dict.fromkeys(spec.estimator.text for spec in results.specs):
        old = [label for label, name in results.stored.items() if name == new]
        old = old or (list(results.stored) if len(results.stored) == 1 else [])
        if not old:
            raise BadInput(f"--fail-if-slower: no stored runs of {new!r} on these problems")
        found += slowdowns(*frames, new, old[0], factor, WHAT[:1] if queries_only else WHAT)
    return found


def check_against(
    against: Sequence[Path], factor: float | None, specs: Sequence[RunSpec], out: Path
) -> None:
    """Raises BadInput, before any run, for what --against and --fail-if-slower cannot work with."""
    suite, version = specs[0].suite, specs[0].suite_version
    names: set[str] = set()
    for folder in against:
        found = stored_specs(folder, suite)
        first = found[0]
        if (first.suite, first.suite_version) != (suite, version):
            raise BadInput(
                f"{folder} holds runs of suite {first.suite!r} version {first.suite_version}, "
                f"not of {suite!r} version {version}"
            )
        names |= {spec.estimator.text for spec in found}
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


def _comparable(ours: Frame, theirs: Frame) -> dict[str, tuple[int, int]]:
    """Problem -> (budget here, budget there), where targets and kind are the same."""

    def defined(frame: Frame) -> dict[str, tuple]:
        return {
            name: (part["budget"].iloc[0], part["kind"].iloc[0], tuple(part["target"]))
            for name, part in frame.groupby("problem", sort=False)
        }

    here, there = defined(ours), defined(theirs)
    both = [name for name in here if name in there and here[name][1:] == there[name][1:]]
    return {name: (here[name][0], there[name][0]) for name in both}


def _cut(runs: Frame, results: Results, budgets: dict[str, tuple[int, int]]) -> list[Frame]:
    """[runs, their hits, their traces] as if stopped at the budget here."""
    here = runs["problem"].map({name: pair[0] for name, pair in budgets.items()})
    limit: Any = dict(zip(runs["run_key"], here))
    hits, traces = (
        frame[frame["queries"] <= frame["run_key"].map(limit)]  # NaN: of a run that is not shown
        for frame in (results.hits, results.traces)
    )
    over = runs["queries"] > here
    if over.any():
        share = (here / runs["queries"]).where(over, 1.0)
        runs = runs.assign(queries=runs["queries"].where(~over, here))
        runs = runs.assign(**{name: runs[name] * share for name in NUMBERS[:3]})
        last = traces.groupby("run_key", observed=True).last()  # the last known of each column
        for column, name in (("final_score", "score"), ("best_score", "best")):
            runs[column] = runs[column].where(~over, runs["run_key"].map(last[name]))
    return [runs, hits, traces]


def _label(name: str, folder: Path, taken: set[str]) -> str:
    for label in (name, f"{name} (stored)", f"{name} ({folder.resolve().name})"):
        if label not in taken:
            return label
    return f"{name} ({folder})"
