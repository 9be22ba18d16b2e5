"""Environments that a user might write, with and without faults, and the objective of them."""

from __future__ import annotations

import os
import time

import gymnasium
import numpy as np

from zobench.objectives.rl.problem import PolicySearch

HERE = os.getpid()


class Line(gymnasium.Env):
    """A place that is pushed; the start and the wind come from the seed. Ends after 30 steps."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    length = 30

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(1.0, 2.0), 0
        return self.observe(), {}

    def step(self, action):
        self.steps += 1
        self.place += 0.1 * float(action[0]) + 0.01 * self.np_random.standard_normal()
        return self.observe(), self.reward(), False, self.steps == self.length, {}

    def reward(self) -> float:
        return 1.0 - abs(self.place)

    def observe(self) -> np.ndarray:
        return np.array([self.place, 5.0, 100.0 + self.steps])


class Raising(Line):
    def reward(self):
        return 1.0 / (3 - self.steps)


class NanReward(Line):
    def reward(self):
        return float("nan") if self.steps == 7 else 0.0


class NanObservation(Line):
    def observe(self):
        return np.full(3, np.nan if self.steps == 4 else 1.0)


class Endless(Line):
    length = -1


class Sleeping(Line):
    def reward(self):
        while True:
            pass


class Dying(Line):
    """Ends its process, unless that is the one of the test."""

    def reward(self):
        if os.getpid() != HERE:
            os._exit(3)
        return 0.0


class Leftover(Line):
    """`reset` forgets to set back what earlier episodes moved."""

    drift = 0.0

    def reward(self):
        self.drift += 0.01 * self.place
        return self.drift


class Unseeded(Line):
    def reward(self):
        return float(np.random.default_rng().standard_normal())


class Short(Line):
    def observe(self):
        return np.zeros(2 if self.steps == 3 else 3)


class Four(Line):
    def step(self, action):
        return super().step(action)[:4]


class Bare(Line):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class Unpaid(Line):
    def reward(self):
        return None


class Greedy(Line):
    def reward(self):
        raise MemoryError("no room for a reward")


class Stalling(Line):
    """Its 16th episode never gets on, without using the processor."""

    episodes = 0

    def reset(self, *, seed=None, options=None):
        self.episodes += 1
        time.sleep(1e6 if self.episodes == 16 else 0.0)
        return super().reset(seed=seed)


class Several(Line):
    action_space = gymnasium.spaces.MultiDiscrete([2, 3])


class Dictionary(Line):
    """Observations that must be flattened, whole numbers as actions that begin at 5."""

    observation_space = gymnasium.spaces.Dict(
        {"a": gymnasium.spaces.Discrete(3), "b": gymnasium.spaces.Box(-9.0, 9.0, (2, 2))}
    )
    action_space = gymnasium.spaces.Discrete(3, start=5)

    def step(self, action):
        assert action in (5, 6, 7)
        return super().step([action - 6.0])

    def observe(self):
        return {"a": 1, "b": np.full((2, 2), self.place, np.float32)}


KINDS = (Line, Raising, NanReward, NanObservation, Endless, Sleeping, Dying, Several, Short, Four,
         Bare, Unpaid, Greedy, Stalling)  # fmt: skip


def line(kind: str = "Line", workers: int = 1, whiten: bool = False) -> PolicySearch:
    """The environment of that name."""
    made = {each.__name__: each for each in KINDS}[kind]
    return PolicySearch(made, whiten=whiten, workers=workers, score_episodes=2, test_episodes=0)
