"""What several test files share."""

from __future__ import annotations

import importlib.util
import os
import shutil

import numpy as np
import pytest

from zobench.core.problem import InPlaceProblem, VectorProblem
from zobench.harness.environment import cores
from zobench.registry import Entry

# Before torch is imported: processes of pytest-xdist share the cores. With all cores each, the
# threads of small operations wait for one another, and some tests take ten times as long.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    _processes = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // _processes)))

SHAPES = ((4, 3), (6, 2))  # two groups, both matrices: d = 24


def require(entry: Entry) -> None:
    """Skip a test when the package an entry needs is not installed."""
    if entry.needs and importlib.util.find_spec(entry.needs) is None:
        pytest.skip(f"{entry.needs} is not installed")


def sphere(shapes=SHAPES, optimum: float = 1.0) -> VectorProblem:
    """f(x) = |x - optimum|^2 / 2 from 0, as rows."""
    size = sum(int(np.prod(shape)) for shape in shapes)
    return VectorProblem(
        lambda x: 0.5 * ((x - optimum) ** 2).sum(axis=1),
        lambda rng: np.zeros(size),
        shapes=shapes,
        gradient=lambda x: x - optimum,
    )


class TensorSphere(InPlaceProblem):
    """The same function on torch tensors, walked in place."""

    score_name = "gap"

    def __init__(self, shapes=SHAPES, optimum: float = 1.0, dtype: str = "float64") -> None:
        self.shapes, self.optimum, self.dtype = shapes, optimum, dtype

    def start(self, seed: int):
        import torch

        from zobench.engine.tensors import TensorParams

        self.tensors = [torch.zeros(s, dtype=getattr(torch, self.dtype)) for s in self.shapes]
        self.params = TensorParams((f"x{i}", t) for i, t in enumerate(self.tensors))
        return self.params

    def loss(self, seed: int) -> float:
        return sum(0.5 * float(((t.double() - self.optimum) ** 2).sum()) for t in self.tensors)

    def score(self):
        self.params.flush()
        return {"gap": self.loss(0)}

    def gradient(self, seed: int):
        self.params.flush()
        return self.loss(0), [(t - self.optimum).reshape(-1) for t in self.tensors]


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """A folder with results, leaderboard and frozen runs of the estimators in METHODS of a file."""
    from verify_tools import MINE, make_board

    folder = tmp_path_factory.mktemp("made")
    methods = request.module.METHODS
    if any(name.startswith("mine.py:") for name in methods):
        (folder / "mine.py").write_text(MINE)
    make_board(folder, *methods)
    (folder / "executed").unlink(missing_ok=True)
    return folder


@pytest.fixture
def board(made, tmp_path, monkeypatch):
    """The leaderboard in a copy of that folder, which is the current one."""
    from verify_tools import BOARD

    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / BOARD
