"""Autograd and modules that cache see every write: version counters go up as with torch.optim."""

import pytest
import torch
from optim_tools import X, loss_of, net
from torch import nn

from zobench.core import directions as d
from zobench.engine.tensors import TensorParams
from zobench.optim import ZerothOrder

DIRECTIONS = [d.Noise(1), d.LowRank(1, 2, 2), d.RandomMask(d.Noise(1), 2, 0.5)]
REALISATIONS = ["walk", "scratch", "paired"]


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", ["mezo", "lozo", "zo-adam"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_backward_through_a_graph_from_before_a_step_raises(name, realisation, dtype):
    model = net(dtype)
    opt = ZerothOrder(
        model, name, lr=1e-3, eps=1e-2, realisation=realisation, stochastic_rounding=True
    )
    for _ in range(2):  # the first step also asks how the closure reads the weights
        loss = loss_of(model)()
        opt.step(loss_of(model))
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
    loss_of(model)().backward()


@pytest.mark.parametrize("rounding", [None, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_kind_of_write_is_told(dtype, rounding):
    tensors = [torch.ones(6, 4, dtype=dtype), torch.ones(4, 6, dtype=dtype).t()]
    params = TensorParams([("a", tensors[0]), ("b", tensors[1])], (), rounding)
    first, second = params.blocks

    def told(write, *blocks):
        before = [t._version for t in tensors]
        write()
        grown = {k for k, (t, old) in enumerate(zip(tensors, before)) if t._version > old}
        assert grown == set(blocks)

    for direction in DIRECTIONS:
        told(lambda along=direction: params.add(1e-2, along))  # it waits
        told(params.flush, 0, 1)
        only = d.Restricted(direction, frozenset([1]))
        told(lambda along=only: [params.add(1e-2, along), params.flush()], 1)
        with params.probed(0.1, direction):
            inside = [t._version for t in tensors]
        told(params.flush, 0, 1)  # the way back
        assert all(t._version > old for t, old in zip(tensors, inside))
    told(lambda: params.shrink(0.5), 0, 1)
    told(lambda: params.shrink(0.5, frozenset([0])), 0)
    told(lambda: params.update(second, torch.full((24,), 0.1)), 1)
    told(params.flush)  # nothing waits
    told(lambda: first.data.sum())


class Cached(nn.Module):
    """Transposes its weight once for each version of it, as quantised or fused layers do."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias, self._seen = inner.weight, inner.bias, (-1, None)

    def forward(self, x):
        if self._seen[0] != self.weight._version:
            self._seen = self.weight._version, self.weight.detach().t().clone()
        return x @ self._seen[1] + self.bias


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_modules_that_cache_by_version_train_as_others_do(realisation):
    losses = []
    for cached in (False, True):
        model = net()
        for k in (0, 2) if cached else ():
            model[k] = Cached(model[k])
        opt = ZerothOrder(model, "mezo", lr=3e-2, eps=1e-3, realisation=realisation)
        losses.append([opt.step(loss_of(model)) for _ in range(30)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[0][-1] < 0.9 * losses[0][0]


def test_weights_made_in_inference_mode_have_no_version_and_train():
    with torch.inference_mode():
        model = net()
    opt = ZerothOrder(model, "mezo", lr=1e-2, eps=1e-3)
    with torch.inference_mode():
        first, *_, last = [opt.step(lambda: model(X).square().mean()) for _ in range(20)]
    assert last < first
