"""Can the problems of a user's own suite be built? Asked before anything runs.

The suites that ship with zobench are built by the tests, so they cost nothing here. Of a user's
suite, each distinct objective and settings is built once: here, or in a process of its own where
the objective names modules that are slow to import. Faults that are no BadInput, and what takes
too long to build, are left to the runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from zobench.errors import BadInput
from zobench.harness.handle import IN_WORKER
from zobench.harness.plan import RunSpec
from zobench.harness.suite import suite_files
from zobench.harness.suite_file import unbuilt
from zobench.registry import objectives

HERE, APART = 0.5, 15.0  # seconds that building may take in this process, and in another
Build = tuple[str, dict[str, Any]]  # an objective, its settings


def check_problems(suite: str | Path, specs: Sequence[RunSpec]) -> None:
    """Raises BadInput, with file and line, where an objective refuses its settings."""
    if str(suite) in suite_files() or IN_WORKER in os.environ:
        return
    distinct: dict[str, RunSpec] = {}
    for spec in sorted(specs, key=lambda spec: spec.repetition):  # every problem first, once
        name = json.dumps([spec.problem.objective, spec.settings], sort_keys=True, default=str)
        distinct.setdefault(name, spec)
    parts: dict[bool, list[RunSpec]] = {False: [], True: []}
    for spec in distinct.values():
        parts[bool(objectives[spec.problem.objective].in_worker)].append(spec)
    for apart, part in parts.items():
        builds = [(spec.problem.objective, spec.settings) for spec in part]
        found = (_apart(builds) if apart else first_fault(builds, HERE)) if builds else None
        if found is not None:
            spec = part[found[0]]
            instance = spec.problem.instance(spec.repetition)
            raise unbuilt(Path(suite), spec.problem, instance, found[1])


def first_fault(builds: Sequence[Build], seconds: float) -> tuple[int, str] | None:
    """(index, message) of the first that its objective refuses, as far as the time allows."""
    end = monotonic() + seconds
    for index, (name, settings) in enumerate(builds):
        if monotonic() > end:
            break
        try:
            objectives[name].build(settings)
        except BadInput as error:
            return index, str(error)
        except (Exception, SystemExit):
            continue
    return None


def _apart(builds: Sequence[Build]) -> tuple[int, str] | None:
    """`first_fault` in a process of its own; None if it does not answer in time."""
    paths = [path or os.getcwd() for path in sys.path]
    environment = dict(os.environ) | {IN_WORKER: "1", "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=json.dumps(builds).encode(),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=APART,
        )
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    return found and (found[0], found[1])


def _main() -> None:
    answer = os.dup(1)
    os.dup2(2, 1)  # what objectives print is no answer
    found = first_fault(json.load(sys.stdin), APART)
    os.write(answer, json.dumps(found).encode())


if __name__ == "__main__":
    _main()
