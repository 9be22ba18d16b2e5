"""Searches for settings: the same number of trials for every estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zobench
from zobench.errors import BadInput, unknown
from zobench.harness.baseline import baseline_file
from zobench.harness.estimator_spec import parse_estimator
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.registry import estimators
from zobench.results.results import frames_of
from zobench.tune import record
from zobench.tune.score import DEFINITION, trial_scores
from zobench.tune.search import AGAIN, FINALISTS, FIRST, Search, Tuned
from zobench.tune.space import trials

if TYPE_CHECKING:
    from zobench.analysis.frames import Frames
    from zobench.harness.store import Store

ROUNDS = 3
HEAD = """Tuned settings, written by `zobench tune`; the tables `record` describe the search.
The commands compare and run use them for settings that the command line does not give."""

MakeRuns = Callable[[list[RunSpec], str], object]  # makes runs; the text is their title


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
    """Plan the searches, group by group.

    A baseline file whose record has the same trials, repetitions, budget and versions may be
    written again: an interrupted search goes on like that.

    Args:
        suite: the suite.
        names: estimators as typed; their settings are fixed.
        count: trials per search.
        repetitions: runs per trial and problem.
        groups: groups of problems; none means all.
        problems: glob patterns on problem ids; none means all.
        budget: queries per run. None: as in the suite.
        folder: where the baseline files are. None: in zobench's own folder.
        force: overwrite the settings of another search.

    Raises:
        BadInput: a name or a number is wrong, or settings would be overwritten.
    """
    if repetitions < 1:
        raise BadInput(f"--repetitions is a number of at least 1, not {repetitions}")
    suite = suite.pick(tuple(problems))
    all_groups = list(dict.fromkeys(p.group for p in suite.problems))
    for group in groups:
        if group not in all_groups:
            raise unknown(f"group in suite {suite.name!r}", group, all_groups)
    specs = [parse_estimator(name) for name in names]
    if len({spec.entry for spec in specs}) < len(specs):
        raise BadInput("an estimator is given twice: its settings go to one file")
    result = []
    for group in groups or all_groups:
        part = replace(suite, problems=tuple(p for p in suite.problems if p.group == group))
        for spec in specs:
            # Every estimator gets points at the same shares of its spans.
            entry, seed = estimators[spec.entry], (suite.name, group)
            first = trials(entry, count - count // 2, spec.settings, *seed)
            file = baseline_file(suite.name, spec.entry, folder)
            search = Search(spec, part, group, count, repetitions, budget, file, first)
            result.append(search)
            old = record.read(file)
            differs = {k: old["record"].get(group, {}).get(k) for k in _facts(search)} != _facts(
                search
            )
            if group in old["settings"] and differs and not force:
                raise BadInput(f"{file} has settings for {group!r} of another search; "
                               "--force overwrites them")  # fmt: skip
    return result


def tune(
    searches: Sequence[Search],
    results: Callable[[], Store],
    run: MakeRuns,
) -> Iterator[Tuned]:
    """Make the runs of each group, choose settings and write the baseline files.

    Half of the trials are spread over the whole space, the others around the best of these. Then
    the best trials are run again, and the mean over all of their runs decides.

    Args:
        searches: the searches, as `searches` plans them.
        results: opens the store that the runs are in.
        run: makes runs and stores them.

    Yields:
        The outcome of each search.
    """
    for group in dict.fromkeys(search.group for search in searches):
        keys: set[str] = set()

        def ranked(part: list[Search], number: int, keys=keys, group=group) -> list[Tuned]:
            return _round(part, keys, results, run, f"{group}, round {number} of {ROUNDS}")

        first = ranked([search for search in searches if search.group == group], 1)
        second = ranked([t.search.narrowed(t.best) for t in first if not t.skipped], 2)
        for tuned in ranked([t.search.final(t.ranked) for t in second], 3):
            _write(tuned)
            yield tuned
        yield from (tuned for tuned in first if tuned.skipped)


def _round(
    searches: list[Search], keys: set[str], results: Callable[[], Store], run: MakeRuns, title: str
) -> list[Tuned]:
    """Make the runs whose keys are not in `made`, add their keys, and rank the trials."""
    # Trial by trial, so that estimators advance evenly.
    by_trial: dict[int, list[RunSpec]] = {}
    for search in searches:
        for spec in search.runs:
            if spec.key not in keys:
                by_trial.setdefault(search.trial(spec), []).append(spec)
    if specs := [spec for trial in sorted(by_trial) for spec in by_trial[trial]]:
        run(specs, title)
        keys.update(spec.key for spec in specs)
    with results() as store:
        frames = frames_of(store)
    return [_ranked(search, frames) for search in searches]


def _ranked(search: Search, frames: Frames) -> Tuned:
    """Rank the trials of a search by its runs among those of a store."""
    keys = [spec.key for spec in search.runs]
    names = {search.name(trial): trial for trial in range(len(search.settings))}
    ids = list(dict.fromkeys(spec.problem.id for spec in search.runs))
    # A results folder may have runs on two suites with a problem of the same name.
    runs: Any = frames.runs
    problems: Any = frames.problems
    own = runs["run_key"].isin(keys) & runs["problem"].isin(ids)
    own &= runs["estimator"].isin(list(names))
    runs = runs[own & (runs["suite"] == search.suite.name)]
    problems = problems[problems["problem"].isin(ids) & (problems["suite"] == search.suite.name)]
    if (runs["status"] == "skipped").all():
        return Tuned(search, (0,), (), 0, str(runs["reason"].iloc[0]))
    own_frames = replace(frames.select(runs), problems=problems)
    scores = {names[name]: (score, tie) for name, score, tie in trial_scores(own_frames)}
    failed = int(runs["status"].isin(["failed", "timeout", "oom"]).sum())
    # Of equal trials the first: the defaults stay unless another trial is better.
    order = sorted(search.finalists or scores, key=lambda t: (-scores[t][0], scores[t][1], t))
    return Tuned(search, tuple(order), tuple(scores[t][0] for t in range(len(scores))), failed)


def _facts(search: Search) -> dict[str, Any]:
    """The facts of a search; searches with equal facts are the same search."""
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
    tables["record"][search.group] = _facts(search) | {
        "first_repetition": FIRST,
        "score": DEFINITION,
        "chosen": tuned.best,
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
