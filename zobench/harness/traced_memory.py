"""Peak memory of runs that share a process: a repetition in a fork, allocation by allocation.

Such runs are cheap, and what they take is lost in the memory of their process. So the first run of
an estimator on a problem is begun again in a fork, untimed, for at most 500 queries or 0.2 seconds,
and Python's tracemalloc adds up what NumPy and Python allocate. Memory that other libraries
allocate by themselves is not seen. There is no floor: a point of ten numbers shows.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import tracemalloc
from contextlib import suppress
from time import monotonic

from zobench.core.estimator import Finished
from zobench.core.oracle import BudgetExhausted, Diverged, oracle_of
from zobench.core.seeds import fold
from zobench.harness import proc
from zobench.harness.elements import entries, seed_generators
from zobench.harness.plan import RunSpec, definition_text
from zobench.harness.result import NAN
from zobench.harness.run import NOISE, START

QUERIES, SECONDS = 500, 0.2  # of the repetition, at most
PATIENCE = 3.0  # seconds until a fork that does not end is killed

_peaks: dict[str, float] = {}  # what defines an estimator on a problem -> the peak


def peak_of(spec: RunSpec) -> float:
    """Return the peak of the steps of a run, in bytes; NaN if it could not be measured.

    Repetitions of an estimator on a problem share the measurement of the first of them in a
    process.
    """
    cell = definition_text([spec.problem.id, spec.problem.settings, *spec.definition({})])
    if cell not in _peaks:
        _peaks[cell] = _in_fork(spec)
    return _peaks[cell]


def _in_fork(spec: RunSpec) -> float:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            proc.die_with_parent()
            silent = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silent, stream)
            os.write(write, struct.pack("d", _traced(spec)))
        os._exit(0)
    os.close(write)
    try:
        data = os.read(read, 8) if select.select([read], [], [], PATIENCE)[0] else b""
        return struct.unpack("d", data)[0] if len(data) == 8 else NAN
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _traced(spec: RunSpec) -> float:
    objective, entry = entries(spec)
    budget = min(QUERIES, spec.problem.budget)
    seed_generators(spec.problem_seed)
    tracemalloc.start()
    problem = objective.build(spec.settings)
    params = problem.start(fold(spec.problem_seed, START))
    problem.warm_up()
    estimator = entry.build(spec.estimator.settings)
    seed, first_order = fold(spec.problem_seed, NOISE), entry.first_order
    oracle = oracle_of(estimator, problem, spec.problem.budget, seed, first_order=first_order)
    tracemalloc.reset_peak()
    seed_generators(spec.estimator_seed)
    end = monotonic() + SECONDS
    with suppress(BudgetExhausted, Finished, Diverged):
        estimator.start(params, spec.estimator_seed)
        while oracle.queries < budget and monotonic() < end:
            estimator.step(oracle)
    return float(tracemalloc.get_traced_memory()[1])
