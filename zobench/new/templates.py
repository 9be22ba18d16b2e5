"""The files that `zobench new` writes, with the words that begin with $ to be filled in."""

from string import Template

ESTIMATOR = Template('''\
"""$title: say in a sentence what it does, and which paper it comes from."""

from zobench import Evaluate, Noise, Params, Recipe, estimator, fold


class $title:
    """An estimator is a class with `start` and `step`. This one is a two-point random step."""

    def __init__(self, lr: float, eps: float) -> None:
        self.lr, self.eps = lr, eps

    def start(self, params: Params, seed: int) -> None:
        """Take the point to improve. All randomness must come from `seed`."""
        self.params, self.seed, self.t = params, seed, 0

    def step(self, evaluate: Evaluate) -> None:
        """Ask for losses, as often as it takes, then move the point."""
        self.t += 1
        # A direction is a frozen value: it replays from its seed, so it is never stored, and it
        # never changes. The same line works for a vector of ten numbers and for a language model.
        # A direction of your own derives from zobench.Direction, which says how.
        z = Noise(fold(self.seed, self.t))  # z ~ N(0, I); Noise(seed, "rademacher") gives signs
        # A probe (scale, z) asks for the loss at x + scale * z. One call of `evaluate` uses one
        # minibatch (or one draw of the noise) for all its probes; each probe is one query, and x
        # is afterwards where it was.
        plus, minus = evaluate([(self.eps, z), (-self.eps, z)])
        slope = (plus - minus) / (2 * self.eps)
        # Move x by a recipe: a weighted sum of directions.
        self.params.add(-self.lr, Recipe(((slope, z),)))


# The defaults below are the settings: `zobench compare ./$function.py:$name:lr=0.1 mezo`.
# What an entry can state beside its name:
@estimator(
    "$name",
    paper="ours",  # such as "arXiv:2305.17333" or "doi:10.1109/9.119632"
    version="1",  # of what is registered in a package; a file's version is its content
    space={"lr": (1e-6, 1.0, "log"), "eps": (1e-5, 0.1, "log")},  # where `zobench tune` looks
    sanity={"lr": 0.02},  # settings that solve a sphere of 24 variables in 4000 queries
    first_order=False,  # True: it asks for gradients, and is shown as a reference line
    max_dim=0,  # the largest number of coordinates that it takes; 0: any
    needs="",  # a package that must be installed, such as "scipy"; imported only in here
    install="",  # what to `pip install` for it, where that has another name
    in_worker=(),  # heavy modules that a worker imports once, before its runs
    isolate=False,  # True: each run in a fresh process
    packages=(),  # further packages that define its results: their versions are kept
)
def $function(lr: float = 1e-3, eps: float = 1e-3) -> $title:
    """One line for `zobench list`: what it does.

        slope = (f(x + eps z) - f(x - eps z)) / (2 eps),    z ~ N(0, I)
        x <- x - lr slope z

    Queries per step: 2. Memory: the weights.
    """
    return $title(lr, eps)


# Most methods are sampler x scheme x rule, and need no class at all. The above is the same as
#
#     from zobench import ComposedEstimator, rules, samplers, schemes
#
#     return ComposedEstimator(samplers.gaussian, schemes.Central(eps), rules.SGD(lr))
#
# An estimator that only asks which of two losses is lower sets `ranks = True` in its class.
''')

OBJECTIVE = Template('''\
"""$title: say in a sentence what is minimised, and where it comes from."""

import numpy as np

from zobench import VectorProblem, objective


# The defaults below are the settings; a suite gives others in its `settings = { ... }`.
# What an entry can state beside its name:
@objective(
    "$name",
    paper="",  # where the problem comes from
    version="1",  # of what is registered in a package; a file's version is its content
    sanity={},  # settings for `zobench check`, where the defaults are large
    needs="",  # a package that must be installed; imported only in here
    install="",  # what to `pip install` for it, where that has another name
    in_worker=(),  # heavy modules that a worker imports once, before its runs, such as ("torch",)
    isolate=False,  # True: each run in a fresh process, so that its memory is its own
    packages=(),  # further packages that define its results: their versions are kept
)
def $function(dim: int = 10, steepness: float = 10.0) -> VectorProblem:
    """One line for `zobench list`; then the formula, its minimum and where it is."""
    scales = steepness ** np.linspace(0.0, 1.0, dim)

    def f(x: np.ndarray) -> np.ndarray:
        """Losses of many points at once: rows of shape (n, dim) -> (n,)."""
        return (scales * (x - 1.0) ** 2).sum(axis=1)

    def start(rng: np.random.Generator) -> np.ndarray:
        """Where a run starts. All randomness comes from `rng`, the same for every estimator."""
        return rng.standard_normal(dim)

    # `minimum` is f at its optimum: targets refer to the gap f(x) - minimum. If you do not know
    # it, leave it 0 and write the targets as values of f.
    return VectorProblem(f, start, minimum=0.0)
''')

