"""`zobench tune`: the same number of trials for every estimator, on runs that are never scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zobench
from zobench.errors import BadInput, unknown
from zobench.harness.baseline import baseline_file
from zobench.harness.chosen import parse_estimator
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.registry import estimators
from zobench.results.frame import Frame
from zobench.tune import record
from zobench.tune.score import DEFINITION, trial_scores
from zobench.tune.search import AGAIN, FINALISTS, FIRST, Search, Tuned
from zobench.tune.space import trials

if TYPE_CHECKING:
    from zobench.harness.store import Store

ROUNDS = 3
HEAD = """Tuned settings, written by `zobench tune`; `record` says how they were found.
Compare and run take them where the command line gives no other."""

Run = Callable[[list[RunSpec], str], object]  # makes runs; the text says which, for the user


def searches(
    suite: Suite,
    names: Sequence[str],
    *,
    count: int,
    repetitions: int,
    groups: Sequence[str] = (),
    problems: Sequence[str] = (),
    budget: int | None = None,
    folder: Path | None = None,
    force: bool = False,
) -> list[Search]:
    """What to try, group by group. Raises BadInput, also where settings would be overwritten.

    A file whose record says the same trials, repetitions, budget and versions may be written
    again: that is how an interrupted search goes on.
    """
    if repetitions < 1:
        raise BadInput(f"repetitions is a number of at least 1, not {repetitions}")
    suite = suite.pick(tuple(problems))
    known = list(dict.fromkeys(p.group for p in suite.problems))
    for group in groups:
        if group not in known:
            raise unknown(f"group in suite {suite.name!r}", group, known)
    chosen = [parse_estimator(name) for name in names]
    if len({spec.entry for spec in chosen}) < len(chosen):
        raise BadInput("an estimator is given twice: its settings go to one file")
    found = []
    for group in groups or known:
        part = replace(suite, problems=tuple(p for p in suite.problems if p.group == group))
        for spec in chosen:
            # The same shares of every estimator's spans: no luck of the draw.
            entry, seed = estimators[spec.entry], (suite.name, group)
            first = trials(entry, count - count // 2, spec.settings, *seed)
            file = baseline_file(suite.name, spec.entry, folder)
            search = Search(spec, part, group, count, repetitions, budget, file, first)
            found.append(search)
            old = record.read(file)
            differs = {k: old["record"].get(group, {}).get(k) for k in _how(search)} != _how(search)
            if group in old["settings"] and differs and not force:
                raise BadInput(f"{file} has settings for {group!r}, found another way; "
                               "--force overwrites them")  # fmt: skip
    return found


def tune(
    found: Sequence[Search],
    results: Callable[[], Store],
    run: Run,
) -> Iterator[Tuned]:
    """Make the runs of each group with `run`, read them from `results`, choose, write the files.

    Half of the trials are spread over the whole space, the others about the best of these. Then
    the best few are run again, and the mean over all of their runs decides. Yields what was chosen.
    """
    for group in dict.fromkeys(search.group for search in found):
        made: set[str] = set()

        def ranked(searches: list[Search], number: int, made=made, group=group) -> list[Tuned]:
            return _round(searches, made, results, run, f"{group}, round {number} of {ROUNDS}")

        first = ranked([search for search in found if search.group == group], 1)
        second = ranked([t.search.narrowed(t.chosen) for t in first if not t.skipped], 2)
        for tuned in ranked([t.search.final(t.ranked) for t in second], 3):
            _write(tuned)
            yield tuned
        yield from (tuned for tuned in first if tuned.skipped)


def _round(
    searches: list[Search], made: set[str], results: Callable[[], Store], run: Run, title: str
) -> list[Tuned]:
    """Make the runs that no round before has made, `made`, and rank the trials by all of theirs."""
    # Trial by trial, so that estimators advance evenly.
    turns: dict[int, list[RunSpec]] = {}
    for search in searches:
        for spec in search.runs:
            if spec.key not in made:
                turns.setdefault(search.trial(spec), []).append(spec)
    if specs := [spec for turn in sorted(turns) for spec in turns[turn]]:
        run(specs, title)
        made.update(spec.key for spec in specs)
    with results() as store:
        frames = store.runs(), store.hits(), store.traces(), store.problems()
    return [_ranked(search, *frames) for search in searches]


def _ranked(search: Search, runs: Frame, hits: Frame, traces: Frame, problems: Frame) -> Tuned:
    keys = {spec.key for spec in search.runs}
    names = {search.name(trial): trial for trial in range(len(search.settings))}
    ids = {spec.problem.id for spec in search.runs}
    mine = runs["run_key"].isin(keys) & runs["estimator"].isin(names) & runs["problem"].isin(ids)
    runs = runs[mine & (runs["suite"] == search.suite.name)]
    if (runs["status"] == "skipped").all():
        return Tuned(search, (0,), (), 0, str(runs["reason"].iloc[0]))
    hits = hits[hits["run_key"].isin(keys)]
    # A folder may hold tunings on suites that share a problem's name.
    named = problems["problem"].isin(ids) & (problems["suite"] == search.suite.name)
    problems = problems[named]
    found = {
        names[name]: (score, tie) for name, score, tie in trial_scores(runs, hits, traces, problems)
    }
    failed = int(runs["status"].isin(["failed", "timeout", "oom"]).sum())
    # The first of equal trials: the defaults stay unless something is better.
    order = sorted(search.finalists or found, key=lambda t: (-found[t][0], found[t][1], t))
    return Tuned(search, tuple(order), tuple(found[t][0] for t in range(len(found))), failed)


def _how(search: Search) -> dict[str, Any]:
    """What makes two searches the same."""
    first = search.runs[0]
    return {
        "trials": search.trials,
        "repetitions": search.repetitions,
        "finalists": FINALISTS,
        "again": AGAIN * search.repetitions,
        "queries": sorted({spec.problem.budget for spec in search.runs}),
        "problems": list(dict.fromkeys(spec.problem.id for spec in search.runs)),
        "suite_version": first.suite_version,
        "estimator_version": search.estimator.version,
        "fixed": search.estimator.settings,
    }


def _write(tuned: Tuned) -> None:
    search = tuned.search
    tables = record.read(search.file)
    tables["settings"][search.group] = tuned.settings
    space = estimators[search.estimator.entry].space
    tables["record"][search.group] = _how(search) | {
        "first_repetition": FIRST,
        "score": DEFINITION,
        "chosen": tuned.chosen,
        "final": list(tuned.search.finalists),
        "failed_runs": tuned.failed,
        "zobench": zobench.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "space": {k: list(span) for k, span in space.items()},
        "tried": [
            {"score": round(score, 6), "settings": settings}
            for score, settings in zip(tuned.scores, search.settings)
        ],
    }
    record.write(search.file, tables, HEAD)
