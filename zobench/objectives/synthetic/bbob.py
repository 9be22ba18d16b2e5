"""The 24 noiseless BBOB functions (Hansen, Finck, Ros & Auger, INRIA RR-6829, 2009), from COCO."""

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
    "bbob",
    version="1",
    paper="https://arxiv.org/abs/2210.10485",
    needs="cocoex",
    install="coco-experiment",
)
@shared_settings
def bbob(
    function: int = 1,
    dim: int = 10,
    instance: int = 1,
    start: str = "zeros",
    split: BlockSettings = BLOCKS,
    noise: NoiseSettings = NOISE,
) -> VectorProblem:
    """BBOB function 1 to 24 with 2 to 40 variables; the gap is f - f_opt, exactly.

    The region of interest is [-5, 5]^dim, and points outside are valid. COCO has the dimensions 2,
    3, 5, 10, 20 and 40. The start is that of COCO, the zero vector, for every seed;
    `start="uniform"` draws it in [-4, 4]^dim. With `noise` these are the noisy BBOB functions, but
    seeded; levels are absolute, in units of f.
    """
    f, minimum = _coco.bare(function, dim, instance)
    return vector_problem(
        f,
        _coco.start(start, dim),
        minimum,
        dim=dim,
        split=split,
        noise=noise,
    )
