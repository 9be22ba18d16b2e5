"""Seeded resamples of runs: with replacement (bootstrap), and with exchanged labels (permutation).

All are rows of weights for `log_ratio`. Streams have names, so that the interval of one case does
not depend on which other cases are computed, and the pairs of a comparison share resamples.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

FEWEST = 3  # runs per instance; with fewer, runs are not drawn within instances
CACHED = 512  # sets of resamples of each sort in memory, 30 kB each at 2000 and 15 runs


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return a generator of random numbers for a use of `seed`, which `names` identify."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def strata_of(*instances: np.ndarray) -> list[np.ndarray]:
    """Return numbers 0, 1, ... of the groups within which runs are drawn, one array per sample.

    Runs are drawn within their instance if each sample has at least three runs of each instance
    (two would often be drawn equal, without any spread); otherwise the instances are themselves
    the random units, and all runs form one group.
    """
    distinct = np.unique(np.concatenate(instances))
    counts = [(sample[:, None] == distinct).sum(axis=0) for sample in instances]
    if len(distinct) < 2 or np.min(counts) < FEWEST:
        return [np.zeros(len(sample), dtype=int) for sample in instances]
    return [np.searchsorted(distinct, sample) for sample in instances]


def forget() -> None:
    """Free the resamples in memory: those of many runs take 100 MB."""
    for cached in (_bootstrap, _swaps, _shuffles):
        cached.cache_clear()


def bootstrap(strata: np.ndarray, resamples: int, seed: int, name: str = "") -> np.ndarray:
    """Draw each stratum with replacement, in its own size.

    Args:
        strata: number of the stratum of each run, (n,).
        resamples: how many.
        seed: of the random numbers.
        name: of the stream of random numbers.

    Returns:
        Counts of each run, (resamples, n).
    """
    return _bootstrap(tuple(strata.tolist()), resamples, seed, name)


@lru_cache(maxsize=CACHED)
def _bootstrap(strata: tuple[int, ...], resamples: int, seed: int, name: str) -> np.ndarray:
    rng = generator(seed, "bootstrap", name)
    order = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata).tolist()
    parts = [rng.multinomial(size, [1 / size] * size, resamples) for size in sizes]
    return _compact(np.concatenate(parts, axis=1)[:, np.argsort(order)])


def _compact(counts: np.ndarray) -> np.ndarray:
    """The counts as the smallest integer type, read-only since many callers share them."""
    small = counts.astype(np.min_scalar_type(counts.max(initial=0)))
    small.flags.writeable = False
    return small


def swaps(pairs: int, relabellings: int, seed: int, name: str) -> np.ndarray:
    """Draw the pairs in which the two labels are exchanged: 0 or 1, (relabellings, pairs)."""
    return _swaps(pairs, relabellings, seed, name)


@lru_cache(maxsize=CACHED)
def _swaps(pairs: int, relabellings: int, seed: int, name: str) -> np.ndarray:
    rng = generator(seed, "swaps", name)
    return _compact(rng.integers(0, 2, (relabellings, pairs)))


def shuffles(strata: Sequence[np.ndarray], relabellings: int, seed: int, name: str) -> np.ndarray:
    """Draw the runs of two samples that get the first label.

    The number of first labels in a stratum does not change.

    Args:
        strata: number of the stratum of each run of a, (n_a,), and of b, (n_b,).
        relabellings: how many.
        seed: of the random numbers.
        name: of the stream of random numbers.

    Returns:
        1 for the first label, else 0, (relabellings, n_a + n_b).
    """
    first, second = (tuple(s.tolist()) for s in strata)
    return _shuffles(first, second, relabellings, seed, name)


@lru_cache(maxsize=CACHED)
def _shuffles(
    one: tuple[int, ...], other: tuple[int, ...], relabellings: int, seed: int, name: str
) -> np.ndarray:
    rng = generator(seed, "shuffles", name)
    joined = np.array([*one, *other])
    first = np.zeros((relabellings, len(joined)), np.uint8)
    for stratum in np.unique(joined):
        members = np.flatnonzero(joined == stratum)
        count = one.count(int(stratum))
        order = rng.random((relabellings, len(members))).argsort(axis=1)
        np.put_along_axis(first, members[order[:, :count]], 1, axis=1)
    return _compact(first)
