"""Rollouts: episodes of one policy, each from its seed. The result depends on the Job alone."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from math import prod
from typing import Any, SupportsFloat

import numpy as np

from zobench.core.oracle import Diverged
from zobench.core.seeds import fold
from zobench.errors import BadInput
from zobench.objectives.rl._environment import EnvironmentSource, flattener, open_environment
from zobench.objectives.rl._policy import Act, Shape, acting
from zobench.objectives.rl._whitening import Moments, recording

TRIAL = 64  # steps of an episode that only tests whether episodes repeat
STEP = "obs, reward, terminated, truncated, info"  # the values that a step returns
ENDLESS = 100_000  # steps after which an episode without a limit is an error


@dataclass(frozen=True)
class Job:
    """Episodes to roll out: one per seed, all with the policy at one point."""

    x: np.ndarray  # the point, shape (d,)
    moments: Moments | None  # for whitening; None: observations as they are
    seeds: tuple[int, ...]
    limit: int  # steps per episode; 0: until the environment ends it
    noise: float = 0.0  # of the actions
    record: bool = False  # compute the moments of the observations, for whitening


@dataclass(frozen=True)
class Episode:
    """The result of an episode: the sum of rewards, the steps, the observations' moments."""

    total: float
    steps: int
    moments: Moments | None = None


class Roller:
    """Roll out episodes in one environment, or in a new one per episode with `renew`.

    Vector entry points of gymnasium (CartPole has one) draw the starts of all their episodes from
    one seed. They are not used, because each episode here has its own seed.
    """

    def __init__(
        self, source: EnvironmentSource, hidden: tuple[int, ...], bias: bool, renew: bool = False
    ) -> None:
        """Raises BadInput for an environment in which a policy of vectors cannot act."""
        self.source, self.env, self.renew = source, open_environment(source), renew
        space = self.env.action_space
        inputs, self.flat = flattener(source.name, self.env.observation_space)
        outputs = int(getattr(space, "n", 0)) or prod(space.shape or ())
        if not inputs or not outputs:
            raise BadInput(f"{source.name} has no observations or no actions")
        self.shape = Shape(inputs, hidden, outputs, bias)

    def __call__(self, job: Job) -> list[Episode]:
        """Roll out the episodes of a job.

        Raises Diverged if a reward or an output is not finite, RuntimeError if an episode does not
        end.
        """
        outputs = self.shape.outputs_at(job.x, job.moments)
        episodes = []
        for seed in job.seeds:
            act = acting(outputs, self.env.action_space, job.noise, fold(seed, 1))
            if not job.record:
                episodes.append(Episode(*self.episode(act, seed, job.limit)))
                continue
            act, moments = recording(act, self.shape.inputs, self.shape.is_small)
            total, steps = self.episode(act, seed, job.limit)
            episodes.append(Episode(total, steps, moments()))
        return episodes

    def episode(self, act: Act, seed: int, limit: int) -> tuple[float, int]:
        """Return (sum of rewards, steps) of the episode of a seed."""
        if self.renew:
            self.env.close()
            self.env = open_environment(self.source)
        result: Any = ()
        obs: Any = None
        total: Any = 0.0
        step, flat, t = self.env.step, self.flat, 0
        plain, double, array = float, np.float64, np.ndarray
        try:
            result = self.env.reset(seed=seed)
            if not isinstance(result, tuple):
                raise TypeError
            obs, _ = result
            if type(obs) is not array:
                obs = numbers(obs)
            for t in range(1, (limit or ENDLESS) + 1):  # noqa: B007 - also used after the loop
                result = step(act(flat(obs) if flat else obs))
                obs, reward, terminated, truncated, _ = result
                if type(obs) is not array:
                    obs = numbers(obs)
                kind = type(reward)
                total += reward if kind is plain or kind is double else number(reward)
                if terminated is not False or truncated is not False:
                    flags = is_true(terminated), is_true(truncated)
                    if any(flags):
                        break
            else:
                if not limit:
                    raise RuntimeError(f"{self.source.name}: an episode did not end within "
                                       f"{ENDLESS:,} steps; set cap")  # fmt: skip
        except Diverged as error:
            raise Diverged(f"{self.source.name}: {error} in step {t} of an episode") from None
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            if fault := self._fault(result, t):
                raise BadInput(f"{self.source.name}: {fault}") from error
            raise
        total = float(total)
        if not math.isfinite(total):
            raise Diverged(f"{self.source.name}: rewards of {t} steps added up to {total}")
        return total, t

    def _fault(self, result: Any, t: int) -> str:
        """Describe the fault in the last result of `reset` or `step`; "" if there is none.

        `t` is the number of the step, 0 if the fault is in `reset`.
        """
        size = len(result) if isinstance(result, tuple) else -1
        if not size and not t:
            return _without_seed(self.env)
        if size not in (2, 5):
            giver, names = ("step", STEP) if t else ("reset", "obs, info")
            return f"{giver} gave {_brief(result)}, not a tuple of ({names})"
        giver, space = "step" if size == 5 else "reset", self.env.observation_space
        try:
            obs = numbers(result[0])
        except TypeError as error:
            return f"{giver} gave observations that {error}: {_brief(result[0])}"
        if self.flat:
            try:
                obs = self.flat(obs)
            except Exception:
                return f"{giver} gave the observation {_brief(obs)}, which does not fit {space}"
        try:
            shape = np.shape(obs)
        except ValueError:  # lists of unequal lengths
            return f"{giver} gave observations that are not numbers: {_brief(obs)}"
        if shape != (self.shape.inputs,):
            return (f"{giver} gave observations of shape {shape}; its observation_space says "
                    f"({self.shape.inputs},)")  # fmt: skip
        if np.asarray(obs).dtype.kind not in "bifu":
            return f"{giver} gave observations that are not numbers: {_brief(obs)}"
        if size == 5:
            try:
                number(result[1])
            except TypeError:
                return f"step gave the reward {_brief(result[1])}, which is not a number"
            for name, flag in zip(("terminated", "truncated"), result[2:4]):
                try:
                    is_true(flag)
                except TypeError:
                    return f"step gave {name} as {_brief(flag)}, which is not True or False"
        return ""

    def is_repeatable(self) -> bool:
        """True if three short episodes give equal returns when repeated in another order.

        It is False for a `reset` that keeps some state of the last episode (BipedalWalker-v3 of
        gymnasium 1.4), and for randomness that does not come from the seed.
        """
        rng, size = np.random.default_rng(0), sum(prod(block) for block in self.shape.blocks)
        jobs = [Job(rng.standard_normal(size), None, (k,), TRIAL) for k in range(3)]
        try:
            returns = [self(job) for job in jobs]
            return returns == [self(job) for job in jobs[::-1]][::-1]
        except Exception:
            return True  # the run raises the same error and reports it


