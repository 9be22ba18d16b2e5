"""Rows of a table's noise: the bits of the whole table, of the rows asked for and no others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.core.noise import cpu_tables
from zobench.core.noise import interface as noise
from zobench.core.noise.layout import BITS_CHUNK, CHUNK
from zobench.core.noise.tables import accumulate_rows, serves_rows
from zobench.errors import BadInput

TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
TERMS = [(0.3, 5), (-1.7, 2**62 + 3)]


def tables(rows, width, law, dtype, places, terms, stochastic_seed=None):
    """(rows of noise, the same rows of a whole noisy table)."""
    before = torch.linspace(-1, 1, rows * width, dtype=torch.float64).to(dtype).view(rows, width)
    whole, part = before.clone(), before[places].contiguous()
    noise.accumulate(whole.view(-1), terms, law, 4, 2, stochastic_seed=stochastic_seed)
    accumulate_rows(part, places, terms, law, 4, 2, stochastic_seed=stochastic_seed)
    return part, whole[places]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(noise.LAWS),
    st.sampled_from(TYPES),
    st.sampled_from([1, 7, 64, 256, CHUNK - 1, CHUNK, 3 * CHUNK + 5]),
    st.lists(st.integers(0, 29), min_size=1, max_size=40),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([None, 7]),
)
def test_rows_are_those_of_the_whole_table(law, dtype, width, places, in_order, terms, rounding):
    """In any order, with repetitions, within a chunk and across."""
    given = torch.tensor(sorted(places) if in_order else places)
    got, want = tables(30, width, law, dtype, given, TERMS[:terms], rounding)
    assert torch.equal(got, want)


def test_rows_far_into_the_stream():
    for law, width in (("rademacher", BITS_CHUNK // 4), ("gaussian", CHUNK)):
        place = 2**33
        out, want = torch.zeros(1, width), torch.zeros(width)
        noise.accumulate(want, [(1.0, 3)], law, 0, start=place * width)
        accumulate_rows(out, torch.tensor([place]), [(1.0, 3)], law, 0)
        assert torch.equal(out[0], want)


def test_a_chunk_is_drawn_once_for_neighbouring_rows(monkeypatch):
    """Counted in the kernel's Python, which makes the same calls as the machine code."""
    calls = []
    monkeypatch.setattr(cpu_tables, "fill", lambda *given: calls.append(given[-3:-1]))
    monkeypatch.setattr(cpu_tables, "add", lambda *given: None)

    def draws(places):
        calls.clear()
        out, seeds = torch.zeros(len(places), 256).numpy(), [1]
        cpu_tables.accumulate_all_rows.py_func(out, places, None, [1.0], 0, seeds, 0, 0)
        return calls

    assert draws([0, 1, 2, 3, 4]) == [(0, CHUNK), (0, 256)]
    assert draws([0, 5, 3]) == [(0, 256), (256, 512), (768, 1024)]


BAD = [
    (lambda: rows(torch.zeros(4)), r"contiguous 2-D tensor, not one of shape \(4,\)"),
    (lambda: rows(torch.zeros(2, 4).t()), "contiguous 2-D tensor"),
    (lambda: rows(torch.zeros(3, 2)), r"places are 3 numbers .* of shape \(2,\)"),
    (lambda: rows(torch.zeros(2, 2), torch.ones(2)), "not torch.float32"),
    (lambda: rows(torch.zeros(2, 2, dtype=torch.int32)), "not torch.int32|not 2-D int32"),
    (lambda: rows(torch.zeros(2, 2, device="meta")), "no rows of noise on device 'meta'"),
    (lambda: rows(torch.zeros(2, 2), law="gausian"), "no law named"),
]


def rows(out, places=None, law="gaussian"):
    places = torch.tensor([0, 1]) if places is None else places
    accumulate_rows(out, places, [(1.0, 1)], law, 0)


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_gives_one_clear_line(call, message):
    with pytest.raises(BadInput, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_device_with_a_backend_of_its_own_has_no_rows(monkeypatch):
    assert serves_rows("cpu")
    monkeypatch.setitem(noise._backends, "mps", lambda *given: None)
    assert noise.serves("mps")
    assert not serves_rows("mps")
