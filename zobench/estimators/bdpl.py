"""Black-box discrete prompt learning, BDPL (Diao et al., 2022, https://arxiv.org/abs/2201.08531)."""

from dataclasses import dataclass

import numpy as np

from zobench.core.directions import Dense, Restricted
from zobench.core.estimator import fit_schedules
from zobench.core.fixed import locked
from zobench.core.params import Params
from zobench.core.schedules import Value, at
from zobench.core.schemes import Evaluate
from zobench.core.seeds import fold
from zobench.errors import BadInput
from zobench.registry import estimators

VERTEX = 100.0  # the logit of a sampled choice: above any noise that the objective may add


def to_simplex(p: np.ndarray) -> np.ndarray:
    """Return the nearest point of the simplex (Held et al., 1974, doi:10.1007/BF01580223)."""
    high = np.sort(p)[::-1]
    excess = np.cumsum(high) - 1.0
    last = np.flatnonzero(high * np.arange(1, len(p) + 1) > excess)[-1]  # that stays above 0
    return np.maximum(p - excess[last] / (last + 1), 0.0)


@dataclass
class BDPL:
    """Variance-reduced policy gradient over independent choices, and normals beside them."""

    lr: Value
    eps: float
    n: int

    def start(self, params: Params, seed: int) -> None:
        """Move to equal probabilities, or to those nearest to a point that is not zero."""
        self.params, self.seed, self.t = params, seed, 0
        choices = {i for g in params.groups if g.role == "choice" for i in g.blocks}
        self.slots = [b for b in params.blocks if b.index in choices]
        self.rest = frozenset(b.index for b in params.blocks if b.index not in choices)
        if not self.slots:
            return
        self.x = params.flat()
        move = -self.x
        for b in self.slots:
            part = slice(b.start, b.start + b.size)
            move[part] += to_simplex(self.x[part] + 1.0 / b.size)
        params.add(1.0, Restricted(Dense(move), frozenset(choices)))

    def step(self, evaluate: Evaluate) -> None:
        """Ask for the losses of n samples of the policy, and move it."""
        if self.t == 1:
            fit_schedules([self], evaluate)
        rng = np.random.default_rng(fold(self.seed, self.t))
        x = self.params.flat()
        samples = locked(np.stack([self._sample(x, rng) for _ in range(self.n)]))
        losses = np.asarray(evaluate([(1.0, Dense(offset)) for offset in samples]), float)
        weights = (losses - losses.mean()) / (self.n - 1)
        self.params.add(1.0, Dense(self._move(x, samples, weights)))
        self.t += 1

    def _sample(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a sample of the policy, as its offset from x, shape (d,)."""
        offset = np.zeros(len(x))
        for b in self.params.blocks:
            part = slice(b.start, b.start + b.size)
            if b.index in self.rest:
                offset[part] = self.eps * rng.standard_normal(b.size)
            else:
                p = to_simplex(x[part])
                offset[part] = -x[part]
                offset[b.start + rng.choice(b.size, p=p / p.sum())] += VERTEX
        return offset

    def _move(self, x: np.ndarray, samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return -lr times the policy gradient, projected on the simplex for choices."""
        move, lr = np.zeros(len(x)), at(self.lr, self.t)
        for b in self.params.blocks:
            part = slice(b.start, b.start + b.size)
            if b.index in self.rest:
                move[part] = -lr * weights @ samples[:, part] / self.eps**2
                continue
            p = to_simplex(x[part])
            drawn = (samples[:, part] + x[part]).argmax(1)
            pull = weights / p[drawn]  # of the sampled candidates
            gradient = np.full(b.size, -pull.sum())
            np.add.at(gradient, drawn, 2.0 * pull)
            move[part] = to_simplex(p - lr * gradient) - x[part]
        return move


@estimators.register(
    "bdpl",
    paper="arXiv:2201.08531",
    space={"lr": (1e-3, 10.0, "log"), "n": [10, 20, 40]},
    sanity={"lr": 0.05},
)
def bdpl(lr: Value = 1.0, eps: float = 0.1, n: int = 20) -> BDPL:
    """Policy gradient over words: each slot of a prompt has probabilities of its candidates.

        j_i ~ Cat(p_i) for every slot i: one prompt;  n prompts per step, of losses f_1 ... f_n
        dlog P / dp_ij = 1 / p_(i j_i) at j = j_i,  -1 / p_(i j_i) elsewhere
        g_i = 1 / (n - 1) sum_k (f_k - mean f) dlog P(j^k) / dp_i
        p_i <- the nearest point of the simplex to p_i - lr g_i

    Within the simplex the mean of g is twice the gradient of the expected loss. The length of a
    step is proportional to differences of losses: lr = 1 suits losses that words change by some
    hundredths. With less than a tenth of it, p stays near equal for 2000 queries; with ten times as
    much, a few prompts decide.

    Choices are the blocks of groups with the role "choice" (`discrete-prompt`, `black-box`); the
    point holds p, and starts with equal probabilities. The probe of a sampled prompt has one large
    entry per slot. Queries per step: n, at least 2. Memory: n points.

    Deviations: plain projected descent, as in the paper's algorithm (the published code uses AdamW
    on p, with lr 5e-5); one minibatch per step, shared by its prompts. Blocks that are not choices
    get a normal policy N(x, eps^2 I) and the same estimate, -lr g for x, so that mixed points can
    be learned. This is ours: for a point without choices it is an evolution strategy
    (arXiv:1703.03864) with the mean loss as baseline, and not BDPL.
    """
    if n < 2:
        raise BadInput(f"n is a number of prompts per step of at least 2, not {n}")
    if not eps > 0.0:
        raise BadInput(f"eps is a deviation above 0, not {eps}")
    return BDPL(lr, eps, n)
