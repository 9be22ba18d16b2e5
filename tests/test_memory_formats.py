"""Weights that are not contiguous: the same directions, moves and records, where they lie."""

import numpy as np
import pytest
import torch
from torch import nn

from zobench.core import directions as d
from zobench.engine.realise import realise
from zobench.engine.tensors import TensorParams
from zobench.errors import BadInput
from zobench.optim import ZerothOrder, replay
from zobench.registry import estimators

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
IMAGES = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(3))


def pairs(dtype):
    """A tensor of each kind of memory format, and a contiguous one of equal values."""
    draw = torch.Generator().manual_seed(0)
    found = {
        "channels_last": (lambda t: t.to(memory_format=torch.channels_last), (5, 4, 3, 2)),
        "channels_last_3d": (lambda t: t.to(memory_format=torch.channels_last_3d), (4, 3, 2, 3, 2)),
        "transposed": (lambda t: t.t().contiguous().t(), (37, 50)),
        "permuted": (lambda t: t.permute(1, 2, 0).contiguous().permute(2, 0, 1), (7, 5, 6)),
        "one channel": (lambda t: t.to(memory_format=torch.channels_last), (6, 1, 3, 3)),
    }
    for name, (as_format, shape) in found.items():
        plain = torch.randn(shape, generator=draw).to(dtype)
        yield name, plain, as_format(plain.clone())