SUITE = Template("""\
# Compare on your own objective:  zobench compare spsa random-search --suite $path.toml
name = "$name"
version = "1"               # raise it when results before and after must not be compared
description = "What this suite is for."
budget = 2000               # queries per run
repetitions = 5             # runs of every estimator on every problem, each with its own seed
# time_limit = 60           # seconds per run
# memory_limit = 1000       # MiB per run
# threads = 1               # of each library that computes, per run
# scored = "best"           # what reaches a target: the "current" or the "best" point

[[problem]]
id = "$name-d{dim}"         # one problem for each value in `expand`
objective = "$objective"
expand = { dim = [5, 20] }
settings = { $settings }
targets = { log10 = [2, -4], step = -0.5 }   # gaps to reach: 10^2, 10^1.5, ..., 10^-4
# group = "mine"            # problems of one group share tuned settings, and a table
# instances = "1-5"         # of an objective with the setting `instance`: one per repetition
""")

ENVIRONMENT = Template('''\
"""$title: say in a sentence what is to be learned."""

import gymnasium
import numpy as np

from zobench import PolicySearch, objective


class $title(gymnasium.Env):
    """A cart on a line, to be brought to rest at zero; the reward is minus its distance."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)  # place and speed
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)  # a push

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode  # "rgb_array": `zobench watch` films it, with `render`

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Begin an episode. All randomness comes from self.np_random, seeded here."""
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1.0, 1.0, 2)
        return self.state.astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple:
        """(observation, reward, terminated, truncated, info)."""
        place, speed = self.state
        speed += 0.2 * float(action[0])
        self.state = np.array([place + 0.2 * speed, speed])
        reward = -float(self.state @ self.state)
        return self.state.astype(np.float32), reward, False, False, {}


# What else an entry can state: `zobench new objective` shows it. PolicySearch has more settings.
@objective("$name", needs="gymnasium", sanity={"score_episodes": 5})
def $function(
    cap: int = 50, hidden: tuple = (), whiten: bool = False, score_episodes: int = 20
) -> PolicySearch:
    """Minus the return of a policy, linear or with `hidden` layers; episodes of `cap` steps."""
    return PolicySearch(
        $title, cap=cap, hidden=hidden, whiten=whiten, score_episodes=score_episodes
    )
''')

ENVIRONMENT_SUITE = Template("""\
# Compare on your own environment:  zobench compare ars:lr=0.1,eps=0.1 cma-es --suite $path.toml
name = "$name"
version = "1"               # raise it when results before and after must not be compared
description = "Policies for $title."
budget = 300                # queries per run: one is the mean return of the training episodes
repetitions = 5             # runs of every estimator on every problem, each with its own seed

[[problem]]
id = "$name"
objective = "$file:$name"
settings = { cap = 50 }     # steps of an episode, where the environment has no limit of its own
targets = [20.0, 10.0, 6.0] # minus the mean return: lower is better
""")

TASK = Template('''\
"""$title: say in a sentence what the prompt is for."""

from collections.abc import Sequence

from zobench import BlackBox, Service, Task, objective

LABEL_WORDS = ["bad", "good"]
MOODS = {"dull": 0, "awful": 0, "lovely": 1, "superb": 1}  # 0 and 1: which label word is right


def rows(things: Sequence[str]) -> list[tuple[str, int]]:
    """Texts with the number of their label word: here made up, in yours read from a file."""
    return [(f"the {thing} was {mood}", label) for thing in things for mood, label in MOODS.items()]


def judge(texts: Sequence[str]) -> list[list[float]]:
    """One row of scores per text, one score per label word: bad, good. The highest is the answer.

    Ask your model or service here. This one is a toy, which reads with more care after some words.
    """
    scores = []
    for text in texts:
        words = text.split()
        care = 1.0 + sum(word in ("honest", "critic") for word in words[:3])
        mood = MOODS.get(words[-1]) if words else None
        scores.append([0.0, 0.0 if mood is None else care if mood else -care])
    return scores


# What else an entry can state: `zobench new objective` shows it.
@objective("$name")
def $function(tokens: int = 3, reading: str = "largest") -> BlackBox:
    """Cross-entropy of the label words after `tokens` chosen words and a text."""
    train, dev, test = rows(["film", "book"]), rows(["song", "play"]), rows(["meal", "room"])
    task = Task("$name", LABEL_WORDS, train, dev, test)
    words = ["the", "of", "blue", "honest", "seven", "critic"]  # to choose among
    # A paid judge: Service(judge, words=2, together=16, per_minute=60, retries=5)
    return BlackBox(
        task,
        lambda: Service(judge, words=len(LABEL_WORDS)),
        tokens=tokens,
        candidates=words,
        reading=reading,
        shots=0,  # rows per label word; 0: all
        dev_shots=0,
    )
''')

TASK_SUITE = Template("""\
# Search a prompt for your own task:  zobench compare bdpl random-search:sigma=1 --suite $path.toml
name = "$name"
version = "1"               # raise it when results before and after must not be compared
description = "Prompts for $title."
budget = 400                # queries per run: one is the loss of one prompt on the train rows
repetitions = 5             # runs of every estimator on every problem, each with its own seed

[[problem]]
id = "$name"
objective = "$file:$name"
targets = [0.2, 0.05, 0.02] # loss on the dev rows
""")
