"""Black-box discrete prompt learning, BDPL (Diao et al., 2022, https://arxiv.org/abs/2201.08531)."""

from dataclasses import dataclass

import numpy as np

from zobench.core.directions import Dense, Restricted
from zobench.core.fixed import locked
from zobench.core.params import Params
from zobench.core.schemes import Evaluate
from zobench.core.seeds import fold
from zobench.errors import BadInput
from zobench.registry import estimators

VERTEX = 100.0  # a sampled choice as logits: no noise that the objective may add turns it


def to_simplex(p: np.ndarray) -> np.ndarray:
    """The nearest point with entries >= 0 of sum 1 (Held et al., 1974, doi:10.1007/BF01580223)."""
    high = np.sort(p)[::-1]
    excess = np.cumsum(high) - 1.0
    kept = np.flatnonzero(high * np.arange(1, len(p) + 1) > excess)[-1]
    return np.maximum(p - excess[kept] / (kept + 1), 0.0)


@dataclass
class BDPL:
    """Variance-reduced policy gradient over independent choices, and normals beside them."""

    lr: float
    eps: float
    n: int

    def start(self, params: Params, seed: int) -> None:
        """Uniform probabilities, or those nearest to the point where it is not zero."""
        self.params, self.seed, self.t = params, seed, 0
        chosen = {i for g in params.groups if g.role == "choice" for i in g.blocks}
        self.slots = [b for b in params.blocks if b.index in chosen]
        self.rest = frozenset(b.index for b in params.blocks if b.index not in chosen)
        if not self.slots:
            return
        self.x = params.flat()
        move = -self.x
        for b in self.slots:
            part = slice(b.start, b.start + b.size)
            move[part] += to_simplex(self.x[part] + 1.0 / b.size)
        params.add(1.0, Restricted(Dense(move), frozenset(chosen)))

    def step(self, evaluate: Evaluate) -> None:
        rng = np.random.default_rng(fold(self.seed, self.t))
        x = self.params.flat()
        asked = locked(np.stack([self._sample(x, rng) for _ in range(self.n)]))
        losses = np.asarray(evaluate([(1.0, Dense(away)) for away in asked]), float)
        weights = (losses - losses.mean()) / (self.n - 1)
        self.params.add(1.0, Dense(self._move(x, asked, weights)))
        self.t += 1

    def _sample(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """How a draw of the policy lies from x, (d,)."""
        away = np.zeros(len(x))
        for b in self.params.blocks:
            part = slice(b.start, b.start + b.size)
            if b.index in self.rest:
                away[part] = self.eps * rng.standard_normal(b.size)
            else:
                p = to_simplex(x[part])
                away[part] = -x[part]
                away[b.start + rng.choice(b.size, p=p / p.sum())] += VERTEX
        return away

    def _move(self, x: np.ndarray, asked: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """-lr times the policy gradient; of choices, what is left of it after the projection."""
        move = np.zeros(len(x))
        for b in self.params.blocks:
            part = slice(b.start, b.start + b.size)
            if b.index in self.rest:
                move[part] = -self.lr * weights @ asked[:, part] / self.eps**2
                continue
            p = to_simplex(x[part])
            drawn = (asked[:, part] + x[part]).argmax(1)
            pull = weights / p[drawn]  # of the sampled candidates
            gradient = np.full(b.size, -pull.sum())
            np.add.at(gradient, drawn, 2.0 * pull)
            move[part] = to_simplex(p - self.lr * gradient) - x[part]
        return move


@estimators.register(
    "bdpl",
    paper="arXiv:2201.08531",
    space={"lr": (1e-3, 10.0, "log")},
    sanity={"lr": 0.05},
)
def bdpl(lr: float = 1.0, eps: float = 0.1, n: int = 20) -> BDPL:
    """Policy gradient over words: each slot of a prompt has probabilities of its candidates.

        j_i ~ Cat(p_i) for every slot i: one prompt;  n prompts a step, of losses f_1 ... f_n
        dlog P / dp_ij = 1 / p_(i j_i) at j = j_i,  -1 / p_(i j_i) elsewhere
        g_i = 1 / (n - 1) sum_k (f_k - mean f) dlog P(j^k) / dp_i
        p_i <- the nearest point of the simplex to p_i - lr g_i

    Within the simplex the mean of g is twice the gradient of the expected loss. A step is as long
    as losses are large: lr = 1 suits losses that words change by some hundredths. With less than a
    tenth of it, 2000 queries leave p near equal; with ten times as much, a few prompts decide.

    Choices are the blocks of groups with the role "choice" (`discrete-prompt`, `black-box`); the
    point holds p. It begins with equal probabilities. A sampled prompt is asked for as one large
    entry a slot. Queries a step: n, at least 2. Memory: n points.

    Deviations: plain projected descent, as the paper's algorithm says (the published code puts
    AdamW on p, with lr 5e-5); one minibatch a step, shared by its prompts. Blocks that are no
    choices get a normal policy N(x, eps^2 I) and the same estimate, -lr g for x, so that mixed
    points can be learned; this is ours, and for a point without choices it is an evolution
    strategy (arXiv:1703.03864) with the mean loss as baseline, not BDPL.
    """
    if n < 2:
        raise BadInput(f"n is a number of prompts a step of at least 2, not {n}")
    if not eps > 0.0:
        raise BadInput(f"eps is a deviation above 0, not {eps}")
    return BDPL(lr, eps, n)
