"""Two estimators on one problem: the log ratio of their ERTs, resampled and relabelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from zobench.analysis import ert
from zobench.analysis.logratio import log_ratio
from zobench.analysis.resampling import bootstrap, shuffles, strata_of, swaps
from zobench.analysis.runlengths import RunLengths

SIGNS = np.array([-1.0, 1.0, 1.0, -1.0])  # log ERT_b - log ERT_a of (T_a, S_a, T_b, S_b)


@dataclass(frozen=True)
class Pair:
    """log(ERT_b / ERT_a) on one problem: above 0 if `a` is sooner; NaN if it does not exist.

    Relabellings exchange the labels of runs at random. They are as likely as the observed runs if
    the two estimators do not differ.

    Attributes:
        estimate: of the observed runs.
        error: its standard error.
        freedom: the degrees of freedom of `error`.
        draws: estimates of the bootstrap, (resamples,).
        draw_errors: their standard errors, (resamples,).
        null: estimates of the relabellings, (relabellings,).
        null_errors: their standard errors, (relabellings,).
        none: shares of resamples without a success of a, and of b.
    """

    estimate: float
    error: float
    freedom: float
    draws: np.ndarray
    draw_errors: np.ndarray
    null: np.ndarray
    null_errors: np.ndarray
    none: tuple[float, float]


def can_pair(a: RunLengths, b: RunLengths) -> bool:
    """Return True if each run of `a` has a partner: the same instance, repetition and seed.

    With one run per instance, the same instance is enough.
    """
    if a.runs != b.runs or not a.runs or not np.array_equal(a.instance, b.instance):
        return False
    alone = len(np.unique(a.instance)) == a.runs > 1
    equal = np.array_equal(a.repetition, b.repetition) and np.array_equal(a.seed, b.seed)
    return alone or equal


def log_relabellings(a: RunLengths, b: RunLengths, paired: bool) -> float:
    """Return the logarithm of the number of ways to exchange the labels."""
    if paired:
        return a.runs * math.log(2)
    first, second = strata_of(a.instance, b.instance)
    sizes = [(int((first == s).sum()), int((second == s).sum())) for s in np.unique(first)]
    return sum(math.log(math.comb(m + n, m)) for m, n in sizes)


def pair(a: RunLengths, b: RunLengths, paired: bool, resamples: int, seed: int, name: str) -> Pair:
    """Resample and relabel the runs of two estimators on one problem.

    Args:
        a: the runs of one estimator.
        b: the runs of the other.
        paired: True to draw runs in pairs.
        resamples: the number of resamples, and of relabellings.
        seed: of the random numbers.
        name: of the stream of random numbers.
    """
    return (_together if paired else _apart)(a, b, resamples, seed, name)


def _together(a: RunLengths, b: RunLengths, resamples: int, seed: int, name: str) -> Pair:
    x, (strata,) = np.hstack([ert.columns(a), ert.columns(b)]), strata_of(a.instance)
    observed = log_ratio(x, SIGNS, np.ones((1, a.runs)), strata)
    draws = log_ratio(x, SIGNS, bootstrap(strata, resamples, seed, name), strata)
    swapped = swaps(a.runs, resamples, seed, name)
    doubled = np.vstack([x, x[:, [2, 3, 0, 1]]])
    null = log_ratio(doubled, SIGNS, np.hstack([1 - swapped, swapped]), np.tile(strata, 2))
    none = ert.no_success(a.success, strata), ert.no_success(b.success, strata)
    return Pair(
        float(observed[0][0]), float(observed[1][0]), ert.freedom(strata), *draws, *null, none
    )


def _apart(a: RunLengths, b: RunLengths, resamples: int, seed: int, name: str) -> Pair:
    strata = strata_of(a.instance, b.instance)
    samples = [ert.columns(a), ert.columns(b)]

    def difference(weights: list[np.ndarray], x: list[np.ndarray], groups: list[np.ndarray]):
        (at, ae), (bt, be) = (log_ratio(v, ert.SIGNS, w, g) for v, w, g in zip(x, weights, groups))
        return bt - at, np.hypot(ae, be), ae, be

    one = [np.ones((1, len(x))) for x in samples]
    theta, error, ae, be = (float(v[0]) for v in difference(one, samples, strata))
    resampled = [
        bootstrap(s, resamples, seed, f"{name}/{side}") for s, side in zip(strata, ("a", "b"))
    ]
    draws = difference(resampled, samples, strata)
    first = shuffles(strata, resamples, seed, name)
    pooled = [np.vstack(samples)] * 2
    null = difference([first, 1 - first], pooled, [np.concatenate(strata)] * 2)
    none = ert.no_success(a.success, strata[0]), ert.no_success(b.success, strata[1])
    free = satterthwaite([ae, be], [ert.freedom(s) for s in strata])
    return Pair(theta, error, free, *draws[:2], *null[:2], none)


def satterthwaite(errors: list[float], freedoms: list[float]) -> float:
    """Return the degrees of freedom of a sum of independent estimates (Satterthwaite 1946).

    Args:
        errors: the standard errors of the estimates.
        freedoms: their degrees of freedom.
    """
    squares = np.square(errors)
    if not squares.sum() > 0:  # no spread, or unknown errors
        return float(sum(freedoms))
    parts = [v**2 / f if f > 0 else np.inf for v, f in zip(squares, freedoms) if v > 0]
    return float(squares.sum() ** 2 / sum(parts))
