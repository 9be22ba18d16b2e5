"""The contract of an objective; the module gradients adds further checks."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from zobench.core.directions import Direction, Noise, Probe
from zobench.core.params import Params
from zobench.core.problem import InPlaceProblem, Problem, VectorProblem
from zobench.harness.elements import load_packages, seed_generators
from zobench.testing.contract import (
    Breach,
    CheckSubject,
    Contract,
    NotApplicable,
    global_generators,
)
from zobench.testing.estimators import Stop, entry_of, refuse_settings

EPS = 1e-3

contract = Contract("objective")
check = contract.check


def pairs(count: int = 2, eps: float = EPS) -> list[Probe]:
    """Make probes on both sides of the point along `count` directions."""
    return [(s * eps, Noise(7 + k)) for k in range(count) for s in (1.0, -1.0)]


def close(actual: Any, desired: Any) -> bool:
    """True if the values are equal up to the rounding of a few moves in float32."""
    return np.allclose(actual, desired, rtol=1e-4, atol=1e-5)


def build(subject: CheckSubject) -> Problem:
    """Build the problem with the settings in `sanity`; it is not started."""
    return entry_of(subject).build(entry_of(subject).sanity)


def start_problem(subject: CheckSubject, seed: int = 1, seeded: bool = True) -> Problem:
    """Build and start the problem.

    `seeded`: seed the global generators first, so that an objective that draws from them fails one
    check instead of all.
    """
    if seeded:
        seed_generators(0)
    problem = build(subject)
    problem.start(seed)
    return problem


def losses(problem: Problem, probes: Sequence[Probe], seed: int) -> list[float]:
    """Return the losses of probes as plain numbers."""
    return list(map(float, problem.losses(probes, seed)))


def scores_at(problem: Problem) -> dict[str, float]:
    """Write all pending moves, as a run does, and return the scores of the point."""
    problem.params.flush()
    return problem.score()


@check("starts")
def it_starts(subject: CheckSubject) -> None:
    """It makes a problem whose start, first losses and first score are finite numbers."""
    load_packages(entry_of(subject))
    problem = build(subject)
    if not isinstance(problem, Problem):
        raise Breach(
            f"makes a {type(problem).__name__}: return a zobench.VectorProblem, or an object of a "
            "class that derives from zobench.InPlaceProblem"
        )
    params = problem.start(1)
    if not isinstance(params, Params):
        raise Breach(f"starts with a {type(params).__name__}: let start(seed) return the params "
                     "that move, such as zobench.TensorParams(...)")  # fmt: skip
    if not np.isfinite(params.flat()).all():
        raise Breach("starts at a point that is not finite: return finite numbers from start")
    score = scores_at(problem)
    if problem.score_name not in score:
        raise Breach(f"gives no score named {problem.score_name!r}: return it from score(), or "
                     f"set score_name to one of {', '.join(score)}")  # fmt: skip
    values = losses(problem, pairs(), 5)
    for kind, numbers in (("losses", values), ("scores", list(score.values()))):
        if not all(map(math.isfinite, numbers)):
            raise Breach(f"has {kind} at its start that are not finite ({numbers}): start where "
                         "the function has a value")  # fmt: skip


@check("docstring")
def it_is_documented(subject: CheckSubject) -> None:
    """Its docstring says what is minimised, its file has a docstring, and it states a version."""
    entry = entry_of(subject)
    if not entry.summary.strip():
        raise Breach("has no docstring: begin it with one line for `zobench list`")
    if not sys.modules[entry.make.__module__].__doc__:
        raise Breach("comes from a file without a docstring: begin the file with one that says "
                     "where the problem comes from")  # fmt: skip
    if not entry.version:
        raise Breach('states no version: version="1", raised when results change')


@check("settings")
def wrong_settings_are_refused(subject: CheckSubject) -> None:
    """Unknown settings and values of a wrong type are refused with one line."""
    entry = entry_of(subject)
    wrongs: list[dict[str, Any]] = [{"no_such_setting": 1}]
    number = next((k for k, v in entry.defaults.items() if type(v) in (int, float)), None)
    wrongs += [{number: "many"}] if number else []
    refuse_settings(entry, wrongs)
    if unknown := set(entry.sanity) - set(entry.defaults):
        raise Breach(f"has no setting {sorted(unknown)[0]!r}, which its sanity names: take the "
                     f"names of its parameters ({', '.join(entry.defaults)})")  # fmt: skip


@check("seed")
def one_seed_starts_at_one_point(subject: CheckSubject) -> None:
    """Equal seeds start at equal points, also after other calls; the meters start at 0."""
    seed_generators(0)  # draws from global generators are reported by another check
    problem = build(subject)
    first = problem.start(3).flat()
    problem.losses(pairs(), 1)
    problem.params.add(1.0, Noise(4))
    seed_generators(0)
    again = problem.start(3).flat()
    seed_generators(0)
    if not np.array_equal(again, first) or not np.array_equal(
        build(subject).start(3).flat(), first
    ):
        raise Breach("starts elsewhere when it starts again with the same seed: make the start "
                     "anew from the seed or rng that start is given")  # fmt: skip
    if problem.samples or problem.forwards:
        raise Breach("begins with counted samples or forwards: call self.reset_meters() at the "
                     "end of start")  # fmt: skip


@check("repeats", "seed")
def losses_replay(subject: CheckSubject) -> None:
    """The same calls from the same start give the same losses, to the last bit."""

    def calls() -> list[list[float]]:
        problem = start_problem(subject, 2)
        return [losses(problem, pairs(), seed) for seed in (5, 6, 5)]

    if calls() != calls():
        raise Breach("gives other losses when the same calls are made again: derive noise and "
                     "minibatches from the seed of the call")  # fmt: skip


@check("restores")
def losses_leave_the_point_where_it_was(subject: CheckSubject) -> None:
    """Losses and scores do not move the point."""
    problem = start_problem(subject)
    before = problem.params.flat()
    problem.losses([*pairs(), (0.0, Noise(3)), (1.0, Noise(3))], 5)
    if not close(problem.params.flat(), before):
        raise Breach("moves the point in losses: change no weight in loss, only read them")
    scores_at(problem)
    if not close(problem.params.flat(), before):
        raise Breach("moves the point in score: change no weight there, only read them")


@check("draws", "restores", "repeats")
def one_call_is_one_draw(subject: CheckSubject) -> None:
    """Losses depend on the probes and the call's seed; on the seed only if stochastic = True."""
    problem = start_problem(subject)
    first, second, third = losses(problem, [pairs()[0], pairs()[1], pairs()[0]], 5)
    if not close(third, first):
        raise Breach("gives two losses for one probe within a call: draw noise or a minibatch "
                     "once per call, from its seed")  # fmt: skip
    if not close(losses(problem, pairs(1), 5), [first, second]):
        raise Breach("gives other losses for the probes of an earlier call with its seed: let "
                     "losses depend on the point and the seed alone")  # fmt: skip
    others = [losses(problem, pairs(1), seed) for seed in range(6, 14)]
    vary = not all(close(other, [first, second]) for other in others)
    if vary and not problem.stochastic:
        raise Breach("gives losses that depend on the seed of the call: set stochastic = True")
    if problem.stochastic and not vary:
        raise Breach("states stochastic = True, but its losses do not depend on the seed of the "
                     "call: use it, or set stochastic = False")  # fmt: skip


