"""Other libraries' optimisers as estimators: ask/tell, or a `minimise(f, x0)` turned inside out."""

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
from zobench.core.schemes import Evaluate
from zobench.errors import Unsuitable


class AskTell(ABC):
    """The interface of most black-box libraries, in rows."""

    def expect(self, queries: int | None) -> None:  # noqa: B027 - most need not know
        """Told once, before the first `ask`: how many losses there will be; None: nobody knows."""

    @abstractmethod
    def ask(self) -> np.ndarray:
        """Candidates as rows, shape (n, d)."""

    @abstractmethod
    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        """The candidates' losses, in their order."""

    @abstractmethod
    def best(self) -> np.ndarray:
        """The recommended point, shape (d,)."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Told when nothing will be asked any more."""


@dataclass
class Adapted:
    """`make(x0, seed)` builds the optimiser; the point follows its recommendation.

    Candidates are stored vectors: points of more than `max_dim` coordinates are unsuitable. A loss
    that is NaN or infinite is told as infinity, the worst of all losses.
    """

    ranks = True  # no annotation: not a setting

    make: Callable[[np.ndarray, int], AskTell]
    max_dim: int = 2_000_000

    def start(self, params: Params, seed: int) -> None:
        if params.size > self.max_dim:
            raise Unsuitable(
                f"stores whole points: at most {self.max_dim:,} coordinates, not {params.size:,}"
            )
        self.params, self.begun = params, False
        self.inner = self.make(params.flat(), seed)

    def step(self, evaluate: Evaluate) -> None:
        if not self.begun:
            self.begun = True
            self.inner.expect(getattr(evaluate, "budget", None))
        x = self.params.flat()  # what it became in its own precision, and by others' writes
        candidates = self.inner.ask()
        losses = evaluate([(1.0, Dense(locked(c - x))) for c in candidates])
        self.inner.tell(candidates, losses)
        self.params.add(1.0, Dense(locked(self.inner.best() - x)))

    def close(self) -> None:
        """The run is over."""
        self.inner.close()


Minimise = Callable[[Callable[[np.ndarray], float]], str]  # f -> why it stopped


HUGE = 1e100  # infinity to a library that computes with losses: its cube is finite


class Inverted(AskTell):
    """`minimise(f)` of a library that keeps control, as ask and tell: it runs in a thread.

    One candidate at a time. The recommendation is the best candidate so far. An infinite loss is
    told as HUGE. When the function returns, `ask` raises Finished with what it returned.
    """

    def __init__(self, minimise: Minimise, x0: np.ndarray) -> None:
        self._asked: SimpleQueue[np.ndarray | BaseException] = SimpleQueue()
        self._told: SimpleQueue[float | None] = SimpleQueue()
        self._best, self._low = x0, float("inf")
        thread = threading.Thread(
            target=_converse, args=(minimise, self._asked, self._told), daemon=True
        )
        thread.start()

    def ask(self) -> np.ndarray:
        asked = self._asked.get()
        if isinstance(asked, BaseException):
            raise asked
        return asked[None]

    def tell(self, candidates: np.ndarray, losses: Sequence[float]) -> None:
        if losses[0] < self._low:
            self._best, self._low = candidates[0], losses[0]
        self._told.put(HUGE if losses[0] == math.inf else losses[0])

    def best(self) -> np.ndarray:
        return self._best

    def close(self) -> None:
        """End the thread. SciPy's COBYQA holds a lock until then, for which all others wait."""
        self._told.put(None)

    def __del__(self) -> None:
        self.close()  # the thread holds the queues, not this object: it can end


def _converse(minimise: Minimise, asked: SimpleQueue, told: SimpleQueue) -> None:
    """Run the library's loop; each of its evaluations is one question and one answer."""

    def f(x: np.ndarray) -> float:
        asked.put(np.array(x, dtype=np.float64).ravel())
        loss = told.get()
        if loss is None:
            raise SystemExit
        return loss

    try:
        asked.put(Finished(minimise(f)))
    except SystemExit:
        pass
    except Exception as error:
        asked.put(error)
