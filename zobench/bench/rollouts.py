"""`zobench bench rollouts`: the cost of a step of an episode, beside a bare loop of env.step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Any

from zobench.bench.timing import Sample, TimedCase, interleave
from zobench.core.directions import Noise, Probe
from zobench.errors import BadInput
from zobench.objectives.rl._environment import open_environment
from zobench.objectives.rl.problem import PolicySearch
from zobench.registry import objectives

DEFAULT = ("CartPole-v1", "Pendulum-v1", "HalfCheetah-v5")
STEPS = 4000  # in a round, at least
SCALE, TRIED = 0.1, 256  # of random policies; the first with an episode of full length is timed


@dataclass(frozen=True)
class RolloutRow:
    """Seconds per step of a case, and of the bare loop of the same environment."""

    env: str
    name: str
    seconds: Sample
    floor: Sample


def rollouts(names: Sequence[str], rounds: int) -> Iterator[tuple[str, list[RolloutRow]]]:
    """Yield (progress, rows of the finished environments)."""
    if rounds < 1:
        raise BadInput(f"repeats is a number of at least 1, not {rounds}")
    rows: list[RolloutRow] = []
    for name, whiten in product(names, (False, True)):
        cases, label = _cases(name, whiten), f"{name}, whitened" if whiten else name
        samples: dict[str, Sample] = {}
        for done, latest in interleave(cases, rounds):
            samples = latest
            yield f"{label}: round {done} of {rounds}", rows
        floor = samples[next(iter(cases))]
        rows = [
            *rows,
            *(RolloutRow(label, case, sample, floor) for case, sample in samples.items()),
        ]
    yield "done", rows


def _cases(name: str, whiten: bool) -> dict[str, TimedCase]:
    """Return three cases of the same episodes: two kinds of bare loop, and queries."""
    import gymnasium

    problem: PolicySearch = objectives["rl"].build({"env": name, "whiten": whiten})
    problem.start(0)
    probe = _longest(problem)
    moments = problem.moments  # set back after each query
    seed, actions = _recorded(problem, probe)
    times = -(-STEPS // len(actions))
    steps = times * len(actions)

    def replay(env: Any) -> Callable[[], None]:
        def run() -> None:
            for _ in range(times):
                env.reset(seed=seed)
                step = env.step
                for action in actions:
                    step(action)

        return run

    def queries() -> None:
        problem.samples = 0
        for _ in range(times):
            problem.moments = moments
            problem.losses([probe], 1)
        if problem.samples != steps:
            raise RuntimeError(f"{name}: {problem.samples} steps, not the {steps} recorded")

    wrapped, bare = gymnasium.make(name, disable_env_checker=True), open_environment(problem.source)
    return {
        "bare loop on gymnasium.make": _timed(replay(wrapped), steps),
        "bare loop, no wrappers": _timed(replay(bare), steps),
        "zobench": _timed(queries, steps),
    }


def _longest(problem: PolicySearch) -> Probe:
    """Find a random policy with an episode as long as those of a good one."""
    best, probe = 0, (SCALE, Noise(0))
    for k in range(TRIED):
        problem.samples = 0
        problem.losses([(SCALE, Noise(k))], 1)
        if problem.samples > best:
            best, probe = problem.samples, (SCALE, Noise(k))
        if best == problem.cap:
            break
    return probe


def _recorded(problem: PolicySearch, probe: Probe) -> tuple[int, list[Any]]:
    """Return the seed and the actions of the training episode that the queries roll out."""
    env, actions, moments = problem.roller.env, [], problem.moments
    step = env.step

    def note(action: Any) -> Any:
        actions.append(action)
        return step(action)

    env.step = note
    try:
        problem.losses([probe], 1)
    finally:
        del env.step
    problem.moments = moments
    return problem.training_seeds(0)[0], actions


def _timed(work: Callable[[], object], steps: int) -> TimedCase:
    def case() -> float:
        began = perf_counter()
        work()
        return (perf_counter() - began) / steps

    return case
