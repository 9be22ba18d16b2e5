"""The files that `zobench new` writes; words that begin with $ are replaced."""

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
        """Ask for losses with any number of calls, then move the point."""
        self.t += 1
        # A direction is a frozen value that is generated from its seed whenever it is needed. It
        # takes no memory, and the same line works for ten numbers and for a language model. The
        # docstring of zobench.Direction says how to write a direction of your own.
        z = Noise(fold(self.seed, self.t))  # z ~ N(0, I); Noise(seed, "rademacher") gives signs
        # A probe (scale, z) asks for the loss at x + scale * z. Each probe is one query. All probes
        # of one call of `evaluate` use the same minibatch (or draw of the noise), and the call does
        # not move x.
        plus, minus = evaluate([(self.eps, z), (-self.eps, z)])
        slope = (plus - minus) / (2 * self.eps)
        # Move x by a recipe: a weighted sum of directions.
        self.params.add(-self.lr, Recipe(((slope, z),)))


# The parameters of the function are the settings. Each has a default, and a user can set it:
#
#     zobench compare ./$function.py:$name:lr=0.1 mezo
#
# These are all facts that an entry can state. Those that are empty, 0 or False can be left out.
@estimator(
    "$name",
    paper="ours",  # such as "arXiv:2305.17333" or "doi:10.1109/9.119632"
    version="1",  # raise it when results change; only for a package, as a file counts by content
    space={"lr": (1e-6, 1.0, "log"), "eps": (1e-5, 0.1, "log")},  # what `zobench tune` searches
    sanity={"lr": 0.02},  # settings that solve a sphere of 24 variables in 4000 queries
    first_order=False,  # True: it uses gradients, and is shown as a reference line
    max_dim=0,  # the largest number of coordinates that it takes; 0: any
    needs="",  # a package that must be installed, such as "scipy"; import it inside the function
    install="",  # the name for `pip install`, if it differs from `needs`
    in_worker=(),  # heavy modules that a worker process imports once, before its runs
    isolate=False,  # True: each run has its own process
    packages=(),  # further packages that affect the results; their versions are recorded
)
def $function(lr: float = 1e-3, eps: float = 1e-3) -> $title:
    """One line for `zobench list`: what it does.

        slope = (f(x + eps z) - f(x - eps z)) / (2 eps),    z ~ N(0, I)
        x <- x - lr slope z

    Queries per step: 2. Memory: the weights.
    """
    return $title(lr, eps)


# Most methods are a sampler, a scheme and a rule, and need no class. The above is the same as
#
#     from zobench import ComposedEstimator, rules, samplers, schemes
#
#     return ComposedEstimator(samplers.gaussian, schemes.Central(eps), rules.SGD(lr))
#
# There, a setting with the annotation `zobench.schedules.Value` instead of `float` may also be a
# schedule, such as lr=cosine(1e-2,500). A class whose steps depend on the order of the losses alone
# sets `ranks = True`; its runs then continue after a loss of NaN or infinity.
''')

OBJECTIVE = Template('''\
"""$title: say in a sentence what is minimised, and where it comes from."""

import numpy as np

from zobench import VectorProblem, objective


# The parameters of the function are the settings. Each has a default, and a suite can set it in
# `settings = { ... }`. These are all facts that an entry of an objective can state. Those that are
# empty or False can be left out.
@objective(
    "$name",
    paper="",  # the source of the problem
    version="1",  # raise it when results change; only for a package, as a file counts by content
    sanity={},  # smaller settings for `zobench check`, if the defaults are large
    needs="",  # a package that must be installed; import it inside the function
    install="",  # the name for `pip install`, if it differs from `needs`
    in_worker=(),  # heavy modules that a worker process imports once, such as ("torch",)
    isolate=False,  # True: each run has its own process, so that its peak memory is its own
    packages=(),  # further packages that affect the results; their versions are recorded
)
def $function(dim: int = 10, steepness: float = 10.0) -> VectorProblem:
    """One line for `zobench list`; then the formula, its minimum and where it is."""
    scales = steepness ** np.linspace(0.0, 1.0, dim)

    def f(x: np.ndarray) -> np.ndarray:
        """Return the losses (n,) of n points, rows of shape (n, dim)."""
        return (scales * (x - 1.0) ** 2).sum(axis=1)

    def start(rng: np.random.Generator) -> np.ndarray:
        """Return the start of a run. `rng` gives the same numbers for every estimator."""
        return rng.standard_normal(dim)

    # `minimum` is f at its optimum: targets refer to the gap f(x) - minimum. If you do not know
    # it, leave it 0 and write the targets as values of f. VectorProblem can also have noise, a
    # gradient and several blocks: see help(zobench.VectorProblem).
    return VectorProblem(f, start, minimum=0.0)
