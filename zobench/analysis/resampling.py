"""Seeded resamples of runs: with replacement (bootstrap), and with exchanged labels (permutation).

All are rows of weights for `log_ratio`. Streams are named, so that the interval of one case does
not depend on which other cases are computed, and the pairs of a comparison share what is drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

FEWEST = 3  # runs of an instance from which on they are drawn within it
KEPT = 512  # sets of resamples of each sort that are kept, 30 kB each at 2000 and 15 runs


def generator(seed: int, *names: str) -> np.random.Generator:
    """The random numbers of a named use of `seed`."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def strata_of(*instances: np.ndarray) -> list[np.ndarray]:
    """Numbers 0, 1, ... of the groups within which runs are drawn, one array a sample.

    Runs are drawn within their instance if each sample has at least three runs of each instance
    (two would often be drawn equal, without any spread); otherwise the instances are themselves
    the random units, and all runs form one group.
    """
    found = np.unique(np.concatenate(instances))
    counts = [(sample[:, None] == found).sum(axis=0) for sample in instances]
    if len(found) < 2 or np.min(counts) < FEWEST:
        return [np.zeros(len(sample), dtype=int) for sample in instances]
    return [np.searchsorted(found, sample) for sample in instances]


def forget() -> None:
    """Free the resamples that are kept: of many runs they take 100 MB."""
    for kept in (_bootstrap, _swaps, _shuffles):
        kept.cache_clear()


def bootstrap(strata: np.ndarray, resamples: int, seed: int, name: str = "") -> np.ndarray:
    """(resamples, n) counts: each stratum is drawn anew, with replacement, in its own size."""
    return _bootstrap(tuple(strata.tolist()), resamples, seed, name)


@lru_cache(maxsize=KEPT)
def _bootstrap(strata: tuple[int, ...], resamples: int, seed: int, name: str) -> np.ndarray:
    rng = generator(seed, "bootstrap", name)
    order = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata).tolist()
    parts = [rng.multinomial(size, [1 / size] * size, resamples) for size in sizes]
    return _kept(np.concatenate(parts, axis=1)[:, np.argsort(order)])


def _kept(counts: np.ndarray) -> np.ndarray:
    """Counts in as few bytes as hold them, for many callers."""
    small = counts.astype(np.min_scalar_type(counts.max(initial=0)))
    small.flags.writeable = False
    return small


def swaps(pairs: int, relabellings: int, seed: int, name: str) -> np.ndarray:
    """(relabellings, pairs) of 0 and 1: in which pairs the two labels are exchanged."""
    return _swaps(pairs, relabellings, seed, name)


@lru_cache(maxsize=KEPT)
def _swaps(pairs: int, relabellings: int, seed: int, name: str) -> np.ndarray:
    rng = generator(seed, "swaps", name)
    return _kept(rng.integers(0, 2, (relabellings, pairs)))


def shuffles(strata: Sequence[np.ndarray], relabellings: int, seed: int, name: str) -> np.ndarray:
    """(relabellings, n_a + n_b) of 0 and 1: which runs of two samples get the first label.

    Within a stratum the number of first labels stays what it is.
    """
    first, second = (tuple(s.tolist()) for s in strata)
    return _shuffles(first, second, relabellings, seed, name)


@lru_cache(maxsize=KEPT)
def _shuffles(
    one: tuple[int, ...], other: tuple[int, ...], relabellings: int, seed: int, name: str
) -> np.ndarray:
    rng = generator(seed, "shuffles", name)
    joined = np.array([*one, *other])
    first = np.zeros((relabellings, len(joined)), np.uint8)
    for stratum in np.unique(joined):
        places = np.flatnonzero(joined == stratum)
        count = one.count(int(stratum))
        order = rng.random((relabellings, len(places))).argsort(axis=1)
        np.put_along_axis(first, places[order[:, :count]], 1, axis=1)
    return _kept(first)
