"""Policies for gymnasium environments (Towers et al., arXiv:2407.17032), as black boxes."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.core.directions import Probe
from zobench.core.params import Group
from zobench.core.problem import VectorProblem
from zobench.core.seeds import fold
from zobench.core.vector import VectorParams
from zobench.errors import BadInput, unknown
from zobench.objectives.rl._crew import Crew
from zobench.objectives.rl._environment import described, made_by, registered
from zobench.objectives.rl._policy import Shape
from zobench.objectives.rl._rollout import Episode, Job, Roller
from zobench.objectives.rl._scoring import LastScore, evaluation_seeds
from zobench.objectives.rl._whitening import Moments
from zobench.registry import objectives

if TYPE_CHECKING:
    import gymnasium

SEEDS = ("common", "fresh", "fixed")
MOST = 256  # workers


@objectives.register(
    "rl",
    version="2",
    paper="arXiv:1803.07055",
    needs="gymnasium",
    sanity={"env": "Pendulum-v1", "cap": 60, "score_episodes": 5, "test_episodes": 5},
)
class PolicySearch(VectorProblem):
    """Minus the return of a policy in an environment with Box or Discrete actions.

    `env`: a gymnasium id, or `module:id`, `options` going to its constructor; in Python, also a
    class or function that makes one. The policy is linear without bias and starts at 0 (ARS), or a
    tanh network with `hidden` layers such as [16]; a layer is a group. `whiten`: by the running
    moments of the training observations (ARS V2). `action_noise` > 0: stochastic in training.

    A query is the mean over `episodes` training episodes, each of at most `cap` steps (0: the
    environment's limit), of rewards minus `shift` a step (survival bonuses). `seeds` of episodes:
    "common" to the probes of a call, "fresh" for each probe, or "fixed" for the whole run. Samples
    are steps; forward-equivalents are episodes. `workers` processes share the probes of a call:
    equal losses, to the last bit.

    The score is minus the mean plain return over `score_episodes` episodes without action noise,
    whose seeds are fixed and never trained on; `test_episodes` others are rolled out at the end.
    These have the environment's own limit of steps, whatever `cap` (which counts where it has
    none). A run ends with `repeatable`, 0 where equal seeds do not give equal episodes.

    With whitening, losses are a pure function of (point, seed of the call, moments). The moments
    stand still within a call, so that its probes are compared under one policy; then its episodes
    are merged in the order of the probes. Scoring reads them and never adds to them.
    """

    score_name, scored, score_ratio = "loss", "current", 1.2

    def __init__(
        self,
        env: str | Callable[..., gymnasium.Env] = "CartPole-v1",
        hidden: Sequence[int] = (),
        bias: bool = False,
        whiten: bool = False,
        episodes: int = 1,
        seeds: str = "common",
        cap: int = 0,
        shift: float = 0.0,
        action_noise: float = 0.0,
        score_episodes: int = 20,
        test_episodes: int = 100,
        workers: int = 1,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        limits = {"episodes": 1, "score_episodes": 1, "test_episodes": 0, "workers": 1, "cap": 0}
        for name, value in zip(limits, (episodes, score_episodes, test_episodes, workers, cap)):
            if not isinstance(value, Integral) or value < limits[name]:
                raise BadInput(f"{name} is a whole number of at least {limits[name]}, not {value}")
        if workers > MOST:
            raise BadInput(f"workers is a number of processes, {MOST} at most, not {workers}")
        sized = isinstance(hidden, Sequence)
        if not sized or not all(isinstance(size, int) and size > 0 for size in hidden):
            raise BadInput(f"hidden lists sizes of layers, such as [16], not {hidden!r}")
        if not isinstance(action_noise, Real) or not action_noise >= 0.0:
            raise BadInput(f"action_noise is a number >= 0, not {action_noise}")
        if not isinstance(shift, Real) or not math.isfinite(shift):
            raise BadInput(f"shift is a number that is subtracted from each reward, not {shift}")
        if seeds not in SEEDS:
            raise unknown("seeds", seeds, SEEDS)
        self.source = registered(env, options or {}) if isinstance(env, str) else made_by(env)
        self.whiten, self.episodes, self.seeds = whiten, episodes, seeds
        self.shift, self.action_noise, self.workers = shift, action_noise, workers
        self.score_episodes, self.test_episodes = score_episodes, test_episodes
        self.cap = cap or self.source.limit
        self.layers, self.bias = tuple(hidden), bias
        self.repeatable: bool | None = None  # do equal seeds give equal episodes? Not known yet
        self.crew: Crew | None = None
        super().__init__(self._losses, lambda rng: self.shape.start(rng), scored="current")
        self.stochastic = seeds != "fixed"

    @cached_property
    def roller(self) -> Roller:
        """The environment of this process, made when it is first needed."""
        return Roller(self.source, self.layers, self.bias)

    @property
    def shape(self) -> Shape:
        """The sizes of the policy."""
        return self.roller.shape

    def start(self, seed: int) -> VectorParams:
        self.shapes = self.shape.blocks
        params = super().start(seed)
        params.groups = tuple(
            Group(f"layer{k}", group.blocks) for k, group in enumerate(params.groups, 1)
        )
        self.fixed = fold(seed, 1)  # of the episodes of a run with seeds = "fixed"
        self.moments = Moments.none(self.shape.inputs)
        self.last = LastScore()
        if self.repeatable is None:
            self.roller.renew = not self.roller.repeats()
            self.repeatable = not self.roller.renew or self.roller.repeats()
        return params

    def losses(self, probes: Sequence[Probe], seed: int) -> list[float]:
        self.call = seed
        return self.f(self.params.rows(probes)).tolist()

    def _losses(self, points: np.ndarray) -> np.ndarray:
        """Points of shape (n, d) -> minus mean shifted returns (n,), and the meters go on."""
        noise, record = self.action_noise, self.whiten
        done = self._rolled([
            Job(x, self.white, self.training_seeds(k), self.cap, noise, record)
            for k, x in enumerate(points)
        ])  # fmt: skip
        for episode in (episode for episodes in done for episode in episodes):
            self.samples += episode.steps
            self.forwards += 1
            if episode.moments is not None:
                self.moments = self.moments.plus(episode.moments)
        return np.array([-sum(e.total - self.shift * e.steps for e in episodes) / len(episodes)
                         for episodes in done])  # fmt: skip

    @property
    def white(self) -> Moments | None:
        """What whitens the observations now."""
        return self.moments if self.whiten else None

    @property
    def score_limit(self) -> int:
        """Steps of an episode that scores: the environment's own limit, where it has one."""
        return self.source.limit or self.cap

    def training_seeds(self, k: int) -> tuple[int, ...]:
        """The seeds of the episodes of probe k of the present call: even numbers."""
        if self.seeds == "fixed":
            base = self.fixed
        else:
            base = fold(self.call, k) if self.seeds == "fresh" else self.call
        return tuple(fold(base, j) >> 33 << 1 for j in range(self.episodes))

    def evaluation(self, kind: str, count: int) -> list[Episode]:
        """Episodes of the current policy as it is scored, from fixed seeds: odd numbers.

        Plain rewards, actions without noise, and the environment's own limit on steps.
        """
        x, limit = self.params.x.copy(), self.score_limit
        parts = [Job(x, self.white, (seed,), limit) for seed in evaluation_seeds(kind, count)]
        return [episode for episodes in self._rolled(parts) for episode in episodes]

    def score(self) -> dict[str, float]:
        """Minus mean return, mean return and mean length over the episodes that score."""
        scores = self._scores
        return self.last(self.params.x, self.white, scores) if self.repeatable else scores()

    def _scores(self) -> dict[str, float]:
        found = self.evaluation("score", self.score_episodes)
        mean = sum(e.total for e in found) / len(found)
        return {"loss": -mean, "return": mean, "steps": sum(e.steps for e in found) / len(found)}

    def finish(self) -> dict[str, float]:
        """Mean and standard deviation of the return over further episodes, used nowhere else."""
        found = {"repeatable": float(bool(self.repeatable))}
        if totals := [e.total for e in self.evaluation("test", self.test_episodes)]:
            found |= {"test_return": float(np.mean(totals))}
            found |= {"test_return_std": float(np.std(totals))}
        return found

    def warm_up(self) -> None:
        moments, self.call = self.moments, 0
        super().warm_up()
        self.moments = moments

    def _rolled(self, jobs: Sequence[Job]) -> list[list[Episode]]:
        """The episodes of each job, in their order, whoever rolls them out."""
        if self.workers == 1:
            return [self.roller(job) for job in jobs]
        if self.crew is None:
            with_what = self.source, self.layers, self.bias, self.roller.renew
            self.crew = Crew(lambda: Roller(*with_what), self.workers)
            weakref.finalize(self, self.crew.close)
        try:
            return self.crew(jobs)
        except BaseException:  # a limit, say, while others still work: their answers come too late
            crew, self.crew = self.crew, None
            crew.close()
            raise

    def describe(self) -> dict[str, Any]:
        """And the environment, the policy's layers, and the moments that whiten at present."""
        facts = super().describe() | {
            **described(self.source, self.roller.env),
            "observations": self.shape.inputs,
            "layers": [list(block) for block in self.shape.blocks],
            "cap": self.cap,
            "repeatable": self.repeatable,
            "renewed": self.roller.renew,
        }
        if self.whiten:
            scale, mean = self.moments.scale.tolist(), self.moments.mean.tolist()
            facts["whitening"] = {"count": self.moments.count, "mean": mean, "scale": scale}
        return facts
