"""The contract of an environment: the parts of gymnasium's interface that PolicySearch needs."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from zobench.errors import BadInput, MissingPackage
from zobench.harness.elements import seed_generators
from zobench.testing.contract import (
    Breach,
    CheckSubject,
    Contract,
    NotApplicable,
    global_generators,
)

STEPS = 200  # at most, of an episode that is compared with another
SEEDED = "draw from self.np_random, which super().reset(seed=seed) seeds"

contract = Contract("environment")
check = contract.check


@contextmanager
def open_environment(subject: CheckSubject) -> Iterator[Any]:
    """Make a new environment, and close it at the end."""
    env = subject.thing()
    try:
        yield env
    finally:
        getattr(env, "close", lambda: None)()


def draw_actions(env: Any, seed: int) -> Iterator[Any]:
    """Draw actions from the action space; equal seeds give equal actions."""
    env.action_space.seed(seed)
    while True:
        yield env.action_space.sample()


def episode(env: Any, seed: int, steps: int = STEPS, seeded: bool = True) -> list[Any]:
    """Run reset and at most `steps` steps; return the observations and rewards as plain values.

    `seeded`: seed the global generators first, so that an environment that draws from them fails
    one check instead of all.
    """
    if seeded:
        seed_generators(0)
    actions = draw_actions(env, seed)
    obs, _ = env.reset(seed=seed)
    trace: list[Any] = [_plain(env, obs)]
    for _ in range(steps):
        obs, reward, terminated, truncated, _ = env.step(next(actions))
        trace.append((_plain(env, obs), float(reward), bool(terminated), bool(truncated)))
        if terminated or truncated:
            break
    return trace


def _plain(env: Any, obs: Any) -> list[float]:
    from gymnasium import spaces

    return np.asarray(spaces.flatten(env.observation_space, obs), float).tolist()


@check("makes")
def it_makes_an_environment(subject: CheckSubject) -> None:
    """It makes an environment with reset, step, an action space and an observation space."""
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        raise MissingPackage("gymnasium", "gymnasium") from error
    with open_environment(subject) as env:
        if isinstance(env, type):
            raise Breach(f"makes the class {env.__name__}: return an environment of it")
        for name in ("reset", "step", "action_space", "observation_space"):
            if not hasattr(env, name):
                raise Breach(f"makes a {type(env).__name__} without {name}: derive its class from "
                             "gymnasium.Env, and set its spaces")  # fmt: skip
        for name in ("action_space", "observation_space"):
            if not isinstance(getattr(env, name), gymnasium.spaces.Space):
                raise Breach(f"has an {name} that is not a space of gymnasium: give one, such as "
                             "gymnasium.spaces.Box(-1.0, 1.0, (2,))")  # fmt: skip


@check("docstring")
def it_is_documented(subject: CheckSubject) -> None:
    """Its class or function has a docstring that describes the task; so has its file."""
    if not (inspect.getdoc(subject.thing) or "").strip() or not subject.thing.__doc__:
        raise Breach("has no docstring: say what is to be learned, and what the reward is")
    if not sys.modules[subject.thing.__module__].__doc__:
        raise Breach("comes from a file without a docstring: begin the file with one")


@check("spaces")
def its_spaces_suit_a_policy(subject: CheckSubject) -> None:
    """Actions are Box or Discrete; observations are a fixed number of numbers."""
    from gymnasium import spaces

    with open_environment(subject) as env:
        if not isinstance(env.action_space, (spaces.Box, spaces.Discrete)):
            raise Breach(f"has actions of {env.action_space}: give a Box or a Discrete space")
        if not env.observation_space.is_np_flattenable:
            raise Breach(f"has observations of {env.observation_space}, which are not a fixed "
                         "number of numbers: give Box, Discrete, or a Dict or Tuple of "
                         "these")  # fmt: skip


@check("reset", "spaces")
def reset_gives_an_observation_of_its_space(subject: CheckSubject) -> None:
    """reset(seed=...) gives (observation, info), and the observation is of the stated space."""
    with open_environment(subject) as env:
        parameters = inspect.signature(getattr(env, "unwrapped", env).reset).parameters
        if not any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters.values()):
            raise Breach("has a reset without a seed: write "
                         "reset(self, *, seed=None, options=None)")  # fmt: skip
        result = env.reset(seed=0)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise Breach(f"gives {_kind(result)} from reset: return (observation, info), where "
                         "info is a dict")  # fmt: skip
        _check_observation(env, result[0], "reset")


@check("step", "reset")
def a_step_gives_five_values(subject: CheckSubject) -> None:
    """A step gives (observation, reward, terminated, truncated, info), each of its type."""
    with open_environment(subject) as env:
        env.reset(seed=0)
        actions = draw_actions(env, 0)
        for _ in range(20):
            result = env.step(next(actions))
            if not (isinstance(result, tuple) and len(result) == 5):
                raise Breach(f"gives {_kind(result)} from step: return (observation, reward, "
                             "terminated, truncated, info)")  # fmt: skip
            obs, reward, terminated, truncated, info = result
            if np.ndim(reward) or not _is_number(reward):
                raise Breach(f"gives the reward {_kind(reward)}: return one number, float(reward)")
            if not math.isfinite(float(reward)):
                raise Breach(f"gives the reward {float(reward)}: return a finite number")
            for name, flag in (("terminated", terminated), ("truncated", truncated)):
                if not isinstance(flag, bool | np.bool_):
                    raise Breach(f"gives {name} as {_kind(flag)}: return True or False")
            if not isinstance(info, dict):
                raise Breach(f"gives info as {_kind(info)}: return a dict, such as {{}}")
            _check_observation(env, obs, "step")
            if terminated or truncated:
                env.reset(seed=0)


def _check_observation(env: Any, obs: Any, giver: str) -> None:
    if not env.observation_space.contains(obs):
        shape = f" of shape {obs.shape} and {obs.dtype}" if isinstance(obs, np.ndarray) else ""
        raise Breach(f"gives an observation from {giver}{shape} that is not of its space "
                     f"{env.observation_space}: return one of that shape, type and "
                     "range")  # fmt: skip


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__}"


@check("repeats", "step")
def equal_seeds_give_equal_episodes(subject: CheckSubject) -> None:
    """Equal seeds give equal episodes, also in a new environment."""
    traces = []
    for _ in range(2):
        with open_environment(subject) as env:
            traces.append([episode(env, seed) for seed in (1, 2)])
    if traces[0] != traces[1]:
        raise Breach(f"gives another episode when it is reset with the same seed: {SEEDED}")


@check("leftovers", "repeats")
def reset_leaves_nothing_behind(subject: CheckSubject) -> None:
    """The episode of a seed does not depend on earlier episodes or on another environment."""
    with open_environment(subject) as env:
        first = episode(env, 1)
        episode(env, 2)
        if episode(env, 1) != first:
            raise Breach("gives another episode after other ones: set all of its state anew in "
                         "reset")  # fmt: skip
    with open_environment(subject) as env, open_environment(subject) as other:
        seed_generators(0)
        env.reset(seed=1)
        episode(other, 2)
        actions = draw_actions(env, 1)
        for _, reward, *_ in first[1:]:
            if float(env.step(next(actions))[1]) != reward:
                raise Breach("shares state between two environments: keep it in self, not in the "
                             "class or the file")  # fmt: skip


@check("actions", "step")
def it_changes_no_action(subject: CheckSubject) -> None:
    """A step does not change the action that it is given."""
    with open_environment(subject) as env:
        env.reset(seed=0)
        action = next(draw_actions(env, 0))
        before = np.array(action)
        env.step(action)
        if not np.array_equal(before, action):
            raise Breach("changes the action that it is given: compute with a copy")


@check("generators", "step")
def global_generators_are_untouched(subject: CheckSubject) -> None:
    """It does not use the global generators of numpy.random, random or torch."""
    with global_generators(SEEDED), open_environment(subject) as env:
        episode(env, 1, seeded=False)


@check("ends", "step")
def its_episodes_end(subject: CheckSubject) -> None:
    """An episode ends within 10,000 steps; otherwise PolicySearch needs a cap."""
    with open_environment(subject) as env:
        if len(episode(env, 1, 10_000)) > 10_000:
            raise NotApplicable("an episode goes on after 10,000 steps: give PolicySearch a cap")


@check("policy", "step")
def a_policy_can_be_searched(subject: CheckSubject) -> None:
    """PolicySearch starts on it, and gives finite losses and scores."""
    from zobench.objectives.rl.problem import PolicySearch
    from zobench.testing.objectives import pairs

    try:
        problem = PolicySearch(subject.thing, cap=50, score_episodes=2, test_episodes=0)
        problem.start(1)
        values = [*map(float, problem.losses(pairs(), 5)), *problem.score().values()]
    except BadInput as error:
        raise Breach(f"is refused by PolicySearch: {error}") from error
    if not all(map(math.isfinite, values)):
        raise Breach("gives a policy returns that are not finite: bound its state or end the "
                     "episode")  # fmt: skip
