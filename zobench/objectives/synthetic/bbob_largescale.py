"""The large-scale BBOB functions (Varelas et al., Applied Soft Computing 97, 2020), from COCO."""

from __future__ import annotations

from zobench.core.problem import VectorProblem
from zobench.objectives.synthetic import _coco
from zobench.objectives.synthetic._settings import (
    BLOCKS,
    NOISE,
    BlockSettings,
    NoiseSettings,
    shared_settings,
)
from zobench.objectives.synthetic._vectors import vector_problem
from zobench.registry import objectives


@objectives.register(
    "bbob-largescale",
    version="1",
    paper="https://arxiv.org/abs/1903.06396",
    needs="cocoex",
    install="coco-experiment",
)
@shared_settings
def bbob_largescale(
    function: int = 1,
    dim: int = 160,
    instance: int = 1,
    start: str = "zeros",
    split: BlockSettings = BLOCKS,
    noise: NoiseSettings = NOISE,
) -> VectorProblem:
    """BBOB function 1 to 24 with 20, 40, 80, 160, 320 or 640 variables, at a cost linear in them.

    The rotations are block-diagonal, in blocks of at most 40 variables, between two permutations.
    In 20 and 40 variables the functions are those of `bbob` up to rounding, except function 9,
    which differs. f_opt and the other settings are those of `bbob`.
    """
    f, minimum = _coco.large(function, dim, instance)
    return vector_problem(
        f,
        _coco.start(start, dim),
        minimum,
        dim=dim,
        split=split,
        noise=noise,
    )
