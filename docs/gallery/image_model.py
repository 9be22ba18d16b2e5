"""Your own image model as an objective.

An `InPlaceProblem` is any loss of torch tensors: it states the tensors that move and the loss. Here
a network with convolutions distinguishes horizontal and vertical bars in images of 8 x 8 pixels.
"""

# %%
import matplotlib.pyplot as plt
import torch

import zobench


def images(count, seed):
    """Noisy images with one bar, and 1 for a vertical bar, 0 for a horizontal one."""
    generator = torch.Generator().manual_seed(seed)
    x = 0.5 * torch.randn(count, 1, 8, 8, generator=generator)
    labels = torch.randint(0, 2, (count,), generator=generator)
    rows = torch.randint(0, 8, (count,), generator=generator)
    for image, label, row in zip(x, labels, rows):
        bar = image[0, :, row] if label else image[0, row, :]
        bar += 1.0
    return x, labels


class Bars(zobench.InPlaceProblem):
    """Classification of bars; the score is the loss on 500 images that are never trained on."""

    stochastic = True  # the loss depends on the minibatch

    def start(self, seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = torch.nn.Sequential(
                torch.nn.Conv2d(1, 6, 5, padding=2), torch.nn.ReLU(), torch.nn.AdaptiveMaxPool2d(1),
                torch.nn.Flatten(), torch.nn.Linear(6, 2),
            )  # fmt: skip
        self.train, self.test = images(2000, seed=1), images(500, seed=2)
        self.params = zobench.TensorParams(self.net.named_parameters())
        self.reset_meters()
        return self.params

    def loss(self, seed):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randint(0, 2000, (64,), generator=generator)
        self.samples += 64
        x, labels = self.train
        with torch.inference_mode():
            return float(torch.nn.functional.cross_entropy(self.net(x[rows]), labels[rows]))

    def score(self):
        x, labels = self.test
        with torch.inference_mode():
            outputs = self.net(x)
        accuracy = float((outputs.argmax(1) == labels).float().mean())
        return {
            "loss": float(torch.nn.functional.cross_entropy(outputs, labels)),
            "accuracy": accuracy,
        }


# %% [markdown]
# The loop is the same as for any problem. With the decorator `zobench.objective`, the class becomes
# an objective of suites, and `zobench check` tests it: see [Own objective](../own-objective.md).

# %%
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name, lr in (("mezo", 0.02), ("zo-adam", 0.02)):
    problem = Bars()
    estimator = zobench.make(name, lr=lr, eps=1e-3)
    estimator.start(problem.start(seed=0), seed=0)
    evaluate = zobench.Oracle(problem, budget=2000, seed=0)
    points = []
    for step in range(1000):
        if step % 50 == 0:
            points.append((evaluate.queries, problem.score()["loss"]))
        estimator.step(evaluate)
    print(
        f"{name}: test accuracy {problem.score()['accuracy']:.0%} after {evaluate.queries} queries"
    )
    axes.plot(*zip(*points), label=name)
axes.set(xlabel="queries", ylabel="test loss")
axes.legend()
figure.savefig("image_model.svg")
