"""Functions of the COCO platform (package coco-experiment, module cocoex), made safe to call.

Faults of its C code in version 2.8.2, and what is done here:
- an unknown function number ends the process, dimension 1 gives NaN, and rotated functions with
  64 or more variables crash: all settings are checked before the package gets them;
- a vector of another length is read past its end: every call checks the length;
- a suite owns its problems and frees the current one when the next is requested: every problem
  here has a suite of its own, which lives as long as the problem;
- problems cannot be pickled: a worker builds its own from the settings;
- the optimum is hidden except on bare problems, and a suite counts and may log evaluations:
  no code here reads those counters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from zobench.errors import BadInput

RowFunction = Callable[[np.ndarray], np.ndarray]  # (n, dim) -> (n,)

LARGEST = 40  # variables of the largest problem in COCO's suite bbob
LARGE_DIMS = (20, 40, 80, 160, 320, 640)


def check(function: int, instance: int) -> None:
    """Raise BadInput unless 1 <= function <= 24 and 1 <= instance < 2^31."""
    if not 1 <= function <= 24:
        raise BadInput(f"BBOB has functions 1 to 24, not {function}")
    if not 1 <= instance < 2**31:
        raise BadInput(f"BBOB instances are numbers from 1, not {instance}")


def bare(function: int, dim: int, instance: int) -> tuple[RowFunction, float]:
    """Return (f on rows, f at the optimum) of a BBOB function. Raises BadInput on others."""
    check(function, instance)
    if dim > LARGEST:
        raise BadInput(f"bbob has 2 to {LARGEST} variables, not {dim}; take bbob-largescale")
    if dim < 2:
        raise BadInput(f"bbob has 2 to {LARGEST} variables, not {dim}")
    import cocoex

    problem = cocoex.BareProblem("bbob", function, dim, instance)

    def f(x: np.ndarray) -> np.ndarray:  # C-contiguous float64
        if x.shape[-1] != dim or x.ndim != 2:
            raise BadInput(f"points of this problem have {dim} coordinates, not shape {x.shape}")
        return problem(x)

    return f, float(problem.best_value())


def large(function: int, dim: int, instance: int) -> tuple[RowFunction, float]:
    """Return (f on rows, f at the optimum) of a function of bbob-largescale."""
    check(function, instance)
    if dim not in LARGE_DIMS:
        near = min(LARGE_DIMS, key=lambda d: abs(d - dim))
        raise BadInput(
            f"bbob-largescale has {', '.join(map(str, LARGE_DIMS))} variables, not {dim};"
            f" the nearest is {near}"
        )
    import cocoex

    at = f"dimensions:{dim} function_indices:{function} instance_indices:1"
    suite = cocoex.Suite("bbob-largescale", f"instances:{instance}", at)
    problem = suite[0]
    numbers = [int(n) for n in re.findall(r"\d+", problem.id)]  # f, instance, dimension
    if numbers[-3:] != [function, instance, dim]:
        raise BadInput(f"COCO gave {problem.id} for f{function}, i{instance}, {dim} variables")

    def f(x: np.ndarray) -> np.ndarray:
        assert suite is not None  # the suite lives as long as f does
        if x.shape[-1] != dim or x.ndim != 2:
            raise BadInput(f"points of this problem have {dim} coordinates, not shape {x.shape}")
        return np.array([problem(row) for row in x])

    # The optimal value depends on the function and the instance, never on the dimension.
    return f, float(cocoex.BareProblem("bbob", function, 2, instance).best_value())


def start(kind: str, dim: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Return how starts are drawn: "zeros", as in COCO, or "uniform" in [-4, 4]^dim."""
    if kind == "zeros":
        return lambda rng: np.zeros(dim)
    if kind == "uniform":
        return lambda rng: rng.uniform(-4.0, 4.0, dim)
    raise BadInput(f"start is 'zeros' or 'uniform', not {kind!r}")
