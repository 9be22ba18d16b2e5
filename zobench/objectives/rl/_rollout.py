"""Rollout: episodes of one policy, each from its seed. A pure function of what a Job holds."""

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
from zobench.objectives.rl._environment import Source, flattened, opened
from zobench.objectives.rl._policy import Act, Shape, acting
from zobench.objectives.rl._whitening import Moments, recording

TRIAL = 64  # steps of an episode that only asks whether episodes repeat themselves
STEP = "obs, reward, terminated, truncated, info"  # what a step gives
ENDLESS = 100_000  # steps after which an episode without a limit is given up


@dataclass(frozen=True)
class Job:
    """Episodes to roll out: a point of shape (d,), what whitens, a seed each, at most `limit`."""

    x: np.ndarray
    moments: Moments | None  # None: observations as they are
    seeds: tuple[int, ...]
    limit: int  # steps an episode; 0: until the environment ends it
    noise: float = 0.0  # of the actions
    record: bool = False  # note the observations, for whitening


@dataclass(frozen=True)
class Episode:
    """What came of an episode: the sum of rewards, the steps, the observations' moments."""

    total: float
    steps: int
    moments: Moments | None = None


class Roller:
    """An environment that is used again for every episode; made anew for each with `renew`.

    Vector entry points of gymnasium (CartPole has one) draw the starts of all their episodes from
    one seed: returns would not be those of episodes that have a seed each, so none is used.
    """

    def __init__(
        self, source: Source, hidden: tuple[int, ...], bias: bool, renew: bool = False
    ) -> None:
        """Raises BadInput for an environment that a policy of vectors cannot act in."""
        self.source, self.env, self.renew = source, opened(source), renew
        space = self.env.action_space
        inputs, self.flat = flattened(source.name, self.env.observation_space)
        outputs = int(getattr(space, "n", 0)) or prod(space.shape or ())
        if not inputs or not outputs:
            raise BadInput(f"{source.name} has no observations or no actions")
        self.shape = Shape(inputs, hidden, outputs, bias)

    def __call__(self, job: Job) -> list[Episode]:
        """Raises Diverged on what is not a number, RuntimeError on an episode without end."""
        forward = self.shape.forward(job.x, job.moments)
        episodes = []
        for seed in job.seeds:
            act = acting(forward, self.env.action_space, job.noise, fold(seed, 1))
            if not job.record:
                episodes.append(Episode(*self.episode(act, seed, job.limit)))
                continue
            act, moments = recording(act, self.shape.inputs, self.shape.few)
            total, steps = self.episode(act, seed, job.limit)
            episodes.append(Episode(total, steps, moments()))
        return episodes

    def episode(self, act: Act, seed: int, limit: int) -> tuple[float, int]:
        """(sum of rewards, steps) of the episode of a seed."""
        if self.renew:
            self.env.close()
            self.env = opened(self.source)
        got: Any = ()
        obs: Any = None
        total: Any = 0.0
        step, flat, t = self.env.step, self.flat, 0
        plain, double, array = float, np.float64, np.ndarray
        try:
            got = self.env.reset(seed=seed)
            if not isinstance(got, tuple):
                raise TypeError
            obs, _ = got
            if type(obs) is not array:
                obs = numbers(obs)
            for t in range(1, (limit or ENDLESS) + 1):  # noqa: B007 - told by errors, too
                got = step(act(flat(obs) if flat else obs))
                obs, reward, terminated, truncated, _ = got
                if type(obs) is not array:
                    obs = numbers(obs)
                kind = type(reward)
                total += reward if kind is plain or kind is double else number(reward)
                if terminated is not False or truncated is not False:
                    over, cut = yes(terminated), yes(truncated)
                    if over or cut:
                        break
            else:
                if not limit:
                    raise RuntimeError(f"{self.source.name}: an episode did not end within "
                                       f"{ENDLESS:,} steps; set cap")  # fmt: skip
        except Diverged as error:
            raise Diverged(f"{self.source.name}: {error} in step {t} of an episode") from None
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            if fault := self._fault(got, t):
                raise BadInput(f"{self.source.name}: {fault}") from error
            raise
        total = float(total)
        if not math.isfinite(total):
            raise Diverged(f"{self.source.name}: rewards of {t} steps added up to {total}")
        return total, t

    def _fault(self, got: Any, t: int) -> str:
        """What is wrong with what `reset` or `step` gave last, "" if nothing that we know.

        `t` is the number of the step, 0 where `reset` has not given anything yet.
        """
        size = len(got) if isinstance(got, tuple) else -1
        if not size and not t:
            return _without_seed(self.env)
        if size not in (2, 5):
            giver, names = ("step", STEP) if t else ("reset", "obs, info")
            return f"{giver} gave {_brief(got)}, not a tuple of ({names})"
        giver, space = "step" if size == 5 else "reset", self.env.observation_space
        try:
            obs = numbers(got[0])
        except TypeError as error:
            return f"{giver} gave observations that {error}: {_brief(got[0])}"
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
                number(got[1])
            except TypeError:
                return f"step gave the reward {_brief(got[1])}, which is not a number"
            for name, flag in zip(("terminated", "truncated"), got[2:4]):
                try:
                    yes(flag)
                except TypeError:
                    return f"step gave {name} as {_brief(flag)}, which is not True or False"
        return ""

    def repeats(self) -> bool:
        """Do three short episodes give the same returns again, in another order?

        A `reset` that leaves something of the last episode behind shows here (BipedalWalker-v3 of
        gymnasium 1.4), and so does randomness that does not come from the seed.
        """
        rng, size = np.random.default_rng(0), sum(prod(block) for block in self.shape.blocks)
        jobs = [Job(rng.standard_normal(size), None, (k,), TRIAL) for k in range(3)]
        try:
            once = [self(job) for job in jobs]
            return once == [self(job) for job in jobs[::-1]][::-1]
        except Exception:
            return True  # what is wrong will show, and be told, in the run