''')

SUITE = Template("""\
# Run it:  zobench compare spsa random-search --suite $path.toml
name = "$name"
version = "1"               # raise it when old and new results must not be compared
description = "What this suite is for."
budget = 2000               # queries per run
repetitions = 5             # runs of every estimator on every problem, each with its own seed
# time_limit = 60           # seconds per run
# memory_limit = 1000       # MiB per run
# threads = 1               # of each library that computes, per run
# scored = "best"           # the point that counts for targets: "best" so far or "current"

# A problem may have any of the lines above, from budget on, for itself alone.
[[problem]]
id = "$name-d{dim}"
objective = "$objective"
settings = { $settings }
expand = { dim = [5, 20] }  # one problem for each value, which is also a setting
targets = { log10 = [2, -4], step = -0.5 }   # gaps to reach: 10^2, 10^1.5, ..., 10^-4
# group = "mine"            # problems of one group share tuned settings and a table
# instances = "1-5"         # one per repetition, for an objective with the setting `instance`
""")

ENVIRONMENT = Template('''\
"""$title: say in a sentence what is to be learned."""

import gymnasium
import numpy as np

from zobench import PolicySearch, objective


class $title(gymnasium.Env):
    """A cart on a line must come to rest at 0; the reward is minus its squared distance to that."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)  # position, speed
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)  # a force

    def __init__(self, render_mode: str | None = None) -> None:
        # `zobench watch` makes films of environments that have a `render` method.
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Begin an episode. super().reset seeds self.np_random; use no other randomness."""
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1.0, 1.0, 2)
        return self.state.astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple:
        """Return (observation, reward, terminated, truncated, info)."""
        position, speed = self.state
        speed += 0.2 * float(action[0])
        self.state = np.array([position + 0.2 * speed, speed])
        reward = -float(self.state @ self.state)
        return self.state.astype(np.float32), reward, False, False, {}


# `zobench new objective` shows all facts that an entry can state. See help(zobench.PolicySearch)
# for further settings.
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
# Run it:  zobench compare ars:lr=0.1,eps=0.1 cma-es --suite $path.toml
name = "$name"
version = "1"               # raise it when old and new results must not be compared
description = "Policies for $title."
budget = 300                # queries per run; each is the mean return of the training episodes
repetitions = 5             # runs of every estimator on every problem, each with its own seed

[[problem]]
id = "$name"
objective = "$file:$name"
settings = { cap = 50 }     # steps per episode, as the environment has no limit of its own
targets = [20.0, 10.0, 6.0] # minus the mean return: lower is better
""")

TASK = Template('''\
"""$title: say in a sentence what the prompt is for."""

from collections.abc import Sequence

from zobench import BlackBox, Service, Task, objective

LABEL_WORDS = ["bad", "good"]
MOODS = {"dull": 0, "awful": 0, "lovely": 1, "superb": 1}  # each with the index of its label word


def rows(things: Sequence[str]) -> list[tuple[str, int]]:
    """Return texts with the index of their label word. Read your own from a file instead."""
    return [(f"the {thing} was {mood}", label) for thing in things for mood, label in MOODS.items()]


def judge(texts: Sequence[str]) -> list[list[float]]:
    """Return one row of scores per text, one score per label word; the highest is the answer.

    Call your model or service here. This toy judges with more certainty after some words.
    """
    scores = []
    for text in texts:
        words = text.split()
        certainty = 1.0 + sum(word in ("honest", "critic") for word in words[:3])
        mood = MOODS.get(words[-1]) if words else None
        scores.append([0.0, 0.0 if mood is None else certainty if mood else -certainty])
    return scores


# `zobench new objective` shows all facts that an entry can state.
@objective("$name")
def $function(tokens: int = 3, reading: str = "largest") -> BlackBox:
    """Cross-entropy of the label words after `tokens` chosen words and a text."""
    train, dev, test = rows(["film", "book"]), rows(["song", "play"]), rows(["meal", "room"])
    task = Task("$name", LABEL_WORDS, train, dev, test)
    words = ["the", "of", "blue", "honest", "seven", "critic"]  # the prompt consists of these
    # For a paid service: Service(judge, words=2, together=16, per_minute=60, retries=5)
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
# Run it:  zobench compare bdpl random-search:sigma=1 --suite $path.toml
name = "$name"
version = "1"               # raise it when old and new results must not be compared
description = "Prompts for $title."
budget = 400                # queries per run; each is the loss of one prompt on the train rows
repetitions = 5             # runs of every estimator on every problem, each with its own seed

[[problem]]
id = "$name"
objective = "$file:$name"
targets = [0.2, 0.05, 0.02] # loss on the dev rows
""")
