"""A policy for CartPole.

The objective `rl` is minus the return of a linear policy in an environment of gymnasium. A query is
one episode. ARS (augmented random search, arXiv:1803.07055) balances the pole within a hundred
episodes.
"""

# %%
import matplotlib.pyplot as plt

import zobench

figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for seed in range(3):
    problem = zobench.problem("rl", env="CartPole-v1")
    estimator = zobench.make("ars", lr=0.1, eps=0.1, n=2, keep=2)
    estimator.start(problem.start(seed), seed)
    evaluate = zobench.Oracle(problem, budget=120, seed=seed)
    points = []
    while evaluate.queries < 120:
        points.append((evaluate.queries, problem.score()["return"]))
        estimator.step(evaluate)
    points.append((evaluate.queries, problem.score()["return"]))
    print(f"seed {seed}: mean return {points[-1][1]:.0f} after {evaluate.queries} episodes")
    axes.plot(*zip(*points), label=f"seed {seed}")

# %% [markdown]
# The score is the mean return over 20 episodes that are never trained on; 500 is the largest return
# of the environment.

# %%
axes.set(xlabel="episodes of training", ylabel="mean return", ylim=(0, 520))
axes.legend()
figure.savefig("cartpole.svg")
