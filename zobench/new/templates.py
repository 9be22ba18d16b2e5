"""The files that `zobench new` writes, with $name, $function and $title to be filled in."""

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
# `space` says where `zobench tune` looks for better ones: (low, high, "log" or "linear").
@estimator(
    "$name",
    space={"lr": (1e-6, 1.0, "log"), "eps": (1e-5, 0.1, "log")},
)
def $function(lr: float = 1e-3, eps: float = 1e-3) -> $title:
    """One line for `zobench list`; then the formula, and how many queries a step takes."""
    return $title(lr, eps)


# Most methods are sampler x scheme x rule, and need no class at all. The above is the same as
#
#     from zobench import ComposedEstimator, rules, samplers, schemes
#
#     return ComposedEstimator(samplers.gaussian, schemes.Central(eps), rules.SGD(lr))
''')

OBJECTIVE = Template('''\
"""$title: say in a sentence what is minimised, and where it comes from."""

import numpy as np

from zobench import VectorProblem, objective


# The defaults below are the settings; a suite gives others in its `settings = { ... }`.
@objective("$name")
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
# Compare on your own objective:  zobench compare spsa random-search --suite ./$function.toml
name = "$name"
version = "1"               # raise it when results before and after must not be compared
description = "What this suite is for."
budget = 2000               # queries a run
repetitions = 5             # runs of every estimator on every problem, each with its own seed

[[problem]]
id = "$name-d{dim}"         # one problem for each value in `expand`
objective = "$file:$name"
expand = { dim = [5, 20] }
settings = { steepness = 10.0 }
targets = { log10 = [2, -4], step = -0.5 }   # gaps to reach: 10^2, 10^1.5, ..., 10^-4
""")