@check("alone", "draws")
def losses_of_rows_are_those_alone(subject: CheckSubject) -> None:
    """A probe's loss does not depend on the other probes of its call."""
    problem = start_problem(subject)
    if problem.stochastic:
        raise NotApplicable("losses of a call are drawn together")
    probes = pairs(eps=0.3)
    together = losses(problem, probes, 5)
    alone = [losses(problem, [probe], 5)[0] for probe in probes]
    if not close(together, alone):
        raise Breach("gives a point another loss in the company of other points: compute each row "
                     "by itself, f: (n, d) -> (n,)")  # fmt: skip


@check("overwriting", "draws", "alone")
def rows_may_be_overwritten(subject: CheckSubject) -> None:
    """Its function gives the same losses and moves no point if its rows are overwritten."""
    problem = start_problem(subject)
    if not isinstance(problem, VectorProblem):
        raise NotApplicable("not a function of rows")
    f = problem.f

    def spoiling(rows: np.ndarray) -> np.ndarray:
        values = np.array(f(rows))
        rows[:] = np.nan
        return values

    expected, before = losses(start_problem(subject), pairs(), 5), problem.params.flat()
    problem.f = spoiling
    again = [losses(problem, pairs(), 5) for _ in range(2)]
    if not close(problem.params.flat(), before) or not close(again, [expected] * 2):
        raise Breach("remembers the rows that it was given: keep copies of what it needs later")


