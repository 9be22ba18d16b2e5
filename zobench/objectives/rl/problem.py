"""Policy search in gymnasium environments (Towers et al., arXiv:2407.17032) as a black box."""

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
from zobench.objectives.rl import _environment
from zobench.objectives.rl._crew import Crew
from zobench.objectives.rl._environment import EnvironmentSource, made_by, registered
from zobench.objectives.rl._policy import Shape
from zobench.objectives.rl._rollout import Episode, Job, Roller
from zobench.objectives.rl._scoring import LastScore, evaluation_seeds
from zobench.objectives.rl._whitening import Moments
from zobench.registry import objectives

if TYPE_CHECKING:
    import gymnasium

SEEDS = ("common", "fresh", "fixed")
MOST_WORKERS = 256


@objectives.register(
    "rl",
    version="2",
    paper="arXiv:1803.07055",
    needs="gymnasium",
    sanity={"env": "Pendulum-v1", "cap": 60, "score_episodes": 5, "test_episodes": 5},
)
class PolicySearch(VectorProblem):
    """Minus the return of a policy in an environment with Box or Discrete actions.

    The policy is linear and starts at 0 (ARS, arXiv:1803.07055), or a tanh network (OpenAI-ES,
    arXiv:1703.03864). A layer is a group, or each output of a linear policy. A query is minus the
    mean return over the training episodes. Samples are steps of the environment;
    forward-equivalents are episodes.

    The score is minus the mean return over `score_episodes` episodes without `shift` or action
    noise. Their seeds are fixed and never used in training. These episodes have the environment's
    own limit of steps, whatever `cap`, which applies only if the environment has no limit. A run
    ends with the return over `test_episodes` further episodes, and with `repeatable`, which is 0
    if equal seeds do not give equal episodes.

    With whitening, the losses of a call are a function of the points, the seed of the call and the
    moments. The moments are constant within a call, so that all its probes use the same whitening.
    After the call its episodes are merged into them in the order of the probes. Scoring does not
    change them.

    Args:
        env: a gymnasium id, or `module:id` if importing `module` registers it; in Python also a
            class or a function without arguments that makes an environment.
        hidden: sizes of the hidden layers, such as [16]; empty for a linear policy.
        bias: whether a linear policy has a bias. A network always has one.
        whiten: whether to whiten observations by their running moments in training (ARS V2).
        episodes: training episodes per query.
        seeds: of the training episodes: "common" to the probes of a call, "fresh" for each probe,
            or "fixed" for the whole run.
        cap: the most steps per training episode; 0 for the environment's own limit.
        shift: subtracted from the reward of each training step, such as a survival bonus.
        action_noise: the scale of the noise that is added to actions in training. For Discrete
            actions it is the temperature of a softmax.
        score_episodes: episodes per score.
        test_episodes: episodes at the end of a run.
        workers: processes that divide the probes of a call. The losses do not depend on it.
        options: arguments of the environment's constructor, for a gymnasium id.
        by_output: whether the weights of each output of a linear policy are a group of their own.

    Raises:
        BadInput: if a setting is out of its range, or the environment does not suit a policy.
        MissingPackage: at the start of a run, if a package of the environment is not installed.

    Example:
        >>> from zobench import Noise, PolicySearch
        >>> problem = PolicySearch("CartPole-v1", score_episodes=5)
        >>> problem.start(seed=1).size  # one output per action, one weight per observation
        8
        >>> losses = problem.losses([(1.0, Noise(3)), (-1.0, Noise(3))], seed=2)
        >>> len(losses), problem.score()["return"] == -problem.score()["loss"]
        (2, True)
    """

    score_name: str = "loss"
    scored: str = "current"
    score_ratio: float = 1.2
    stochastic: bool
    source: EnvironmentSource
    layers: tuple[int, ...]
    bias: bool
    whiten: bool
    episodes: int
    seeds: str
    cap: int
    shift: float
    action_noise: float
    score_episodes: int
    test_episodes: int
    workers: int
    by_output: bool
    shapes: Sequence[tuple[int, ...]]
    fixed: int
    moments: Moments
    last: LastScore
    call: int

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
        by_output: bool = False,
    ) -> None:
        limits = {"episodes": 1, "score_episodes": 1, "test_episodes": 0, "workers": 1, "cap": 0}
        for name, value in zip(limits, (episodes, score_episodes, test_episodes, workers, cap)):
            if not isinstance(value, Integral) or value < limits[name]:
                raise BadInput(f"{name} is a whole number of at least {limits[name]}, not {value}")
        if workers > MOST_WORKERS:
            raise BadInput(
                f"workers is a number of processes, {MOST_WORKERS} at most, not {workers}"
            )
        is_sequence = isinstance(hidden, Sequence)
        if not is_sequence or not all(isinstance(size, int) and size > 0 for size in hidden):
            raise BadInput(f"hidden lists sizes of layers, such as [16], not {hidden!r}")
        if not isinstance(action_noise, Real) or not action_noise >= 0.0:
            raise BadInput(f"action_noise is a number >= 0, not {action_noise}")
        if not isinstance(shift, Real) or not math.isfinite(shift):
            raise BadInput(f"shift is a number that is subtracted from each reward, not {shift}")
        if seeds not in SEEDS:
            raise unknown("seeds", seeds, SEEDS)
        if by_output and hidden:
            raise BadInput("by_output is for a linear policy: hidden=[]")
        self.source = registered(env, options or {}) if isinstance(env, str) else made_by(env)
        self.whiten, self.episodes, self.seeds = whiten, episodes, seeds
        self.shift, self.action_noise, self.workers = shift, action_noise, workers
        self.score_episodes, self.test_episodes = score_episodes, test_episodes
        self.cap = cap or self.source.limit
        self.layers, self.bias, self.by_output = tuple(hidden), bias, by_output
        self.repeatable: bool | None = None  # None: not tested yet
        self.crew: Crew | None = None
        super().__init__(self._losses, lambda rng: self.shape.start(rng), scored="current")
        self.stochastic = seeds != "fixed"

    @cached_property
    def roller(self) -> Roller:
        """The environment of this process, made at the first use.

        Returns:
            A function from jobs to episodes.
        """
        return Roller(self.source, self.layers, self.bias)

    @property
    def shape(self) -> Shape:
        """The sizes of the policy."""
        return self.roller.shape

    def start(self, seed: int) -> VectorParams:
        """Start at zero weights, or at random hidden weights, with new moments.

        Args:
            seed: of the hidden weights, and of the episodes if `seeds` is "fixed".

        Returns:
            The weights of the policy.
        """
        self.shapes, name = self.shape.blocks, "layer"
        if self.by_output:
            (outputs, inputs), *_ = self.shapes
            self.shapes, name = ((inputs,),) * outputs, "output"
        params = super().start(seed)
        params.groups = tuple(
            Group(f"{name}{k}", group.blocks) for k, group in enumerate(params.groups, 1)
        )
        self.fixed = fold(seed, 1)  # of the episodes of a run with seeds = "fixed"
        self.moments = Moments.none(self.shape.inputs)
        self.last = LastScore()
        if self.repeatable is None:
            self.roller.renew = not self.roller.is_repeatable()
            self.repeatable = not self.roller.renew or self.roller.is_repeatable()
        return params

    def losses(self, probes: Sequence[Probe], seed: int) -> list[float]:
        """Roll out the training episodes of each probe.

        Args:
            probes: pairs (scale, direction).
            seed: of the call, which fixes its episodes.

        Returns:
            Minus the mean return of each probe, after `shift`.
        """
        self.call = seed
        return self.f(self.params.rows(probes)).tolist()

    def _losses(self, points: np.ndarray) -> np.ndarray:
        """Return minus the mean shifted return (n,) of points (n, d), and advance the meters."""
        noise, record = self.action_noise, self.whiten
        results = self._roll_out([
            Job(x, self.whitening, self.training_seeds(k), self.cap, noise, record)
            for k, x in enumerate(points)
        ])  # fmt: skip
        for episode in (episode for episodes in results for episode in episodes):
            self.samples += episode.steps
            self.forwards += 1
            if episode.moments is not None:
                self.moments = self.moments.plus(episode.moments)
        return np.array([-sum(e.total - self.shift * e.steps for e in episodes) / len(episodes)
                         for episodes in results])  # fmt: skip

    @property
    def whitening(self) -> Moments | None:
        """The moments that whiten observations at present; None without whitening."""
        return self.moments if self.whiten else None

    @property
    def score_limit(self) -> int:
        """The most steps per scoring episode: the environment's own limit, or else the cap."""
        return self.source.limit or self.cap

    def training_seeds(self, k: int) -> tuple[int, ...]:
        """Derive the seeds of the episodes of a probe of the current call.

        Args:
            k: the number of the probe in its call.

        Returns:
            `episodes` even numbers.
        """
        if self.seeds == "fixed":
            base = self.fixed
        else:
            base = fold(self.call, k) if self.seeds == "fresh" else self.call
        return tuple(fold(base, j) >> 33 << 1 for j in range(self.episodes))

    def evaluation(self, kind: str, count: int) -> list[Episode]:
        """Roll out scoring or test episodes of the current policy.

        Rewards are not shifted, actions have no noise, and the environment's own limit of steps
        applies. The seeds are fixed odd numbers.

        Args:
            kind: "score" or "test".
            count: the number of episodes.

        Returns:
            The episodes, in the order of their seeds.
        """
        x, limit = self.params.x.copy(), self.score_limit
        jobs = [Job(x, self.whitening, (seed,), limit) for seed in evaluation_seeds(kind, count)]
        return [episode for episodes in self._roll_out(jobs) for episode in episodes]

    def score(self) -> dict[str, float]:
        """Score the current policy over `score_episodes` episodes.

        Returns:
            "loss", minus the mean return; "return", the mean return; "steps", the mean length.
        """
        scores = self._scores
        return self.last(self.params.x, self.whitening, scores) if self.repeatable else scores()

    def _scores(self) -> dict[str, float]:
        episodes = self.evaluation("score", self.score_episodes)
        mean = sum(e.total for e in episodes) / len(episodes)
        steps = sum(e.steps for e in episodes) / len(episodes)
        return {"loss": -mean, "return": mean, "steps": steps}

    def finish(self) -> dict[str, float]:
        """Test the current policy over `test_episodes` episodes.

        Returns:
            "repeatable", 0 or 1; "test_return" and "test_return_std", the mean and the standard
            deviation of the return.
        """
        results = {"repeatable": float(bool(self.repeatable))}
        if totals := [e.total for e in self.evaluation("test", self.test_episodes)]:
            results |= {"test_return": float(np.mean(totals))}
            results |= {"test_return_std": float(np.std(totals))}
        return results

    def warm_up(self) -> None:
        """Evaluate once without counting, and without changing the moments."""
        moments, self.call = self.moments, 0
        super().warm_up()
        self.moments = moments

    def _roll_out(self, jobs: Sequence[Job]) -> list[list[Episode]]:
        """Return the episodes of each job, in the order of the jobs."""
        if self.workers == 1:
            return [self.roller(job) for job in jobs]
        if self.crew is None:
            arguments = self.source, self.layers, self.bias, self.roller.renew
            self.crew = Crew(lambda: Roller(*arguments), self.workers)
            weakref.finalize(self, self.crew.close)
        try:
            return self.crew(jobs)
        except BaseException:  # such as a time limit: results of the other processes come too late
            crew, self.crew = self.crew, None
            crew.close()
            raise

    def describe(self) -> dict[str, Any]:
        """Describe the problem.

        Returns:
            Facts of the problem, the environment, the policy and the whitening.
        """
        facts = super().describe() | {
            **_environment.describe(self.source, self.roller.env),
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
