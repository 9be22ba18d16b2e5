"""Copies on a GPU: the Triton kernel gives the bits of the CPU's, which test_noise_copies checks.

With a GPU the kernel runs there; without one Triton interprets it, with CPU tensors.
"""

from __future__ import annotations

import os

import pytest
import torch

GPU = torch.cuda.is_available()
if not GPU:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported, here or elsewhere
pytest.importorskip("triton")

from zobench.core.noise import interface as noise
from zobench.core.noise.copies import perturbed_pair
from zobench.core.noise.layout import BITS_CHUNK, BYTES_CHUNK

cuda = pytest.importorskip("zobench.core.noise.cuda")
DEVICE = torch.device("cuda" if GPU else "cpu")
SCALES = (1e-2, -2e-2)
GUARD = 64


@pytest.mark.parametrize("law", noise.LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("start", [0, BYTES_CHUNK - 33])
def test_bits_are_the_cpus(law, dtype, count, start):
    """From any element on; elements beside the tensors are left alone."""
    size = 2 * BYTES_CHUNK + 99 if law != "rademacher" else 700
    moves = [(0.01 * (k + 1), 2**62 + k) for k in range(count)]
    weight = torch.linspace(-1, 1, size, dtype=torch.float64).to(dtype)
    want = weight.clone(), torch.empty_like(weight), torch.empty_like(weight)
    perturbed_pair(*want, SCALES, 7, law, 2**32 - 1, start=start, moves=moves, stream=3)
    whole = torch.full((3, size + 2 * GUARD), 7, dtype=dtype, device=DEVICE)
    got = whole[:, GUARD : size + GUARD]
    got[0] = weight.to(DEVICE)
    terms = [*moves, (SCALES[0], 7), (SCALES[1], 7)]
    cuda.copies(got[0], got[1], got[2], terms, law, 2**32 - 1, 3, start)
    step = 0.0 if GPU or law in ("rademacher", "uniform") else 1.0  # the interpreter's fma may
    error = step * (1e-3 if dtype == torch.float16 else 1e-6)  # round twice: see test_noise_triton
    for a, b in zip(got.cpu(), want):
        assert torch.allclose(a.double(), b.double(), rtol=0, atol=error)
    assert (whole[:, :GUARD] == 7).all()
    assert (whole[:, -GUARD:] == 7).all()


def test_a_tile_of_rademacher_without_masks():
    size = 4 * BITS_CHUNK
    want = torch.zeros(size), torch.empty(size), torch.empty(size)
    got = [out.clone().to(DEVICE) for out in want]
    perturbed_pair(*want, SCALES, 7, "rademacher", 0, moves=[(1.0, 3)])
    cuda.copies(*got, [(1.0, 3), (SCALES[0], 7), (SCALES[1], 7)], "rademacher", 0, 0, 0)
    assert all(torch.equal(a.cpu(), b) for a, b in zip(got, want))