@check("restores-after-errors", "restores")
def also_when_the_loss_raises(subject: CheckSubject) -> None:
    """A loss that raises does not move the point."""
    problem = start_problem(subject)
    if isinstance(problem, InPlaceProblem):
        stops = [lambda: setattr(problem, "loss", failing(problem.loss, 3))]
        stops.append(lambda: setattr(problem.params, "probed", failing_at_a_probe(problem.params)))
    elif isinstance(problem, VectorProblem):
        stops = [lambda: setattr(problem, "f", failing(problem.f, 1))]
    else:
        raise NotApplicable("neither a VectorProblem nor an InPlaceProblem")
    before = problem.params.flat()
    for stop in stops:  # the second one is for losses that do not call `loss`
        stop()
        try:
            problem.losses(pairs(), 5)
        except Stop:
            if not close(problem.params.flat(), before):
                raise Breach("leaves the point elsewhere when a loss raises: write losses with "
                             "`with self.params.probed(scale, direction):`") from None  # fmt: skip
            return
    raise Breach("hides what its loss raises: let exceptions pass")


def failing_at_a_probe(params: Params) -> Callable[..., AbstractContextManager[None]]:
    """Wrap `params.probed` so that whatever is done at the third probe raises Stop."""
    probed, stop = params.probed, failing(lambda: None, 3)

    @contextmanager
    def wrapped(scale: float, direction: Direction) -> Iterator[None]:
        with probed(scale, direction):
            stop()
            yield

    return wrapped