def number(reward: Any) -> float:
    """Convert a reward to a float of 64 bits: a real number, or an array or tensor of one number.

    Returns are sums of rewards, and in the reward's own type a sum may stop growing (float16: at
    2048). Raises TypeError for anything else.
    """
    if isinstance(reward, np.ma.MaskedArray) and np.ma.is_masked(reward):
        raise TypeError("masked")
    try:
        plain = reward.item() if hasattr(reward, "item") else reward
    except (ValueError, RuntimeError) as error:  # NumPy's and torch's for several numbers or none
        raise TypeError("not one number") from error
    if not isinstance(plain, SupportsFloat):
        raise TypeError("not a number")
    try:
        return float(plain)
    except OverflowError as error:
        raise TypeError("too large for 64 bits") from error


def numbers(obs: Any) -> Any:
    """Convert a tensor or a masked array to a NumPy array; other observations are unchanged.

    Raises TypeError if entries are masked, or if there are no values.
    """
    if hasattr(obs, "detach"):
        try:
            return obs.detach().cpu().double().numpy()
        except (RuntimeError, TypeError, NotImplementedError) as error:  # on the device "meta"
            raise TypeError("have no values") from error
    parts = obs.values() if isinstance(obs, dict) else obs if isinstance(obs, tuple) else (obs,)
    if any(np.ma.is_masked(part) for part in parts):
        raise TypeError("have masked entries")
    return obs.data if isinstance(obs, np.ma.MaskedArray) else obs


def is_true(flag: Any) -> bool:
    """Convert a flag of `step` to a bool: True, False, 1, 0, or an array that holds one of these.

    Raises TypeError for anything else, such as a text, a list or NaN, which are true in Python.
    """
    if flag is True or flag is False or type(flag) is np.bool_:
        return bool(flag)
    try:
        plain = flag.item() if hasattr(flag, "item") else flag
    except (ValueError, RuntimeError) as error:  # several values or none
        raise TypeError("not one") from error
    if np.ma.is_masked(flag) or plain not in (True, False):
        raise TypeError("neither true nor false")
    return bool(plain)


def _without_seed(env: Any) -> str:
    """Describe the fault of a `reset` that takes no seed; "" if it takes one."""
    parameters = inspect.signature(getattr(env, "unwrapped", env).reset).parameters.values()
    if any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters):
        return ""
    return ("its reset takes no seed, as in gym before 0.26: write it as gymnasium's "
            "reset(self, *, seed=None, options=None), which gives (obs, info)")  # fmt: skip


def _brief(thing: Any) -> str:
    """Describe an object in one short line."""
    text = f"a tuple of {len(thing)}" if isinstance(thing, tuple) else repr(thing)
    return text if len(text) < 60 else f"a {type(thing).__name__}"
