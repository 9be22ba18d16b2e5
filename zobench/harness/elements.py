"""The elements of a run: its registered entries, with their packages loaded."""

from __future__ import annotations

import random
import sys
import warnings
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from zobench import user_file
from zobench.core.directions import Noise, Recipe
from zobench.core.noise import interface as noise
from zobench.core.noise.native import kernel
from zobench.core.vector import VectorParams
from zobench.errors import BadInput, MissingPackage
from zobench.harness.plan import RunSpec
from zobench.registry import Entry, Registry, estimators, objectives


def entries(spec: RunSpec) -> tuple[Entry, Entry]:
    """Return (objective, estimator). Raises BadInput for an unknown name or another version."""
    return (
        _entry(objectives, spec.problem.objective, spec.problem.version, spec.settings),
        _entry(estimators, spec.estimator.entry, spec.estimator.version, spec.estimator.settings),
    )


def load_packages(entry: Entry) -> None:
    """Import what an entry needs, off the clock of a run. Raises MissingPackage.

    What a package warns of when it is imported is not the element's: `cma` misses matplotlib.
    """
    if entry.needs:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import_module(entry.needs)
        except ModuleNotFoundError as error:
            package = entry.needs.partition(".")[0]
            if (error.name or "").partition(".")[0] != package:
                raise
            raise MissingPackage(package, entry.install or package) from error
    for module in entry.in_worker:
        import_module(module)


def seed_generators(seed: int) -> None:
    """Seed the generators that a process shares, so that code which draws from them repeats."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed % 2**63)


def warm_noise() -> None:
    """Load the noise kernels that runs use, once per process and off their clocks."""
    _warm_noise("torch" in sys.modules)


@cache
def _warm_noise(tensors: bool) -> None:
    noise.accumulate(np.zeros(2), ((1.0, 0),), "gaussian", 0)
    first, second = Noise(0), Noise(1)
    recipe = Recipe(((1.0, first), (1.0, second)))
    for shapes in (((2,),), ((1,), (1,))):
        params = VectorParams(np.zeros(2), shapes)
        for probes in ([(1.0, first), (-1.0, first)], [(1.0, first), (1.0, second), (1.0, recipe)]):
            params.rows(probes)
        params.add(1.0, first)
        params.add(1.0, recipe)
    if tensors:
        for terms in ([(1.0, 0)], [(1.0, 0), (1.0, 1)]):
            noise.accumulate(np.zeros(2, np.float32), terms, "gaussian", 0)
        kernel("cpu_tables.accumulate_rows")


def _entry(registry: Registry, name: str, version: str, settings: dict[str, Any]) -> Entry:
    entry = registry[name]
    if user_file.with_files(entry.version, settings) != version:
        raise BadInput(f"{registry.kind} {name} changed after the run was planned; start again")
    return entry