def number(reward: Any) -> float:
    """A reward as a float of 64 bits: any real number, or an array or tensor that holds one.

    Returns are sums of these: in a reward's own type a sum may stop to grow (float16: at 2048).
    Raises TypeError for anything else.
    """
    if isinstance(reward, np.ma.MaskedArray) and np.ma.is_masked(reward):
        raise TypeError("masked")
    try:
        plain = reward.item() if hasattr(reward, "item") else reward
    except (ValueError, RuntimeError) as error:  # of NumPy and of torch: several numbers, or none
        raise TypeError("not one number") from error
    if not isinstance(plain, SupportsFloat):
        raise TypeError("not a number")
    try:
        return float(plain)
    except OverflowError as error:
        raise TypeError("too large for 64 bits") from error


def numbers(obs: Any) -> Any:
    """The values of a tensor, or of a masked array, as an array of NumPy's own.

    Raises TypeError where entries are masked, or where there are no values.
    """
    if hasattr(obs, "detach"):
        try:
            return obs.detach().cpu().double().numpy()
        except (RuntimeError, TypeError, NotImplementedError) as error:  # one on the device meta
            raise TypeError("have no values") from error
    parts = obs.values() if isinstance(obs, dict) else obs if isinstance(obs, tuple) else (obs,)
    if any(np.ma.is_masked(part) for part in parts):
        raise TypeError("have masked entries")
    return obs.data if isinstance(obs, np.ma.MaskedArray) else obs


def yes(flag: Any) -> bool:
    """Whether an episode is over, as `step` said it: True, False, 1, 0, or an array that holds one.

    Raises TypeError for anything else: of a text, a list or NaN, Python would take any for True.
    """
    if flag is True or flag is False or type(flag) is np.bool_:
        return bool(flag)
    try:
        plain = flag.item() if hasattr(flag, "item") else flag
    except (ValueError, RuntimeError) as error:  # several of them, or none
        raise TypeError("not one") from error
    if np.ma.is_masked(flag) or plain not in (True, False):
        raise TypeError("neither true nor false")
    return bool(plain)


def _without_seed(env: Any) -> str:
    """What is wrong with a `reset` that takes no seed; "" if it takes one."""
    taken = inspect.signature(getattr(env, "unwrapped", env).reset).parameters.values()
    if any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in taken):
        return ""
    return ("its reset takes no seed, as in gym before 0.26: write it as gymnasium's "
            "reset(self, *, seed=None, options=None), which gives (obs, info)")  # fmt: skip


def _brief(thing: Any) -> str:
    """The thing on one short line."""
    text = f"a tuple of {len(thing)}" if isinstance(thing, tuple) else repr(thing)
    return text if len(text) < 60 else f"a {type(thing).__name__}"
