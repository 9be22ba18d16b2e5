"""Searches for settings: the same trials and rounds for every estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zobench
from zobench.errors import BadInput, unknown
from zobench.harness.baseline import EVERY, baseline_file
from zobench.harness.estimator_spec import parse_estimator
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite
from zobench.registry import estimators
from zobench.results.results import frames_of
from zobench.tune import record
from zobench.tune.rounds import rounds
from zobench.tune.score import GOALS, trial_costs
from zobench.tune.search import Reach, Search, Tuned
from zobench.tune.space import searched, trials

if TYPE_CHECKING:
    from zobench.analysis.frames import Frames
    from zobench.harness.store import Store

HEAD = """Tuned settings, written by `zobench tune`; the tables `record` describe the search.
The commands compare and run use them for settings that the command line does not give."""

MakeRuns = Callable[[list[RunSpec], str], object]  # makes runs; the text is their title


def searches(
    suite: Suite,
    names: Sequence[str],
    *,
    count: int,
    repetitions: int,
    goal: str = "final",
    groups: Sequence[str] = (),
    problems: Sequence[str] = (),
    budget: int | None = None,
    folder: Path | None = None,
    force: bool = False,
    together: bool = False,
) -> list[Search]:
    """Plan the searches, group by group.

    A baseline file whose record has the same facts may be written again: an interrupted search
    goes on like that.

    Args:
        suite: the suite.
        names: estimators as typed; their settings are fixed.
        count: trials per search, the defaults aside.
        repetitions: runs of each finalist per problem.
        goal: what settings are chosen for, a key of `score.GOALS`.
        groups: groups of problems; none means all.
        problems: glob patterns on problem ids; none means all.
        budget: queries per run of a finalist. None: as in the suite.
        folder: where the baseline files are. None: in zobench's own folder.
        force: overwrite the settings of another search.
        together: search one choice of settings for all problems, whatever their groups.

    Raises:
        BadInput: a name or a number is wrong, or settings would be overwritten.
    """
    if repetitions < 1:
        raise BadInput(f"--repetitions is a number of at least 1, not {repetitions}")
    if budget is not None and budget < 1:
        raise BadInput(f"budget must be above 0, not {budget}")
    if goal not in GOALS:
        raise unknown("goal of a search", goal, list(GOALS))
    if together and groups:
        raise BadInput("--together is one search over all groups; leave --group out")
    suite = suite.pick(tuple(problems))
    all_groups = list(dict.fromkeys(p.group for p in suite.problems))
    tuned_on = {p.group: p.tuned_on for p in suite.problems if p.tuned_on}
    for group in groups:
        if group not in all_groups:
            raise unknown(f"group in suite {suite.name!r}", group, all_groups)
        if group in tuned_on:
            source = tuned_on[group]
            raise BadInput(
                f"runs on {group!r} take the settings of another suite (tuned_on): "
                f"tune them with --suite {source}"
            )
    all_groups = [group for group in all_groups if group not in tuned_on]
    specs = [parse_estimator(name) for name in names]
    if len({spec.entry for spec in specs}) < len(specs):
        raise BadInput("an estimator is given twice: its settings go to one file")
    result = []
    for group in [EVERY] if together else groups or all_groups:
        own = [p for p in suite.problems if group in (EVERY, p.group)]
        own = [p if budget is None else replace(p, budget=budget) for p in own]
        part = replace(suite, problems=tuple(own))
        for spec in specs:
            # Every estimator gets points at the same shares of its spans.
            settings = trials(estimators[spec.entry], count, spec.settings, suite.name, group)
            made = rounds(count, repetitions, own)
            first = tuple(range(1 if len(made) > 1 else 0, count + 1))
            file = baseline_file(suite.name, spec.entry, folder)
            search = Search(spec, part, group, goal, repetitions, file, made, settings, (first,))
            result.append(search)
            old = record.read(file)
            facts = _facts(search)
            differs = {k: old["record"].get(group, {}).get(k) for k in facts} != facts
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

    Round by round the best trials are kept; the runs of the last round alone decide, since the
    best of many trials may be so by chance.

    Args:
        searches: the searches, as `searches` plans them.
        results: opens the store that the runs are in.
        run: makes runs and stores them.

    Yields:
        The outcome of each search.
    """
    for group in dict.fromkeys(search.group for search in searches):
        running = [Tuned(search) for search in searches if search.group == group]
        skipped = []
        number = len(running[0].search.rounds)
        for index in range(number):
            if index:
                running = [replace(t, search=t.search.next(t.ranked)) for t in running]
            running = _round(running, results, run, f"{group}, round {index + 1} of {number}")
            skipped += [tuned for tuned in running if tuned.skipped]
            running = [tuned for tuned in running if not tuned.skipped]
        for tuned in running:
            _write(tuned)
            yield tuned
        yield from skipped


