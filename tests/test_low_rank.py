"""Low-rank directions of tensors: the vectors' numbers, whole, in rows, and rounded once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.core.directions import LowRank, Recipe
from zobench.core.params import CHUNK
from zobench.engine import low_rank
from zobench.engine.tensors import TensorParams
from zobench.errors import BadInput

ROUNDING = {
    torch.float64: 2**-23,
    torch.float32: 2**-23,
    torch.bfloat16: 2**-8,
    torch.float16: 2**-11,
}


def matrix(rows, cols, dtype):
    return torch.linspace(-1, 1, rows * cols).view(rows, cols).to(dtype)


@pytest.mark.parametrize("dtype", ROUNDING)
@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 40), cols=st.integers(1, 40), rank=st.integers(1, 4), seed=st.integers(0)
)
def test_a_tensor_moves_as_a_vector_does(dtype, rows, cols, rank, seed):
    seed %= 1 << 63
    direction = LowRank(seed, 7, rank)
    params = TensorParams([("bias", torch.zeros(3)), ("weight", matrix(rows, cols, dtype))])
    block = params.blocks[1]
    want = matrix(rows, cols, torch.float64).numpy().reshape(-1).copy()
    direction.add(want, 0.5, block, 0)
    params.add(0.5, direction)
    params.flush()
    far = np.abs(block.data.double().numpy() - want).max()
    assert far <= 2 * ROUNDING[dtype] * max(1, np.abs(want).max())


@pytest.mark.parametrize("dtype", ROUNDING)
def test_rows_are_those_of_the_whole(dtype):
    tensor = matrix(30, 17, dtype)
    params = TensorParams([("weight", tensor)])
    block, terms = params.blocks[0], [(0.5, LowRank(1, 2, 2)), (-2.0, LowRank(3, 2, 3))]
    places = torch.tensor([4, 29, 4, 0])
    some, whole, part = tensor[places].clone(), tensor.clone(), tensor[5:9].clone()
    low_rank.add_rows(some, places, terms, 0.1, block)
    low_rank.add(whole, terms, 0.1, block, 0)
    low_rank.add(part, terms, 0.1, block, 5)
    close = {"rtol": 0, "atol": 4 * ROUNDING[dtype]}
    torch.testing.assert_close(some, whole[places], **close)
    torch.testing.assert_close(part, whole[5:9], **close)


def test_sixteen_bits_are_rounded_once_however_many_parts():
    rows = 2 * CHUNK // 64 + 3
    tensor = matrix(rows, 64, torch.bfloat16)
    params = TensorParams([("weight", tensor.clone())])
    direction = LowRank(5, 6, 2)
    exact = tensor.double().numpy().reshape(-1).copy()
    direction.add(exact, 0.25, params.blocks[0], 0)
    params.add(0.25, direction)
    params.flush()
    half_step = np.spacing(np.abs(exact).astype(np.float32)) * 2**15 + 1e-6
    assert (np.abs(params.flat() - exact) <= half_step).all()


def test_a_scale_may_stay_on_its_device():
    tensors = [matrix(6, 5, torch.float32) for _ in range(2)]
    for tensor, scale in zip(tensors, (0.5, torch.tensor(0.5))):
        params = TensorParams([("weight", tensor)])
        params.add(scale, Recipe(((2.0, LowRank(1, 2, 2)),)))
        params.flush()
    assert torch.equal(*tensors)


@pytest.mark.parametrize("rank", [0, -1])
def test_a_rank_below_one_is_refused(rank):
    with pytest.raises(BadInput, match="at least 1"):
        LowRank(1, 2, rank)
