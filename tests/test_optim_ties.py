"""Weights that share memory: tied ones move once, whatever ties them; others are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zobench.engine.tensors import TensorParams
from zobench.errors import BadInput
from zobench.optim import ZerothOrder

X = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
REALISATIONS = ("walk", "scratch", "paired")


def free() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))


def one_parameter(model):
    model[2].weight = model[0].weight


def one_data(model):
    model[2].weight.data = model[0].weight.data


def detached(model):
    model[2].weight = nn.Parameter(model[0].weight.detach())


def viewed(model):
    model[2].weight.data = model[0].weight.data.view(36).view(6, 6)


def one_is_frozen(model):
    model[2].weight = nn.Parameter(model[0].weight.detach(), requires_grad=False)


def in_one_buffer(model):
    flat = torch.empty(72)
    flat[:36] = flat[36:] = model[0].weight.data.view(-1)
    for k, layer in enumerate((model[0], model[2])):
        layer.weight.data = flat[36 * k : 36 * (k + 1)].view(6, 6)


def overlapping(model):
    flat = torch.randn(72)
    model[0].weight.data, model[2].weight.data = flat[:36].view(6, 6), flat[30:66].view(6, 6)


def inside_another(model):
    model[2].bias.data = model[0].weight.data[1]


def of_another_type(model):
    model[2].bias = nn.Parameter(model[0].weight.data.view(torch.bfloat16)[0])


def made(tie, dtype=torch.float32):
    model = free().to(dtype)
    tie(model)
    return model


def trained(model, realisation, **given):
    """(length of the first probe, length of the mean step, last weights)."""
    opt = ZerothOrder(model, lr=1e-2, eps=1e-2, realisation=realisation, **given)
    losses, dtype = [], model[0].weight.dtype
    for _ in range(8):
        losses.append(opt.step(lambda: (model(X.to(dtype)).float() - X).pow(2).mean()))
    opt.flush()
    return torch.tensor(losses), torch.cat([p.detach().view(-1) for p in model.parameters()])


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("tie", [one_data, detached, viewed, one_is_frozen])
def test_ties_by_memory_move_as_ties_of_parameters_do(tie, realisation):
    want, _ = trained(made(one_parameter), realisation)
    model = made(tie)
    found, _ = trained(model, realisation)
    torch.testing.assert_close(found, want, rtol=0, atol=0)
    assert torch.equal(model[0].weight, model[2].weight)


@pytest.mark.parametrize("tie", [one_data, detached, one_is_frozen, in_one_buffer])
@pytest.mark.parametrize("realisation", ["scratch", "paired"])
def test_walk_and_copies_agree(tie, realisation):
    (walk, one), (copies, other) = (trained(made(tie), r) for r in ("walk", realisation))
    torch.testing.assert_close(walk, copies, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_views_of_one_buffer_are_free(realisation):
    model = made(in_one_buffer)
    losses, _ = trained(model, realisation)
    apart = free()
    apart[2].weight.data.copy_(apart[0].weight.data)
    want, _ = trained(apart, realisation)
    torch.testing.assert_close(losses, want, rtol=0, atol=0)
    assert not torch.equal(model[0].weight, model[2].weight)


@pytest.mark.parametrize("realisation", [*REALISATIONS, "auto"])
@pytest.mark.parametrize("tie", [overlapping, inside_another, of_another_type])
def test_what_overlaps_is_refused_in_one_line(tie, realisation):
    with pytest.raises(BadInput, match=r"shares memory with 0.weight.*give it memory") as told:
        ZerothOrder(made(tie), realisation=realisation)
    assert "\n" not in str(told.value)


def test_what_does_not_move_must_not_share_memory_in_scratch():
    def frozen_part(model):
        model[2].bias = nn.Parameter(model[0].weight.detach()[1], requires_grad=False)

    def buffer(model):
        model.register_buffer("copy", model[0].weight.detach())

    for tie in (frozen_part, buffer):
        with pytest.raises(BadInput, match=r"share memory.*realisation = walk"):
            ZerothOrder(made(tie), realisation="scratch")
        opt = ZerothOrder(made(tie, torch.bfloat16), realisation="auto")
        assert opt.realisation == "walk"


def test_ties_in_lists_and_groups():
    model = made(one_data)
    opt = ZerothOrder([model[2].weight, model[0].weight, model[0].bias], model=model)
    assert opt.param_groups[0]["param_names"] == ["0.weight", "0.bias"]
    with pytest.raises(BadInput, match="parameter groups"):
        ZerothOrder([{"params": [model[0].weight]}, {"params": [model[2].weight]}], model=model)
    with pytest.raises(BadInput, match="shares memory"):
        ZerothOrder([{"params": [("a", model[0].weight)]}, {"params": [("b", model[2].weight)]}])


def test_params_of_objectives_refuse_shared_memory():
    flat = torch.zeros(12)
    TensorParams([("a", flat[:6]), ("b", flat[6:])])
    for other in (flat[:6], flat[5:], flat[:6].view(2, 3), flat[3:4]):
        with pytest.raises(BadInput, match=r"(b shares memory with a)|(a shares memory with b)"):
            TensorParams([("a", flat[:6]), ("b", other)])


def test_tensors_without_memory_are_not_tied():
    for device, shape in (("cpu", (0,)), ("meta", (0,)), ("meta", (3,))):
        tensors = [torch.empty(shape, device=device) for _ in range(3)]
        params = TensorParams([(f"x{k}", t) for k, t in enumerate(tensors)])
        assert len(params.blocks) == 3
    opt = ZerothOrder([*(torch.empty(0) for _ in range(3)), torch.zeros(2)])
    assert len(opt.param_groups[0]["params"]) == 4


@pytest.mark.parametrize("untie", ["clone", "format"])
def test_ties_that_end_are_told(untie):
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    model[1].weight.data = model[0].weight.data
    images = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    opt = ZerothOrder(model, "mezo", lr=1e-2)
    opt.step(lambda: model(images).square().mean())
    if untie == "clone":
        model[1].weight.data = model[1].weight.data.clone()
    else:
        model.to(memory_format=torch.channels_last)
    with pytest.raises(BadInput, match="no longer tied"):
        opt.step(lambda: model(images).square().mean())


def test_ties_that_begin_are_told():
    model = free()
    opt = ZerothOrder(model, "mezo", lr=1e-2)
    opt.step(lambda: model(X).square().mean())
    model[2].weight.data = model[0].weight.data
    with pytest.raises(BadInput, match="shares memory"):
        opt.step(lambda: model(X).square().mean())
