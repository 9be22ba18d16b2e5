"""Policies for gymnasium environments (Towers et al., arXiv:2407.17032), as black boxes."""

from __future__ import annotations

from zobench.objectives.rl.problem import PolicySearch
from zobench.registry import objectives


@objectives.register(
    "rl",
    version="1",
    paper="arXiv:1803.07055",
    needs="gymnasium",
    sanity={"env": "Pendulum-v1", "cap": 60, "score_episodes": 5, "test_episodes": 5},
)
def rl(
    env: str = "CartPole-v1",
    hidden: tuple = (),
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
    options: dict | None = None,
) -> PolicySearch:
    """Minus the return of a policy in an environment with Box or Discrete actions.

    `env`: a gymnasium id, or `module:id`; `options` go to its constructor. The policy is linear
    without bias and starts at 0 (ARS), or a tanh network with `hidden` layers such as [16]; a
    layer is a group. `whiten`: by the running moments of the training observations (ARS V2), which
    move between calls. `action_noise` > 0: a stochastic policy in training.

    A query is the mean over `episodes` training episodes, each of at most `cap` steps (0: the
    environment's limit), of rewards minus `shift` a step (survival bonuses). `seeds` of episodes:
    "common" to the probes of a call, "fresh" for each probe, or "fixed" for the whole run. Samples
    are steps; forward-equivalents are episodes. `workers` processes share the probes of a call:
    equal losses, to the last bit.

    The score is minus the mean plain return over `score_episodes` episodes without action noise,
    whose seeds are fixed and never trained on; `test_episodes` others are rolled out at the end.
    """
    return PolicySearch(
        env, hidden, bias, whiten, episodes, seeds, cap, shift, action_noise, score_episodes,
        test_episodes, workers, options,
    )  # fmt: skip