def failing(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """Wrap `function` so that its call number `calls`, and each later one, raises Stop."""
    remaining = calls

    def wrapped(*args: Any) -> Any:
        nonlocal remaining
        remaining -= 1
        if remaining <= 0:
            raise Stop
        return function(*args)

    return wrapped


@check("meters", "restores")
def queries_are_counted_and_warming_up_is_not(subject: CheckSubject) -> None:
    """Losses count samples and forwards; warm_up counts nothing and moves nothing."""
    problem = start_problem(subject)
    problem.losses(pairs(), 5)
    if not problem.samples >= 4 or not problem.forwards > 0.0:
        raise Breach(f"counts {problem.samples} samples and {problem.forwards:g} forwards for 4 "
                     "probes: add to self.samples in loss, the rows or examples "
                     "of each")  # fmt: skip
    before = problem.params.flat()
    problem.warm_up()
    if problem.samples or problem.forwards or problem.probe_scores is not None:
        raise Breach("counts its warming up: end warm_up with self.reset_meters()")
    if not close(problem.params.flat(), before):
        raise Breach("moves the point in warm_up: leave it where it was")


@check("seen", "draws", "alone")
def seen_is_the_score_of_the_probes(subject: CheckSubject) -> None:
    """If the problem sets `probe_scores` in losses, it holds what score() gives at the probes."""
    problem = start_problem(subject)
    problem.losses(pairs(), 5)
    if problem.probe_scores is None:
        if problem.scored != "current":
            raise Breach("judges the best evaluated point, but gives no scores of points: set "
                         'self.probe_scores in losses, or scored = "current"')  # fmt: skip
        return
    for (scale, direction), value in zip(pairs(), list(problem.probe_scores), strict=True):
        problem.params.add(scale, direction)
        if not close(scores_at(problem)[problem.score_name], value):
            raise Breach("sets `seen` to other numbers than score() gives at the probes: set it "
                         "to their noise-free scores, or to None")  # fmt: skip
        problem.params.add(-scale, direction)


@check("score", "draws")
def the_score_is_finite_free_and_of_the_current_point(subject: CheckSubject) -> None:
    """The score is finite, repeatable, of the current point, and counts no query."""
    problem = start_problem(subject)
    problem.losses(pairs(), 5)
    name, spent = problem.score_name, (problem.samples, problem.forwards)
    scores = scores_at(problem)
    if not all(math.isfinite(value) for value in scores.values()):
        raise Breach(f"has scores that are not finite: {scores}")
    if scores_at(problem) != scores:
        raise Breach("gives another score at the same point: score on fixed rows or episodes, "
                     "without noise")  # fmt: skip
    problem.params.add(0.1, Noise(9))
    if scores_at(problem)[name] == scores[name]:
        raise Breach(f"has a {name} that does not change with the point: compute it from the "
                     "weights as they are now")  # fmt: skip
    if (problem.samples, problem.forwards) != spent:
        raise Breach("counts its score as queries: add to self.samples in loss alone")


@check("minimum")
def no_point_is_below_the_optimum(subject: CheckSubject) -> None:
    """No point has a gap below 0, so that the stated minimum holds."""
    problem = start_problem(subject)
    if problem.score_name != "gap":
        raise NotApplicable("has no known optimum")
    if not scores_at(problem)["gap"] > 0.0:
        raise Breach("starts at its optimum or below: give the true minimum, and another start")
    for seed in range(5):
        problem.params.add(0.3, Noise(seed))
        gap = scores_at(problem)["gap"]
        if not gap >= -1e-6:
            raise Breach(f"has a point {-gap:.3g} below its minimum: give the true minimum, or a "
                         "bound below it")  # fmt: skip


@check("agrees", "score")
def losses_and_score_agree_on_what_is_better(subject: CheckSubject) -> None:
    """The probe with the lowest loss has a better score than the probe with the highest."""
    problem = start_problem(subject)
    probes = [(scale, Noise(11)) for scale in (0.0, 0.3, 1.0, 3.0)]
    means = np.array([float(np.mean([problem.losses([p], s) for s in range(8)])) for p in probes])
    scores = []
    for scale, direction in probes:
        problem.params.add(scale, direction)
        scores.append(scores_at(problem)[problem.score_name])
        problem.params.add(-scale, direction)
    if not scores[int(means.argmin())] < scores[int(means.argmax())]:
        raise Breach("has scores that are worse where losses are lower: lower is better for both "
                     "(minus an accuracy, minus a return)")  # fmt: skip


@check("description")
def its_description_is_a_record(subject: CheckSubject) -> None:
    """It is described by describe(): the dimension, the groups, and values that JSON can hold."""
    problem = start_problem(subject)
    description = problem.describe()
    try:
        facts = json.loads(json.dumps(description))
    except (TypeError, ValueError) as error:
        raise Breach(f"has a description that JSON cannot hold ({error}): give numbers, words, "
                     "lists and dicts in describe()") from error  # fmt: skip
    if absent := {"dimension", "groups"} - set(facts):
        raise Breach(f"describes itself without {sorted(absent)}: return super().describe() | "
                     "{...} from describe()")  # fmt: skip
    size = problem.params.size
    sizes = facts["groups"].values()
    if facts["dimension"] != size or len(problem.params.flat()) != size:
        raise Breach(f"says that it has {facts['dimension']} coordinates, but its point has {size}")
    if sum(sizes) > size or not all(count > 0 for count in sizes):
        raise Breach(f"has groups of {sum(sizes)} coordinates in all, of {size}: each belongs to "
                     "one group at most, and no group is empty")  # fmt: skip


@check("groups")
def groups_share_no_block(subject: CheckSubject) -> None:
    """Groups have distinct names and existing blocks, and share no block."""
    params = start_problem(subject).params
    blocks = [b for group in params.groups for b in group.blocks]
    names = {group.name for group in params.groups}
    existing = {b.index for b in params.blocks}
    if len(blocks) != len(set(blocks)) or not set(blocks) <= existing:
        raise Breach("has groups that share a block or name one that is not there: give each block "
                     "to one zobench.Group")  # fmt: skip
    if len(names) != len(params.groups):
        raise Breach("has two groups of one name: give each a name of its own")


@check("generators")
def global_generators_are_untouched(subject: CheckSubject) -> None:
    """It does not use the global generators of numpy.random, random or torch."""
    with global_generators("take random numbers from the rng or seed that start and loss are given,"
                           " as in torch.Generator().manual_seed(seed)"):  # fmt: skip
        start_problem(subject, seeded=False).losses(pairs(), 5)
