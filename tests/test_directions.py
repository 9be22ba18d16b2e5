"""Directions are values: what happens to one after its probe never changes what is taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from zobench.core.directions import (
    Coordinate,
    Dense,
    Direction,
    FixedMask,
    LowRank,
    Mask,
    Noise,
    PrimitiveDirection,
    RandomMask,
    Recipe,
    Restricted,
    add_terms,
)
from zobench.core.vector import VectorParams
from zobench.engine.prefix import Prefix
from zobench.engine.realise import realise
from zobench.engine.tensors import TensorParams
from zobench.errors import BadInput

D = 40


def locked(array):
    array.flags.writeable = False
    return array


class Changing:
    """A direction of arrays that change, or that reads a counter; of any class."""

    def expand(self, block):
        return ((1.0, self),)

    def add(self, out, scale, block, start):
        out += scale * self.scales[block.start + start :][: len(out)]


class Plain(Changing):
    def __init__(self, scales):
        self.scales = scales


@dataclass
class Unhashable(Changing):
    scales: Any


@dataclass(frozen=True)
class FrozenWithArray(Changing):
    scales: Any


@dataclass(frozen=True, eq=False)
class Derived(Changing, Direction):
    scales: Any


class NotFrozen(Changing, Direction):
    def __init__(self, scales):
        self.scales = scales


@dataclass(frozen=True, eq=False)
class Inherits(Noise):
    """Of a frozen class, but with attributes of its own."""

    seed: int = 0
    scales: Any = None
    expand, add = Changing.expand, Changing.add


@dataclass
class Helper:
    scales: Any
    add = Changing.add


@dataclass(frozen=True, eq=False)
class Expands(Direction):
    """Its primitives are made anew, and cannot be hashed."""

    scales: Any

    def expand(self, block):
        return ((1.0, Helper(self.scales)),)


KEPT: dict[int, Any] = {}  # arrays by the seed of the direction that expands into them


@dataclass(frozen=True)
class KeptElsewhere(Direction):
    """A seed alone, but its primitives hold an array that can change."""

    seed: int

    def expand(self, block):
        return ((1.0, Dense(KEPT[self.seed])),)


@dataclass(frozen=True)
class ReadsElsewhere(PrimitiveDirection):
    """A seed alone; its `add` reads an array that can change."""

    seed: int

    def add(self, out, scale, block, start):
        out += scale * KEPT[self.seed][block.start + start :][: len(out)]


@dataclass(frozen=True)
class WeighsElsewhere(Direction):
    """A seed alone; its weights come from an array that can change."""

    seed: int

    def expand(self, block):
        return ((float(KEPT[self.seed][0]), Noise(1)),)


@dataclass(frozen=True)
class ExpandsToOne(Direction):
    seed: int

    def expand(self, block):
        return ((1.0, ReadsElsewhere(self.seed)),)


def elsewhere(kind, h):
    KEPT[len(KEPT)] = h
    return kind(len(KEPT) - 1)


KINDS = {
    "reads-elsewhere": lambda h: elsewhere(ReadsElsewhere, h),
    "weighs-elsewhere": lambda h: elsewhere(WeighsElsewhere, h),
    "expands-to-one": lambda h: elsewhere(ExpandsToOne, h),
    "recipe-of-weights-elsewhere": lambda h: Recipe(
        ((0.5, Noise(3)), (2.0, Restricted(elsewhere(WeighsElsewhere, h), frozenset([0]))))
    ),
    "mask-of-one-that-reads-elsewhere": lambda h: RandomMask(
        elsewhere(ReadsElsewhere, h), 3, 0.5  # pyright: ignore
    ),
    "kept-elsewhere": lambda h: elsewhere(KeptElsewhere, h),
    "recipe-of-one-kept-elsewhere": lambda h: Recipe(
        ((2.0, Restricted(elsewhere(KeptElsewhere, h), frozenset([0]))),)
    ),
    "plain": lambda h: Plain(h),
    "unhashable": lambda h: Unhashable(h),
    "frozen-with-array": lambda h: FrozenWithArray(h),
    "derived": lambda h: Derived(h),
    "not-frozen": lambda h: NotFrozen(h),
    "inherits": lambda h: Inherits(scales=h),
    "expands": lambda h: Expands(h),
    "dense": lambda h: Dense(h),
    "dense-of-a-locked-view": lambda h: Dense(locked(h[:])),
    "masked": lambda h: FixedMask(Noise(1), Mask((), (h.view(np.uint8),) * 2)),
    "random-mask": lambda h: RandomMask(Plain(h), 3, 0.5),  # pyright: ignore
    "restricted": lambda h: Restricted(Unhashable(h), frozenset([0])),
    "restricted-by-a-set": lambda h: Restricted(Plain(h), {0}),  # pyright: ignore
    "recipe": lambda h: Recipe(((0.5, Noise(3)), (2.0, Unhashable(h)))),
    "recipe-of-a-list": lambda h: Recipe([(1.0, Dense(h))]),  # pyright: ignore
    "nested": lambda h: Restricted(Recipe(((2.0, Restricted(Dense(h), frozenset([0, 1]))),)),
                                   frozenset([0])),
}  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def walk(layout):
    tensors = [torch.arange(float(n), dtype=torch.float64) for n in layout]
    return TensorParams((f"x{i}", t) for i, t in enumerate(tensors))


@pytest.mark.parametrize("layout", [(D,), (D // 2, D // 2), (D, 0)])
@pytest.mark.parametrize("merged", [False, True])
def test_a_change_after_the_probe_does_not_move_the_point(kind, layout, merged):
    params, h = walk(layout), np.linspace(1, 2, D)
    before, direction = params.flat(), kind(h)
    if merged:  # with moves that wait
        params.add(0.5, Noise(9))
        params.add(-0.5, Noise(9))
    for scale in (0.1, -0.1):
        with params.probed(scale, direction):
            pass
    h *= -3.0
    np.testing.assert_allclose(params.flat(), before, rtol=0, atol=1e-13)
    with params.probed(0.1, direction), params.probed(0.2, direction):
        pass
    h *= -3.0
    np.testing.assert_allclose(params.flat(), before, rtol=0, atol=1e-13)


def test_a_move_is_made_along_what_was_added(kind):
    moved = []
    for params in (walk((D,)), VectorParams(np.arange(float(D)))):
        h = np.linspace(1, 2, D)
        params.add(0.1, kind(h))
        h *= -3.0
        moved.append(params.flat())
    np.testing.assert_allclose(*moved, rtol=0, atol=1e-5)


def test_vectors_and_modules_take_the_same_directions(kind):
    h = np.linspace(1, 2, D)
    rows = VectorParams(np.arange(float(D))).rows([(0.1, kind(h)), (-0.1, kind(h))])
    params = walk((D,))
    for row, scale in zip(rows, (0.1, -0.1)):
        with params.probed(scale, kind(h)):
            np.testing.assert_allclose(params.flat(), row, rtol=0, atol=1e-6)


def test_prefix_reuse_takes_any_direction(kind):
    direction = kind(np.linspace(1, 2, D))
    params = walk((D // 2, D // 2))
    found = Prefix([nn.Identity()] * 2, [0, 1]).first_moved(params, [direction, direction])
    assert found == 0


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(float(D), dtype=torch.float64))

    def forward(self):
        return self.weight.clone()


def test_scratch_takes_any_direction(kind):
    net, h = Net(), np.linspace(1, 2, D)
    params = realise(net, "scratch")
    before = params.flat()
    want = np.zeros(D)
    add_terms(want, list(kind(h).expand(params.blocks[0])), params.blocks[0], 0)
    with torch.no_grad(), params.probed(0.1, kind(h)):
        np.testing.assert_allclose(net().numpy(), before + 0.1 * want, rtol=0, atol=1e-6)
    direction = kind(h)
    params.add(0.1, direction)
    h *= -3.0
    np.testing.assert_allclose(params.flat(), before + 0.1 * want, rtol=0, atol=1e-6)


@dataclass(frozen=True)
class Twice(Direction):
    """Gives the direction itself, not what it expands into."""

    inner: Any

    def expand(self, block):
        return ((2.0, self.inner),)


NESTED = {
    "noise": Noise(1),
    "recipe": Recipe(((0.5, Noise(1)), (-1.0, Restricted(LowRank(1, 2, 2), frozenset([0, 1]))))),
    "restricted": Restricted(Noise(1), frozenset([1])),
    "low rank": LowRank(1, 2, 2),
    "coordinate": Coordinate(8),
    "itself": Twice(Twice(LowRank(1, 2, 2))),
}


@pytest.mark.parametrize("name", NESTED)
def test_a_direction_expands_into_directions(name):
    inner = NESTED[name]
    shapes = [(2, 3), (4,)]
    vectors = VectorParams(np.zeros(10), shapes)
    want = 2 * vectors.rows([(1.0, inner)])[0]
    assert want.any()
    np.testing.assert_allclose(vectors.rows([(1.0, Twice(inner))])[0], want, rtol=1e-6)
    np.testing.assert_allclose(vectors.norm(Twice(inner)), np.linalg.norm(want), rtol=1e-6)
    dense = [vectors.dense(Twice(inner), block) for block in vectors.blocks]
    np.testing.assert_allclose(np.concatenate(dense), want, rtol=1e-6)
    touched = list(vectors.touched(inner))
    assert list(vectors.touched(Twice(inner))) == touched
    vectors.add(1.0, Twice(inner))
    np.testing.assert_allclose(vectors.x, want, rtol=1e-6)

    class Owner(nn.Module):  # scratch perturbs what a forward of the owning module reads
        def __init__(self):
            super().__init__()
            self.one = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
            self.two = nn.Parameter(torch.zeros(4, dtype=torch.float64))

        def forward(self):
            return torch.cat([self.one.clone().flatten(), self.two.clone()])

    for realisation in ("walk", "scratch", "paired"):
        net = Owner()
        params = realise(net, realisation)
        with torch.no_grad(), params.probed(0.5, Twice(inner)):
            np.testing.assert_allclose(net().numpy(), want / 2, atol=1e-5)
        params.add(1.0, Twice(inner))
        params.add(-0.5, Twice(inner))
        np.testing.assert_allclose(params.flat(), want / 2, atol=1e-5)


@dataclass(frozen=True)
class Itself(Direction):
    def expand(self, block):
        return ((1.0, self),)


@pytest.mark.parametrize("wrong", [Twice(np.ones(3)), Twice(torch.ones(3)), Twice(7), Itself()])
def test_a_term_that_is_not_a_direction_is_refused(wrong):
    for params in (VectorParams(np.zeros(3)), walk((3,))):
        with pytest.raises(BadInput, match=r"not a primitive: give pairs .*Noise\(seed\)") as told:
            params.add(1.0, wrong)
        assert type(wrong).__name__ in str(told.value)
        assert "\n" not in str(told.value)


def test_a_direction_that_raises_leaves_the_point_whole():
    class Broken:
        def expand(self, block):
            if block.index == 1:
                raise RuntimeError("here")
            return ((1.0, Noise(0)),)

    params = walk((3, 3))
    before = params.flat()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="here"), params.probed(0.1, Broken()):
            pass
    assert np.array_equal(params.flat(), before)


@dataclass(frozen=True)
class Own(Direction):
    """What the base class is for: fields that are values."""

    seed: int
    inner: Direction
    weights: tuple[float, ...] = field(default=(0.5, 0.5))

    def expand(self, block):
        return tuple((w, Noise(self.seed + k)) for k, w in enumerate(self.weights))


FIXED = [
    Noise(3),
    LowRank(1, 2, 3),
    RandomMask(Noise(1), 2, 0.5),
    Recipe(((np.float64(0.5), Restricted(Noise(2), frozenset([1]))),)),
    Own(np.int64(3), Noise(2)),
    Own(3, Recipe(((1.0, Dense(locked(np.ones(3)))),))),
]


@pytest.mark.parametrize("direction", FIXED, ids=lambda d: type(d).__name__)
def test_what_cannot_change_waits_and_merges(direction):
    from zobench.core.fixed import fixed, key

    assert fixed(direction)
    assert key(direction) is direction
    params = walk((6,))
    params.blocks[0].shape = (2, 3)
    params.add(0.5, direction)
    writes = params.writes
    with params.probed(0.1, direction):
        pass
    assert params.writes == writes + 1  # nothing was written but the probe
    assert len(params._due.pending) == 1


def test_equal_directions_of_ones_own_are_one():
    from zobench.core.fixed import key

    assert key(Own(3, Noise(2))) == key(Own(3, Noise(2)))
    assert key(Plain(np.ones(2))) != key(Plain(np.ones(2)))


def test_a_seed_on_a_device_may_change():
    from zobench.core.fixed import fixed

    assert not fixed(Noise(torch.tensor(3)))  # pyright: ignore


def test_a_direction_that_compares_some_fields_only_is_not_merged():
    @dataclass(frozen=True)
    class Weighted(Direction):
        seed: int
        weight: float = field(compare=False)

        def expand(self, block):
            return ((self.weight, Noise(self.seed)),)

    def moved(*weights):
        params = TensorParams([("x", torch.zeros(D))])
        for weight in weights:
            params.add(1.0, Weighted(1, weight))
        return params.flat()

    assert moved(1.0, 3.0) == pytest.approx(4 * moved(1.0), rel=1e-5)


class Entry:
    """Can be put into a set, and be changed there."""

    factor = 1.0


class Masked(np.ndarray):
    pass


@dataclass(frozen=True)
class Holding(Direction):
    inside: object

    def expand(self, block):
        return ((1.0, Noise(0)),)


@dataclass(frozen=True)
class Making(Direction):
    """Makes an array of its fields, which can be written to."""

    seed: int

    def __post_init__(self):
        object.__setattr__(self, "array", np.full(3, self.seed))

    def expand(self, block):
        return ((float(self.array[0]), Noise(0)),)


CHANGEABLE = {
    "set": lambda: Holding(frozenset([Entry()])),
    "set in a set": lambda: Holding(frozenset([1, frozenset([Entry()])])),
    "record": lambda: Holding(np.zeros(1, [("a", float)])[0]),
    "masked array": lambda: Holding(np.ma.masked_array(locked(np.ones(3)), [0, 0, 1])),
    "array of a class": lambda: Holding(locked(np.ones(3)).view(Masked)),
    "made": lambda: Making(3),
}


@pytest.mark.parametrize("make", CHANGEABLE.values(), ids=CHANGEABLE)
def test_what_holds_something_that_can_change_is_not_fixed(make):
    from zobench.core.fixed import fixed

    assert not fixed(make())
    params = walk((3, 3))
    params.add(0.5, make())
    assert not params._due  # written at once


def test_frozen_sets_of_values_are_fixed():
    from zobench.core.fixed import fixed

    inside = frozenset([1, "a", np.float32(2), (1, frozenset([Noise(3)]))])
    assert fixed(Holding(inside))
    assert not fixed(Holding(np.zeros(1, [("a", float)])[0]))


@dataclass(frozen=True)
class Sevens(Noise):
    """A subclass of a core direction with an `add` of its own."""

    def add(self, out, scale, block, start):
        out += scale * np.float32(7)


@dataclass(frozen=True)
class LowRankSevens(LowRank):
    add = Sevens.add


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("other", [(), ((1.0, Noise(2)), (-1.0, Noise(2)))], ids=["alone", "with"])
@pytest.mark.parametrize("own", [Sevens(1), LowRankSevens(1, 2, 3)], ids=["noise", "low-rank"])
def test_the_add_of_a_subclass_is_used(own, other, dtype):
    """On vectors, tensors, copies and rows of copies alike."""
    direction = Recipe(((1.0, own), *other))
    vector = VectorParams(np.zeros(6), [(3, 2)])
    (row,) = vector.rows([(1.0, direction)])
    vector.add(1.0, direction)
    tensors = TensorParams([("x", torch.zeros(3, 2, dtype=dtype))])
    tensors.add(1.0, direction)
    table = nn.Embedding(3, 2, _weight=torch.zeros(3, 2, dtype=dtype))
    with torch.no_grad(), realise(table, "scratch").probed(1.0, direction):
        looked_up = table(torch.tensor([2, 0]))
    for found in (row, vector.flat(), tensors.flat(), looked_up.double().numpy()):
        np.testing.assert_allclose(found, np.full_like(found, 7.0), rtol=1e-2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("shapes", [(), [(3, 4), (5,)]])
def test_a_stored_vector_moves_a_point_as_it_does_block_by_block(dtype, shapes):
    rng = np.random.default_rng(0)
    params = VectorParams(rng.standard_normal(17), shapes)
    vectors = [Dense((9 * rng.standard_normal(17)).astype(dtype)) for _ in range(3)]
    expected = [params.flat() for _ in vectors]
    for row, direction in zip(expected, vectors):
        for block in params.blocks:
            add_terms(row[block.span], [(0.3, direction)], block, 0)
    assert (params.rows([(0.3, direction) for direction in vectors]) == expected).all()
    zero = Dense(np.full(17, np.nan))  # a probe of scale 0 is the point itself
    assert (params.rows([(0.0, zero)] * 3) == params.x).all()
    params.add(0.3, vectors[0])
    assert (params.x == expected[0]).all()


def test_a_stored_vector_that_is_too_short_is_refused():
    params = VectorParams(np.zeros(4))
    with pytest.raises(ValueError, match="broadcast"):
        params.rows([(1.0, Dense(np.ones(3)))] * 3)
