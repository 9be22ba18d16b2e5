"""Fine-tune the embedded language model.

zobench comes with a small pretrained OPT model and a sentiment task: no download is needed.
`zobench.ZerothOrder` trains its weights in place, with MeZO and with MeZO-BCD.
"""

# %%
import matplotlib.pyplot as plt

import zobench

# %% [markdown]
# The problem loads the model as `net`. `loss(seed)` is the loss on the minibatch of a seed, and
# `score()` the loss and the accuracy on the dev split. MeZO-BCD moves one group of blocks per step:
# the embeddings, a decoder layer, or the head.


# %%
def train(name, lr, steps=150):
    """The dev loss over queries."""
    problem = zobench.problem("llm", model="tiny", task="sentiment", batch=8)
    problem.start(seed=0)
    optimizer = zobench.ZerothOrder(problem.net, name, lr=lr, eps=1e-3)
    points = [(0, problem.score()["loss"])]
    for step in range(1, steps + 1):
        optimizer.step(lambda step=step: problem.loss(step))
        if step % 25 == 0:
            points.append((optimizer.queries, problem.score()["loss"]))
    print(f"{name}: dev loss {points[0][1]:.2f}, after {points[-1][0]} queries {points[-1][1]:.2f}")
    return points


figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name, lr in (("mezo", 3e-4), ("mezo-bcd", 1e-3)):
    axes.plot(*zip(*train(name, lr)), marker="o", markersize=3, label=f"{name}, lr = {lr:g}")
axes.set(xlabel="queries", ylabel="dev loss")
axes.legend()
figure.savefig("fine_tune.svg")
