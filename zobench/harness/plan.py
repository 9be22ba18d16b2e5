"""Plans: which runs to make, with the key that names the result of each, and its seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from zobench import user_file
from zobench.core.seeds import derive
from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.estimator_spec import (
    EstimatorSpec,
    check_built,
    identity,
    parse_estimator,
    settled,
)
from zobench.harness.suite import ProblemSpec, Suite

_ENCODER = json.JSONEncoder(sort_keys=True, default=str)
definition_text = _ENCODER.encode  # of what defines results, for hashes
# Settings that objectives and estimators got after results were stored, with the values that those
# results had. At these values they are not part of what defines a result, so that its key stays.
LATER = {
    "llm": {"law": "gaussian", "dev_rows": 0, "test_rows": 0},
    "mezo-bcd": {"share_batch": False},
    "rl": {"by_output": False},
}
MOST = 1_000_000  # runs of a plan, some 2 GB: more is a typing error


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One estimator on one problem with one repetition: all that a run needs."""

    suite: str
    suite_version: str
    problem: ProblemSpec
    estimator: EstimatorSpec
    repetition: int

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the objective, with the instance of this repetition."""
        return self.problem.settings_of(self.repetition)

    @cached_property
    def key(self) -> str:
        """The name of the result: 24 hex digits over everything that defines it.

        Versions and defaults do; limits, labels and the folder of a user's file do not.
        """
        return _key(self, definition_text(self.definition(self.settings)))

    def definition(self, *settings: Any) -> list[Any]:
        """List what defines the results on a problem, with the given `settings` of the objective.

        The key of a run adds its repetition; the settings hash of a leaderboard row is over the
        settings of all instances instead.
        """
        p, e = self.problem, self.estimator
        first, *more = settings
        return [
            *(self.suite, self.suite_version, p.id, identity(p.objective), p.version),
            *(_defining(p.objective, first), *more, p.budget, p.targets, p.scored),
            *(identity(e.entry), e.version, _defining(e.entry, e.settings)),
            *([{"score_ratio": p.score_ratio}] if p.score_ratio else []),
        ]

    @property
    def problem_seed(self) -> int:
        """The seed of the start and the noise: the same for every estimator."""
        p = self.problem
        return derive("problem", self.suite, self.suite_version, p.id, self.repetition)

    @property
    def estimator_seed(self) -> int:
        """The seed of the estimator's own randomness."""
        name = identity(self.estimator.entry)
        p = self.problem
        return derive("estimator", self.suite, self.suite_version, p.id, name, self.repetition)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {
            "suite": self.suite,
            "suite_version": self.suite_version,
            "problem": vars(self.problem),
            "estimator": vars(self.estimator),
            "repetition": self.repetition,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunSpec:
        """Return the run of `to_dict`, also after JSON turned its tuples into lists."""
        problem = dict(data["problem"])
        problem["targets"] = tuple(problem["targets"])
        problem["instances"] = tuple(problem["instances"])
        parts = {"problem": ProblemSpec(**problem), "estimator": EstimatorSpec(**data["estimator"])}
        return cls(**(data | parts))


def _defining(name: str, settings: Any) -> Any:
    """Return the settings of an objective or estimator that define a result."""
    later = LATER.get(name)
    if later is None:
        return settings
    return {k: v for k, v in settings.items() if k not in later or v != later[k]}


def set_keys(specs: Sequence[RunSpec]) -> None:
    """Compute the keys of many runs at once; those of one problem and estimator share a text."""
    definitions: dict[tuple[Any, ...], str] = {}
    for spec in specs:
        instance = spec.problem.instance(spec.repetition)
        cell = (id(spec.problem), instance, id(spec.estimator), spec.suite, spec.suite_version)
        if cell not in definitions:
            definitions[cell] = definition_text(spec.definition(spec.settings))
        vars(spec)["key"] = _key(spec, definitions[cell])


def _key(spec: RunSpec, definition: str) -> str:
    """Hash a definition, a list as JSON, with the repetition at its end."""
    threads = spec.problem.threads
    more = f", {threads:d}" if threads != 1 else ""  # sums of several threads round otherwise
    text = f"{definition[:-1]}, {spec.repetition:d}{more}]"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def plan(
    suite: Suite,
    estimators: Iterable[str | EstimatorSpec],
    *,
    repetitions: int | Sequence[int] | None = None,
    budget: int | None = None,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    baselines: bool = True,
    baselines_folder: Path | None = None,
) -> list[RunSpec]:
    """Plan the runs of estimators on a suite, problem by problem, so that all advance evenly.

    Adding a problem or an estimator changes no other run's key or seeds.

    Args:
        suite: the problems.
        estimators: as typed, or parsed; their settings are checked.
        repetitions: a count, or the numbers themselves: a tuner uses numbers from 1000 on, whose
            seeds and instances are never scored. None: the suite's count; so for the limits.
        budget: queries per run.
        time_limit: seconds per run.
        memory_limit: MiB per run.
        baselines: True to take tuned settings where the user gives none.
        baselines_folder: a folder of the user's own baselines.

    Raises:
        BadInput: an argument is wrong, or an estimator refuses its settings.
    """
    estimator_specs = [parse_estimator(e) if isinstance(e, str) else e for e in estimators]
    for index, spec in enumerate(estimator_specs):
        if spec.text in [c.text for c in estimator_specs[:index]]:
            raise BadInput(f"estimator {spec.text!r} is given twice")
    limits = {"budget": budget, "time_limit": time_limit, "memory_limit": memory_limit}
    limits = {k: v for k, v in limits.items() if v is not None}
    for name, value in limits.items():
        if not value > 0:
            raise BadInput(f"{name} must be above 0, not {value}")
    if isinstance(repetitions, int) and repetitions < 1:
        raise BadInput(f"repetitions must be at least 1, not {repetitions}")
    counts = [p.repetitions for p in suite.problems]
    if repetitions is not None:
        count = repetitions if isinstance(repetitions, int) else len(repetitions)
        counts = [count] * len(counts)
    if (count := sum(counts) * len(estimator_specs)) > MOST:
        raise BadInput(f"{count:,} runs are more than {MOST:,}; take fewer repetitions or problems")
    settled_of = _settled(suite, estimator_specs, baselines, baselines_folder)
    file_groups: dict[tuple[str, ...], None] = {}
    runs = []
    for problem in suite.problems:
        problem = replace(problem, **limits)
        if isinstance(repetitions, int):
            problem = replace(problem, repetitions=repetitions)
        numbers = repetitions if isinstance(repetitions, Sequence) else range(problem.repetitions)
        of_group = problem.tuned_on or suite.name, problem.group
        specs = [settled_of[*of_group, spec.text] for spec in estimator_specs]
        runs += [
            RunSpec(
                suite=suite.name,
                suite_version=suite.version,
                problem=problem,
                estimator=estimator,
                repetition=number,
            )
            for number in numbers
            for estimator in specs
        ]
        file_groups |= dict.fromkeys(_files(problem, spec) for spec in specs)
    for files in file_groups:
        user_file.check_together(files)
    set_keys(runs)
    return runs


def _settled(
    suite: Suite, estimator_specs: Sequence[EstimatorSpec], baselines: bool, folder: Path | None
) -> dict[tuple[str, str, str], EstimatorSpec]:
    """Return (suite of the tuning, group, text) -> the estimator with all of its settings.

    Raises:
        BadInput: a baseline is malformed, or an estimator refuses its settings.
    """
    groups: dict[str, dict[str, None]] = {}
    for problem in suite.problems:
        groups.setdefault(problem.tuned_on or suite.name, {})[problem.group] = None
    result = {}
    for spec in estimator_specs:
        of_suite = suite.estimators.get(spec.entry, {})
        for source, of_source in groups.items():
            baseline = read_baseline(source, spec.entry, folder) if baselines else None
            for group in of_source:
                result[source, group, spec.text] = settled(spec, baseline, group, of_suite)
    check_built(result.values())
    return result


def _files(problem: ProblemSpec, estimator: EstimatorSpec) -> tuple[str, ...]:
    """Return the users' files that one process loads for a run, with those that settings name.

    Empty for a single file, which no other can disturb.
    """
    paths = [user_file.file_of(estimator.entry), user_file.file_of(problem.objective)]
    for settings in (estimator.settings, problem.settings):
        paths += user_file.files_in(settings)
    files = tuple(dict.fromkeys(file for file in paths if file))
    return files if len(files) > 1 else ()
