"""Read results with pandas.

A results folder has CSV files: `runs.csv` with one row per run, `hits.csv` with one row per target
that a run reached, and others. [Reading results](../reading-results.md) defines their columns.
"""

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import zobench

zobench.run(
    ["cma-es", "spsa"], suite="smoke", problems=["bbob*"], out="results/pandas", progress=False
)
runs = pd.read_csv("results/pandas/runs.csv")
print(runs[["problem", "estimator", "repetition", "status", "queries", "best_score"]].head(4))

# %% [markdown]
# Medians over the runs of each problem and estimator. Columns with several values, such as
# `settings`, are JSON.

# %%
print(runs.pivot_table(index="problem", columns="estimator", values="queries", aggfunc="median"))
print({text: json.loads(text) for text in runs["settings"].unique()[:1]})

# %% [markdown]
# The share of all pairs of run and target that are reached, over queries: the ECDF of run
# lengths.

# %%
hits = pd.read_csv("results/pandas/hits.csv")
hits = hits[hits["kind"] == "best"]  # on bbob, the best evaluated point counts
pairs = 5 * len(runs) / runs["estimator"].nunique()  # five targets per run
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for estimator, part in hits.groupby("estimator"):
    queries = part["queries"].sort_values()
    axes.step(queries, np.arange(1, len(queries) + 1) / pairs, where="post", label=estimator)
axes.set(xlabel="queries", ylabel="share of targets reached", xscale="log", ylim=(0, 1))
axes.legend()
figure.savefig("read_results.svg")
