"""Bad input to the optimizer: one line, that says what would be right."""

import copy

import numpy as np
import pytest
import torch
from optim_tools import X, Y, loss_of, net, raw
from torch import nn

from zobench.errors import BadInput, Unsuitable
from zobench.optim import ZerothOrder
from zobench.registry import estimators


def refused(match, *args, error=BadInput, **settings):
    with pytest.raises(error, match=match) as found:
        ZerothOrder(*args, **settings)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (None, "returned None; it must return the loss"),
        (torch.zeros(3), r"shape \(3,\); it must return one number, such as its mean"),
        (torch.zeros(1), r"shape \(1,\)"),
        (torch.zeros((), dtype=torch.complex64), "complex"),
        ("low", "returned a str"),
        (type("Output", (), {"loss": 1.0})(), r"returned a Output; .* such as its .loss"),
    ],
)
def test_a_closure_that_gives_no_loss(loss, match):
    with pytest.raises(BadInput, match=match):
        ZerothOrder(net()).step(lambda: loss)


def test_calls_that_cannot_be():
    model = net()
    opt = ZerothOrder(model)
    with pytest.raises(BadInput, match="takes a closure"):
        opt.step(None)
    with pytest.raises(BadInput, match="micro_batches is empty"):
        opt.step(loss_of(model), micro_batches=[])
    with pytest.raises(BadInput, match="2 micro_batches and 1 weights"):
        opt.step(lambda b: 0.0, micro_batches=[1, 2], weights=[1])
    with pytest.raises(BadInput, match="0 or above"):
        opt.step(lambda b: 0.0, micro_batches=[1], weights=[-1])
    with pytest.raises(BadInput, match="there are none"):
        opt.step(loss_of(model), weights=[1])
    with pytest.raises(BadInput, match="computes gradients"):
        opt.step(lambda: loss_of(model)().backward())
    with pytest.raises(BadInput, match="groups are fixed"):
        opt.add_param_group({"params": [torch.zeros(2)]})
    with pytest.warns(UserWarning, match="compute the loss in float32"):
        opt.step(lambda: ((model(X) - Y) ** 2).mean().bfloat16())
    opt.param_groups[0]["lr"] = -1.0
    with pytest.raises(BadInput, match="lr and weight_decay are 0 or above"):
        opt.step(loss_of(model))


def test_models_that_cannot_train():
    frozen = net().requires_grad_(False)
    refused("all parameters of Sequential are frozen: set requires_grad", frozen)
    refused("ReLU has no parameter", nn.ReLU())
    refused("the list of params has no parameter", [])
    refused("'params'", [{"lr": 1.0}])
    refused("tensors or", [3])
    refused(r"param0 is int8, .* quantised type: .* adapters", [torch.zeros(2, dtype=torch.int8)])
    frozen[0].weight = nn.Parameter(torch.zeros(16, 4, dtype=torch.uint8), requires_grad=False)
    refused(r"Sequential is quantised \(uint8\) and frozen: .* adapters", frozen)
    w = torch.zeros(2)
    refused("two parameter groups", [{"params": [("w", w)]}, {"params": [("w", w)]}])
    refused("gaps between them", [torch.zeros(3, 4)[:, ::2]])


def test_a_model_that_changed_since():
    model = net()
    opt = ZerothOrder(model)
    model.double()
    with pytest.raises(BadInput, match=r"0.weight was moved or replaced: .* after model.to"):
        opt.step(loss_of(model))
    model = net()
    opt = ZerothOrder(model)
    model[2].requires_grad_(False)
    with pytest.raises(BadInput, match=r"2.weight was frozen since"):
        opt.step(loss_of(model))


def test_settings_that_cannot_be():
    model = net()
    refused("did you mean 'mezo'", model, "mezzo")
    refused("did you mean 'eps'", model, "mezo", epz=1)
    refused("number", model, "mezo", lr="fast")
    refused("raise or skip", model, on_nonfinite="ignore")
    refused("seed is an integer", model, seed="one")
    refused("no setting named 'lr'", model, "gld", lr=0.1)
    refused("gld has no weight decay", model, "gld", weight_decay=0.1)
    refused("cannot skip a step", model, "cma-es", on_nonfinite="skip")


def test_groups_that_cannot_be():
    model = net()
    refused("did you mean '0.weight'", model, groups={"a": ["0.weigth"]})
    refused("'0.bias' is in 'a' and in 'b'", model, groups={"a": ["0.bias"], "b": ["0.bias"]})
    refused("leave out .* and 2 more; they would never", model, groups={"a": ["0.bias"]})
    refused("not one word", model, groups={"a": "0.bias"})


@pytest.mark.parametrize("entry", [e for e in estimators.load().values() if e.first_order])
def test_first_order_estimators_are_unsuitable(entry):
    refused("torch.optim", net(), entry.name, error=Unsuitable)


