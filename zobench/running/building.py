"""Build the problems of a user's suite once before any run, to find wrong settings early.

The suites that ship with zobench are built by the tests, not here. Of a user's suite, each distinct
objective and settings is built once, in a process of its own. A build that hangs, exits or takes
too long is no error here, nor is an exception other than BadInput: the runs report them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from time import monotonic

from zobench.harness.child import IN_WORKER
from zobench.harness.examine import refused_apart
from zobench.harness.plan import RunSpec
from zobench.harness.suite import Suite

BUILD_SECONDS = 15.0  # for all problems together
LEAST = 0.05  # seconds; with less time left, no build begins


def check_problems(suite: Suite, specs: Sequence[RunSpec]) -> None:
    """Build each distinct problem of a user's suite once.

    Raises:
        BadInput: an objective refuses its settings; the error names file and line.
    """
    if suite.source is None or not suite.file or IN_WORKER in os.environ:
        return
    distinct: dict[str, RunSpec] = {}
    for spec in sorted(specs, key=lambda spec: spec.repetition):  # every problem first, once
        name = json.dumps([spec.problem.objective, spec.settings], sort_keys=True, default=str)
        distinct.setdefault(name, spec)
    end = monotonic() + BUILD_SECONDS
    for spec in distinct.values():
        remaining = end - monotonic()
        if remaining < LEAST:
            return
        problem = spec.problem
        if fault := refused_apart("objective", problem.objective, spec.settings, remaining):
            raise suite.source.problem_error(problem, problem.instance(spec.repetition), fault)
