"""Joint draws over problems from a few draws per problem, for limits far out in the tails.

Problems are independent, so any draw of one may stand beside any draw of another. The draws of
each problem, (L,) in a circle, are turned by random shifts: each block of shifts gives L joint
draws more, at the cost of an addition instead of a resample.

That keeps a permutation test exact. Where the observed arrangement is among the draws of each
problem, all arrangements of a problem are equally likely to be the observed one if there is no
difference, hence so are all L joint draws of a block, and all blocks: the share of joint draws as
extreme as the observed one is a p-value, of whatever size L and the number of blocks are.
"""

from __future__ import annotations

import math

import numpy as np

from zobench.analysis.resampling import generator

BEYOND = 20  # joint draws beyond the limits of an interval, both sides together


def draws_needed(alpha: float) -> int:
    """Return the number of joint draws that limits at `alpha`, two-sided, need."""
    return math.ceil(BEYOND / alpha - 1e-9)


def enough_each(resamples: int, alpha: float, problems: int) -> int:
    """Return the draws per problem: `resamples`, or more for few problems with few combinations."""
    return max(resamples, math.ceil(draws_needed(alpha) / max(problems, 1) ** 2))


def joint_sums(draws: list[np.ndarray], alpha: float, seed: int, name: str) -> np.ndarray:
    """Add up draws over problems, in many random combinations.

    The first L sums are those of the draws in their own order. One problem alone has no others.

    Args:
        draws: the draws of each problem, (k, L).
        alpha: the level of the limits, two-sided.
        seed: of the random shifts.
        name: of the stream of random numbers.

    Returns:
        The sums, (k, at least draws_needed(alpha) or L).
    """
    if len(draws) == 1:
        return draws[0]
    rows, length = draws[0].shape
    blocks = math.ceil(draws_needed(alpha) / length)
    shifts = generator(seed, "joint", name).integers(0, length, (blocks, len(draws)))
    shifts[0] = 0
    # draw after draw, each with its k values, so that every turn is one slice of memory
    total = np.zeros((blocks, length * rows))
    lines = list(total)
    for of_problem, turns in zip(draws, (shifts * rows).T.tolist()):
        circle = np.tile(of_problem.T.ravel(), 2)
        for line, turn in zip(lines, turns):
            np.add(line, circle[turn : turn + length * rows], out=line)
    return total.reshape(-1, rows).T