def test_a_method_without_a_learning_rate_takes_none():
    model = net()
    opt = ZerothOrder(model, "gld")
    opt.param_groups[0]["lr"] = 0.5
    with pytest.raises(BadInput, match="gld has no learning rate"):
        opt.step(loss_of(model))


def test_a_library_that_waits_for_losses_says_so():
    model = net()
    opt = ZerothOrder(model, "nevergrad")
    with pytest.raises(BadInput, match="returned None"):
        opt.step(lambda: None)
    with pytest.raises(BadInput, match="make a new optimizer"):
        opt.step(loss_of(model))


def test_parameters_and_modules_that_were_replaced_are_told():
    def assigned(model):
        model.load_state_dict({k: v.clone() for k, v in model.state_dict().items()}, assign=True)

    def swapped(model):
        model[0] = nn.Linear(4, 64)

    for change, name in ((assigned, "0.weight"), (swapped, "0")):
        model = nn.Sequential(nn.Linear(4, 64), nn.Linear(64, 1))
        opt = ZerothOrder(model, "mezo", lr=1e-2)
        change(model)
        with pytest.raises(BadInput, match=f"^{name} was replaced"):
            opt.step(lambda: 0.0)


def test_parametrised_modules_train():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 1))
    opt = ZerothOrder(model, "mezo-bcd", lr=1e-2, dwell=1)
    x = torch.randn(32, 8)
    first, *_, last = [opt.step(lambda: model(x).pow(2).mean()) for _ in range(100)]
    assert last < first


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_out_of_memory_says_what_to_change(error):
    def closure():
        raise error("CUDA out of memory. Tried to allocate 3 GiB. Many more sentences.")

    opt = ZerothOrder(nn.Linear(4, 1))
    with pytest.raises(error, match=r"^CUDA out of memory\. A step needs .* micro_batches"):
        opt.step(closure)


def test_what_is_no_name_and_no_groups_is_told():
    with pytest.raises(BadInput, match="the name of an estimator is a word, not 5"):
        ZerothOrder(nn.Linear(4, 1), 5)
    with pytest.raises(BadInput, match="groups are names"):
        ZerothOrder(nn.Linear(4, 1), groups=5)


def test_what_is_no_model_is_told():
    for wrong in (5, None):
        with pytest.raises(BadInput, match="params are a module, tensors or dicts"):
            ZerothOrder(wrong)


NO_NUMBERS = {
    "an object": np.array(None),
    "a word": np.array("1.0"),
    "a date": np.array("2020", "datetime64[D]"),
    "masked": np.ma.masked,
    "too large": 10**400,
    "on meta": torch.zeros((), device="meta"),
}


@pytest.mark.parametrize("loss", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_a_loss_that_is_no_number_is_told(loss):
    with pytest.raises(BadInput, match=r"^the closure"):
        ZerothOrder(net()).step(lambda: loss)


@pytest.mark.parametrize("kind", [torch.float16, torch.float8_e4m3fn])
def test_a_coarse_loss_is_told(kind):
    with pytest.warns(UserWarning, match="is lost in its rounding"):
        ZerothOrder(net()).step(lambda: torch.tensor(1.0).to(kind))


def test_a_step_inside_of_a_step_is_told():
    model = net()
    opt, before = ZerothOrder(model, lr=0.1, eps=0.1), raw(model)

    def inner():
        opt.step(loss_of(model))
        return loss_of(model)()

    with pytest.raises(BadInput, match="inside of the closure"):
        opt.step(inner)
    torch.testing.assert_close(raw(model), before)
    opt.step(loss_of(model))


@pytest.mark.parametrize(
    ("where", "wrong"),
    [("param_groups", None), ("param_groups", []), ("param_groups", [1]), ("lr", "x"),
     ("lr", None), ("weight_decay", -1.0), ("params", [0])],
)  # fmt: skip
def test_a_damaged_state_is_refused_before_anything_is_loaded(where, wrong):
    model = net()
    opt = ZerothOrder(model, "zo-adam", lr=0.1)
    opt.step(loss_of(model))
    told = copy.deepcopy(opt.state_dict())
    (told if where == "param_groups" else told["param_groups"][0])[where] = wrong
    told["zobench"]["seed"] = 77
    with pytest.raises(BadInput):
        opt.load_state_dict(told)
    assert opt._engine.seed == 0


@pytest.mark.parametrize("told", [None, [], 1])
def test_what_is_no_state_is_told(told):
    with pytest.raises(BadInput, match="not the state of a ZerothOrder"):
        ZerothOrder(net()).load_state_dict(told)


def test_a_rate_that_is_no_number_is_told():
    opt = ZerothOrder(net())
    opt.param_groups[0]["lr"] = "a"
    with pytest.raises(BadInput, match="needs the numbers lr and weight_decay, and has 'a'"):
        opt.step(lambda: 1.0)