def _round(
    running: list[Tuned], results: Callable[[], Store], run: MakeRuns, title: str
) -> list[Tuned]:
    """Make the runs of a round, and rank its trials."""
    if not running:
        return []
    # Trial by trial, so that estimators advance evenly.
    by_place: dict[int, list[RunSpec]] = {}
    for search in (tuned.search for tuned in running):
        place_of = {trial: place for place, trial in enumerate(search.kept[-1])}
        for spec in search.runs:
            by_place.setdefault(place_of[search.trial(spec)], []).append(spec)
    run([spec for place in sorted(by_place) for spec in by_place[place]], title)
    with results() as store:
        frames = frames_of(store)
    return [_ranked(tuned, frames) for tuned in running]


def _ranked(tuned: Tuned, frames: Frames) -> Tuned:
    """Add the costs of the last round, from its runs among those of a store."""
    search = tuned.search
    numbers = {search.name(trial): trial for trial in search.kept[-1]}
    budgets = {problem.id: problem.budget for problem in search.round.problems}
    keys = [spec.key for spec in search.runs]
    # A results folder may have runs on two suites with a problem of the same name.
    runs: Any = frames.runs
    problems: Any = frames.problems
    runs = runs[runs["run_key"].isin(keys) & (runs["suite"] == search.suite.name)]
    runs = runs[runs["estimator"].isin(list(numbers)) & runs["problem"].isin(list(budgets))]
    own = problems["problem"].map(budgets) == problems["budget"]
    problems = problems[own & (problems["suite"] == search.suite.name)]
    problems = problems.drop_duplicates(["problem", "target_index"])
    if (runs["status"] == "skipped").all():
        return replace(tuned, skipped=str(runs["reason"].iloc[0]))
    own_frames = replace(frames.select(runs), problems=problems)
    whole = {p.id: p.budget * search.repetitions for p in search.suite.problems}
    ranked = trial_costs(own_frames, search.goal, whole)
    costs = {numbers[name]: (cost, tie) for name, cost, tie in ranked}
    # Of equal trials the first: the defaults stay unless another trial is better.
    order = sorted(costs, key=lambda trial: (*costs[trial], trial))
    return replace(
        tuned,
        costs=(*tuned.costs, {trial: costs[trial][0] for trial in order}),
        queries=tuned.queries + int(runs["queries"].sum()),
        failed=tuned.failed + int(runs["status"].isin(["failed", "timeout", "oom"]).sum()),
        reached=tuned.reached | _reached(own_frames, numbers),
    )


def _reached(frames: Frames, numbers: dict[str, int]) -> frozenset[Reach]:
    """Return which trials reached which targets by the kind of score that counts."""
    columns = ["run_key", "problem", "estimator", "scored"]
    hits: Any = frames.hits.merge(frames.runs[columns], on="run_key")
    hits = hits[hits["kind"] == hits["scored"]]
    cells = zip(hits["problem"], hits["target_index"], hits["estimator"])
    return frozenset((str(p), int(index), numbers[name]) for p, index, name in cells)


def _facts(search: Search) -> dict[str, Any]:
    """The facts of a search; searches with equal facts are the same search."""
    spec = search.estimator
    entry = estimators[spec.entry]
    return {
        "for": search.goal,
        "trials": search.trials,
        "repetitions": search.repetitions,
        "queries": sorted({problem.budget for problem in search.suite.problems}),
        "problems": [problem.id for problem in search.suite.problems],
        "suite_version": search.suite.version,
        "estimator_version": spec.version,
        "fixed": spec.settings,
        "space": {key: list(of) for key, of in searched(entry, spec.settings).items()},
        "rounds": [
            {
                "trials": made.trials,
                "repetitions": [made.repetitions[0], made.repetitions[-1]],
                "queries": {problem.id: problem.budget for problem in made.problems},
            }
            for made in search.rounds
        ],
    }


def _write(tuned: Tuned) -> None:
    search = tuned.search
    tables = record.read(search.file)
    tables["settings"][search.group] = tuned.settings
    tables["record"][search.group] = (
        _facts(search)
        | {
            "cost": GOALS[search.goal],
            "queries_made": tuned.queries,
            "reached": {  # how many trials reached each target, the easiest first
                problem.id: [
                    sum(reach[:2] == (problem.id, index) for reach in tuned.reached)
                    for index in range(len(problem.targets))
                ]
                for problem in search.suite.problems
            },
            "chosen": tuned.best,
            "runner_up": tuned.runner_up,
            "failed_runs": tuned.failed,
            "zobench": zobench.__version__,
            "date": datetime.now(UTC).date().isoformat(),
            "tried": [  # trial 0 has the default settings, and takes part in the last round alone
                {
                    "costs": [round(costs[trial], 6) for costs in tuned.costs if trial in costs],
                    "settings": search.settings[trial],
                }
                for trial in range(len(search.settings))
            ],
        }
    )
    record.write(search.file, tables, HEAD)