def kinds(size):
    masks = d.Mask((), (np.packbits(np.arange(size) % 3 == 0),))
    return [
        d.Noise(1), d.Noise(1, "rademacher"), d.LowRank(1, 2, 3), d.RandomMask(d.Noise(1), 2, 0.5),
        d.FixedMask(d.Noise(1), masks), d.Dense(np.arange(size) / size), d.Coordinate(size // 2),
        d.Recipe(((0.5, d.Noise(1)), (-1.0, d.LowRank(2, 3, 1)))),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rounding", [None, 3])
def test_every_move_is_that_of_a_contiguous_weight(dtype, rounding):
    for name, plain, other in pairs(dtype):
        strides, both = other.stride(), [plain, other]
        params = [TensorParams([("w", t)], (), rounding) for t in both]
        assert np.array_equal(params[0].flat(), params[1].flat())
        for direction in kinds(plain.numel()):
            for one in params:
                one.add(0.1, direction)
                with one.probed(0.2, direction):
                    pass
                one.shrink(0.9)
                one.update(one.blocks[0], torch.linspace(-0.1, 0.1, plain.numel()))
                one.flush()
            assert torch.equal(*both), (name, direction)
        assert other.stride() == strides
        dense = [one.dense(d.Noise(5), one.blocks[0]) for one in params]
        assert torch.equal(*dense)


class Tells(nn.Linear):
    """Keeps the strides with which its forward finds its weight."""

    def forward(self, x):
        self.found = self.weight.stride()
        return super().forward(x)


@pytest.mark.parametrize("direction", [d.Noise(1), d.LowRank(1, 2, 3), d.Dense(np.ones(408))])
@pytest.mark.parametrize("kind", [Tells, nn.Embedding])
def test_copies_have_the_values_and_the_format_of_their_weights(kind, direction):
    seen = []
    for transposed in (False, True):
        module = kind(16, 24)
        draw = torch.Generator().manual_seed(0)
        for p in module.parameters():
            p.data.copy_(torch.randn(p.shape, generator=draw))
        if transposed:
            module.weight.data = module.weight.data.t().contiguous().t()
        rows = torch.eye(16)[:3] if kind is Tells else torch.tensor([3, 9, 3])
        params, strides = realise(module, "scratch"), module.weight.stride()
        with torch.no_grad(), params.probed(0.5, direction):
            seen.append(module(rows))
        assert module.weight.stride() == strides
        assert getattr(module, "found", strides) == strides
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-5, atol=1e-5)


def images(dtype, memory_format=torch.contiguous_format):
    """A small convolutional network; its head is a plain matrix."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 4, 3, stride=2), nn.Tanh(),
            nn.Flatten(), nn.Linear(16, 2),
        )  # fmt: skip
    return model.to(dtype).to(memory_format=memory_format)


def loss_of(model):
    """Of weights that are read in one order: sums of other orders would round otherwise."""
    dtype = next(model.parameters()).dtype

    def loss():
        held = {name: p.contiguous() for name, p in model.named_parameters()}
        found = torch.func.functional_call(model, held, IMAGES.to(dtype))
        return (found.float().square() - 1).square().mean()

    return loss


@pytest.mark.parametrize("name", ["mezo", "mezo-bcd", "lozo", "zo-adam", "zo-signsgd"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_channels_last_network_trains_to_equal_weights(name, dtype):
    given = {"lr": 1e-3, "eps": 1e-2, "stochastic_rounding": True}
    if "weight_decay" in estimators[name].defaults:
        given["weight_decay"] = 0.1
    found = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        model = images(dtype, memory_format)
        opt = ZerothOrder(model, name, **given)
        losses = [opt.step(loss_of(model)) for _ in range(12)]
        opt.flush()
        found.append((losses, model))
    (losses, plain), (others, other) = found
    assert losses == others
    for p, q in zip(plain.parameters(), other.parameters()):
        assert torch.equal(p, q)
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not other[0].weight.is_contiguous()


@pytest.mark.parametrize("realisation", ["walk", "scratch", "paired"])
def test_its_own_forward_trains_it_alike(realisation):
    found = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        model = images(torch.float32, memory_format)
        opt = ZerothOrder(model, "mezo", lr=1e-2, eps=1e-2, realisation=realisation)
        closure = lambda m=model: (m(IMAGES).square() - 1).square().mean()  # noqa: E731
        found.append([opt.step(closure) for _ in range(20)])
    assert found[1] == pytest.approx(found[0], rel=1e-3)
    assert found[0][-1] < found[0][0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_records_and_states_go_from_one_format_to_another(dtype, tmp_path):
    formats = torch.channels_last, torch.contiguous_format
    given = {"lr": 1e-3, "eps": 1e-2, "stochastic_rounding": True}
    for k, (one, other) in enumerate((formats, formats[::-1])):
        model, closure = images(dtype, one), loss_of
        opt = ZerothOrder(model, "zo-adam", **given)
        opt.record(tmp_path / f"run{k}")
        for _ in range(5):
            opt.step(closure(model))
        weights = {name: p.clone() for name, p in model.state_dict().items()}
        saved = opt.state_dict()
        for _ in range(3):
            opt.step(closure(model))
        opt.close()
        again, resumed = images(dtype, other), images(dtype, other)
        assert replay(tmp_path / f"run{k}", again) == 8
        resumed.load_state_dict(weights)
        later = ZerothOrder(resumed, "zo-adam", **given)
        later.load_state_dict(saved)
        for _ in range(3):
            later.step(closure(resumed))
        later.flush()
        for p, q, r in zip(model.parameters(), again.parameters(), resumed.parameters()):
            assert torch.equal(p, q)
            assert torch.equal(p, r)


def formats_of(model):
    return [p.is_contiguous(memory_format=torch.channels_last) for p in model.parameters()][::2][:2]


@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["mezo", "mezo-bcd", "lozo", "zo-adam"])
def test_weights_that_get_another_format_move_on_there(name, dtype, delay, tmp_path):
    """To the same bits, there and back, also while a move waits to be written."""
    ends = []
    for moves in ((), (torch.channels_last,), (torch.channels_last, torch.contiguous_format)):
        path, model = tmp_path / f"run{len(moves)}", images(dtype)
        opt = ZerothOrder(model, name, lr=1e-3, eps=1e-2, stochastic_rounding=True, delay=delay)
        opt.record(path)
        losses = []
        for memory_format in (None, *moves):
            if memory_format is not None:
                model.to(memory_format=memory_format)
            losses += [opt.step(loss_of(model)) for _ in range(6 // (1 + len(moves)))]
        opt.close()
        assert formats_of(model) == [moves[-1:] == (torch.channels_last,)] * 2
        again = images(dtype)
        assert replay(path, again) == 6
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters()))
        ends.append((losses, again))
    assert ends[0][0] == ends[1][0] == ends[2][0]
    for p, *others in zip(*(model.parameters() for _, model in ends)):
        assert all(torch.equal(p, q) for q in others)
        assert not torch.equal(p, torch.zeros_like(p))


def test_copies_of_weights_that_got_another_format_train_alike():
    ends = []
    for moved in (False, True):
        model = images(torch.float32)
        opt = ZerothOrder(model, "mezo", lr=1e-2, eps=1e-2, realisation="scratch")
        closure = lambda m=model: (m(IMAGES).square() - 1).square().mean()  # noqa: E731
        losses = [opt.step(closure) for _ in range(5)]
        if moved:
            model.to(memory_format=torch.channels_last)
        ends.append(losses + [opt.step(closure) for _ in range(5)])
    assert ends[1] == pytest.approx(ends[0], rel=1e-3)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(3, 1).expand(3, 4), torch.zeros(6, 4)[:, ::2], torch.zeros(4, 6)[:, :3],
        torch.zeros(9).as_strided((4, 3), (1, 1)), torch.zeros(()).expand(2),
        torch.zeros(2, 4, 3, 3).to(memory_format=torch.channels_last)[:, ::2],
    ],
    ids=["expanded", "strided", "columns", "overlapping", "one number", "half of the channels"],
)  # fmt: skip
def test_tensors_with_gaps_or_shared_elements_are_refused_in_one_sentence(tensor):
    with pytest.raises(BadInput, match="w has elements that share memory, or gaps") as found:
        TensorParams([("w", tensor)])
    assert "\n" not in str(found.value)
    assert "contiguous()" in str(found.value)
