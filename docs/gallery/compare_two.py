"""Compare two estimators.

`zobench.compare` runs estimators on a suite, here on one problem of the suite `smoke`, and stores
every run in a folder. The result has a verdict and data frames.
"""

# %%
import matplotlib.pyplot as plt

import zobench

result = zobench.compare(
    ["spsa", "random-search"],
    suite="smoke",
    problems=["sphere*"],
    repetitions=5,
    out="results/gallery",
    progress=False,
)
print(result.verdict)

# %% [markdown]
# Each run has its own row in `runs` and its own curve in `traces`; `run_key` connects them. The
# lines show the median over runs. Scores are gaps to the known minimum, without noise.

# %%
traces = result.traces.merge(result.runs[["run_key", "estimator"]], on="run_key")
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for estimator, part in traces.groupby("estimator"):
    curves = part.pivot(index="queries", columns="run_key", values="score").ffill()
    axes.plot(curves.index, curves, color="lightgray", linewidth=0.7)
    axes.plot(curves.index, curves.median(axis=1), label=estimator)
axes.set(xlabel="queries", ylabel="gap", xscale="symlog", yscale="log")
axes.legend()
figure.savefig("compare_two.svg")
