"""Make estimators of other libraries' optimisers: of ask/tell, or of a `minimise(f, x0)`."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from zobench.core.directions import Dense
from zobench.core.estimator import Finished
from zobench.core.fixed import locked
from zobench.core.params import Params
from zobench.core.schemes import Evaluate, compare_only
from zobench.errors import Unsuitable


class AskTell(ABC):
    """The interface of most black-box libraries. Candidates are rows of an array."""

    def expect(self, queries: int | None) -> None:  # noqa: B027 - most have no use for it
        """Take the number of losses there will be, or None if it is unknown; before any `ask`."""

    @abstractmethod
    def ask(self) -> np.ndarray:
        """Return candidates as rows, shape (n, d)."""

    @abstractmethod
    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        """Take the losses of the candidates, in their order."""

    @abstractmethod
    def best(self) -> np.ndarray:
        """Return the recommended point, shape (d,)."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Free resources. Called when there is no further `ask`."""


@dataclass
class Adapted:
    """An estimator whose point follows the recommendation of a library's optimiser.

    Candidates are stored vectors: points of more than `max_dim` coordinates are unsuitable. A loss
    that is NaN or infinite reaches the library as infinity, the worst of all losses.

    Args:
        make: make(x0, seed) builds the optimiser.
        max_dim: the largest dimension.
    """

    ranks = True  # no annotation: not a setting

    make: Callable[[np.ndarray, int], AskTell]
    max_dim: int = 2_000_000

    def start(self, params: Params, seed: int) -> None:
        if params.size > self.max_dim:
            raise Unsuitable(
                f"stores whole points: at most {self.max_dim:,} coordinates, not {params.size:,}"
            )
        self.params, self.has_begun = params, False
        self.inner = self.make(params.flat(), seed)

    def step(self, evaluate: Evaluate) -> None:
        if not self.has_begun:
            self.has_begun = True
            compare_only(evaluate)
            self.inner.expect(getattr(evaluate, "budget", None))
        x = self.params.flat()  # as rounded to its own precision, and after writes of others
        candidates = self.inner.ask()
        losses = evaluate([(1.0, Dense(locked(c - x))) for c in candidates])
        self.inner.tell(candidates, losses)
        self.params.add(1.0, Dense(locked(self.inner.best() - x)))

    def close(self) -> None:
        """End the library's optimiser."""
        self.inner.close()


Minimise = Callable[[Callable[[np.ndarray], float]], str]  # f -> why it stopped
HUGE = 1e100  # infinity to a library that computes with losses: its cube is finite


class Inverted(AskTell):
    """Ask and tell for a library that offers `minimise(f)` only, which runs in a thread.

    There is one candidate at a time. The recommendation is the best one so far. The library gets
    HUGE for an infinite loss. When the function returns, `ask` raises Finished with its result.
    """

    def __init__(self, minimise: Minimise, x0: np.ndarray) -> None:
        self._candidates: SimpleQueue[np.ndarray | BaseException] = SimpleQueue()
        self._losses: SimpleQueue[float | None] = SimpleQueue()
        self._best, self._low = x0, float("inf")
        thread = threading.Thread(
            target=_converse, args=(minimise, self._candidates, self._losses), daemon=True
        )
        thread.start()

    def ask(self) -> np.ndarray:
        candidate = self._candidates.get()
        if isinstance(candidate, BaseException):
            raise candidate
        return candidate[None]

    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        if losses[0] < self._low:
            self._best, self._low = candidates[0], losses[0]
        self._losses.put(HUGE if losses[0] == math.inf else losses[0])

    def best(self) -> np.ndarray:
        return self._best

    def close(self) -> None:
        """End the thread. SciPy's COBYQA holds a lock until then, for which all others wait."""
        self._losses.put(None)

    def __del__(self) -> None:
        self.close()  # the thread holds the queues, not this object: it can end


def _converse(minimise: Minimise, candidates: SimpleQueue, losses: SimpleQueue) -> None:
    """Run the library's loop. Each of its evaluations puts a candidate and waits for its loss."""

    def f(x: np.ndarray) -> float:
        candidates.put(np.array(x, dtype=np.float64).ravel())
        loss = losses.get()
        if loss is None:
            raise SystemExit
        return loss

    try:
        candidates.put(Finished(minimise(f)))
    except SystemExit:
        pass
    except Exception as error:
        candidates.put(error)
