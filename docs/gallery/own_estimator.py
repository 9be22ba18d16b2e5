"""Your own estimator on a block quadratic.

The estimator below moves one random block of the point per step. It is compared with MeZO on a
quadratic of 200 variables in 10 blocks, in a loop.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

import zobench


class RandomBlock:
    """Central differences along a Gaussian direction in one random block."""

    def __init__(self, lr, eps):
        self.lr, self.eps = lr, eps

    def start(self, params, seed):
        self.params, self.seed, self.step_count = params, seed, 0

    def step(self, evaluate):
        seed = zobench.fold(self.seed, self.step_count)
        blocks = self.params.blocks
        block = blocks[np.random.default_rng(seed).integers(len(blocks))]
        direction = zobench.Restricted(zobench.Noise(seed), frozenset([block.index]))
        plus, minus = evaluate([(self.eps, direction), (-self.eps, direction)])
        slope = (plus - minus) / (2 * self.eps)
        self.params.add(-self.lr * slope, direction)
        self.step_count += 1


# %% [markdown]
# A loop needs a problem, its start, and an `Oracle`, which counts queries and ends the run with
# `BudgetExhausted`. `score()` costs no query. Both estimators get the same learning rates, and each
# is shown at its best one, which is larger for a block: it has a tenth of the curvature. MeZO is
# ahead here, since each block has few curved directions: see [Theory](../theory.md).


# %%
def curve(estimator, budget=2000):
    """The gap after every 20th step."""
    problem = zobench.problem("block-quadratic", dim=200, blocks=10)
    estimator.start(problem.start(seed=1), seed=1)
    evaluate = zobench.Oracle(problem, budget=budget, seed=1)
    gaps = []
    try:
        while True:
            gaps.append((evaluate.queries, problem.score()["gap"]))
            for _ in range(20):
                estimator.step(evaluate)
    except zobench.BudgetExhausted:
        return np.array(gaps)


def best(make, rates=(0.01, 0.03, 0.1, 0.3)):
    """The learning rate with the lowest last gap, and its curve."""
    curves = {lr: curve(make(lr)) for lr in rates}
    lr = min(rates, key=lambda lr: np.nan_to_num(curves[lr][-1, 1], nan=np.inf))
    return lr, curves[lr]


figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
with np.errstate(all="ignore"):  # the largest learning rates diverge
    for name, make in {
        "random block": lambda lr: RandomBlock(lr, eps=1e-3),
        "mezo": lambda lr: zobench.make("mezo", lr=lr, eps=1e-3),
    }.items():
        lr, points = best(make)
        print(f"{name}: best lr {lr:g}, gap {points[-1, 1]:.2g} after {points[-1, 0]:.0f} queries")
        axes.plot(*points.T, label=f"{name}, lr = {lr:g}")
axes.set(xlabel="queries", ylabel="gap", yscale="log")
axes.legend()
figure.savefig("own_estimator.svg")
