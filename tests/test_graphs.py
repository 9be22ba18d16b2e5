"""Recorded losses: those of the same buffers to the last bit, and refused where that cannot be.

Without a GPU the tape records: it replays operations on the memory that they had, without Python.
"""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_on_device import Looks
from test_realisations import CAUSAL, batch, net

from zobench.core.directions import Noise, Restricted
from zobench.core.oracle import Oracle
from zobench.engine.prefix import Prefix
from zobench.engine.realise import realise
from zobench.engine.recording import CudaGraphs
from zobench.engine.tape import Refused, Tape
from zobench.errors import BadInput
from zobench.objectives.llm import graphs as module
from zobench.objectives.llm.batches import Batch
from zobench.objectives.llm.buckets import Bucket, tokens
from zobench.objectives.llm.forward import hidden
from zobench.objectives.llm.graphs import Graphs
from zobench.objectives.llm.loss import label_loss
from zobench.objectives.llm.recorders import LARGEST, graphs, recorder
from zobench.registry import estimators, objectives

NEVER = 10**9
WORDS = [(1, 1), (2, 4, 3)]
POINT = ((0.0, Noise(0)),)
OTHER_ORDER = 16  # units in the last place by which another order of the same sum may differ


def shown(width=9, seed=0, lengths=(1, 1), rows=4, device="cpu") -> Batch:
    """A batch of other rows than `batch`, of this many tokens; the label words are its own."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 60, (rows, width), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(rows):
        mask[row, : min(row, width - 1)] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    tensors = ids, mask, positions, torch.randint(len(lengths), (rows,), generator=generator)
    return Batch(*(t.to(device) for t in tensors), words(lengths, device))


_words = {}


def words(lengths, device="cpu"):
    """The same object every time, as the rows of a split have it."""
    if (lengths, device) not in _words:
        made = batch(lengths).words
        place = made.ids.to(device)
        _words[lengths, device] = type(made)(place, made.lengths, made.first)
    return _words[lengths, device]


def recorded(model, patience=0, micro=0, setting="on", few=None, by=None) -> Graphs:
    made = graphs(setting, "walk", model, micro, (few or shown()).words, 64)
    made.patience, made.params = patience, realise(model)
    made.prefix = Prefix.of(model, made.params)
    made.recorder = by or made.recorder
    return made


@torch.inference_mode()
def losses(made: Graphs, batches, probes=POINT):
    """As a problem makes them: probes of a call share a batch, and layers if they can."""
    found = []
    for minibatch in batches:
        with made.prefix.shared(made.params, [d for _, d in probes]) as begin:
            for scale, direction in probes:
                with made.params.probed(scale, direction):
                    begin()
                    found.append(made.loss(minibatch, begin))
    return [float(loss) for loss in found]  # at the end: a loss is not written over


# -- the tape


def test_a_tape_replays_operations_on_the_memory_they_had():
    buffer, weight, runs = torch.ones(3), torch.nn.Parameter(torch.full((3,), 2.0)), []

    def function():
        runs.append(1)
        parts = (buffer * weight).split(1)
        return [torch.cat(parts).add_(1.0).sum(), weight.view(3, 1).relu()]

    with torch.no_grad():
        played = Tape().record(function)
        first = [out.clone() for out in played.outputs]
        before = len(runs)
        played.replay()
        assert all(torch.equal(a, b) for a, b in zip(first, played.outputs))
        buffer.fill_(10.0)
        weight.mul_(2.0)
        played.replay()
        assert played.outputs[0] == 3 * (10 * 4 + 1)
        assert played.outputs[1].flatten().tolist() == [4.0] * 3
        weight.data = torch.zeros(3)  # other memory, of which the recording knows nothing
        played.replay()
        assert played.outputs[0] == 3 * (10 * 4 + 1)
    assert len(runs) == before


def test_a_tape_does_not_hide_what_was_computed_before():
    """Run again, this function would be right; recorded, it is as wrong as a graph of it."""
    buffer, kept = torch.ones(3), []

    def function():
        kept.append(kept[0] if kept else buffer * 2)
        return [kept[-1].sum()]

    played = Tape().record(function)
    buffer.fill_(5.0)
    played.replay()
    assert played.outputs[0] == 6


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: x if x.sum() > 0 else -x, "value"),
        (lambda x: x * x.sum().item(), "value"),
        (lambda x: x * sum(x[0].tolist()), "value"),
        (lambda x: x[x > 0], "shape"),
        (lambda x: x.nonzero(), "shape"),
        (lambda x: x.repeat_interleave(torch.arange(3), 0), "shape"),
        (lambda x: x * torch.tensor([1.0, 2.0, 3.0]), "host"),
        (lambda x: x[:, [0, 2]], "host"),
    ],
)
def test_what_a_capture_does_not_allow_is_refused(function, why):
    x = torch.ones(3, 3)
    with pytest.raises(Refused, match=why):
        Tape().record(lambda: [function(x)])


# -- buckets


@given(st.integers(1, 4096))
def test_a_bucket_is_little_longer(width):
    length = tokens(width)
    assert width <= length <= width + max(7, width // 8)
    assert length % 8 == 0
    assert tokens(length) == length
    assert tokens(width + 1) >= length


def test_a_bucket_holds_the_batch_behind_padding():
    bucket = Bucket(shown(9), 16)
    for width in (9, 16, 3):
        given_ = shown(width, seed=width)
        assert bucket.load(given_)
        for ours, theirs in zip(
            (bucket.ids, bucket.mask, bucket.positions),
            (given_.ids, given_.mask, given_.positions),
        ):
            assert torch.equal(ours[:, 16 - width :], theirs)
            assert not ours[:, : 16 - width].any()
        assert torch.equal(bucket.labels, given_.labels)
        assert not bucket.load(given_)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padding_is_another_order_of_the_same_sum(name, dtype):
    """Final states differ by as many last places in both types: by nothing but rounding."""
    model = net(name, dtype)
    plain, bucket = shown(9), Bucket(shown(9), 24)
    bucket.load(plain)
    with torch.inference_mode():
        found = [
            hidden(model, b.ids, b.final(dtype), b.positions)[:, -1] for b in (plain, bucket.batch)
        ]
    distance = float((found[0] - found[1]).abs().max() / found[0].abs().max())
    assert distance < OTHER_ORDER * torch.finfo(dtype).eps


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("lengths", WORDS)
def test_the_padded_loss_is_the_loss(name, lengths):
    model = net(name)
    made = recorded(model, NEVER, few=shown(lengths=lengths))
    for width in (1, 7, 8, 9, 30):
        minibatch = shown(width, width, lengths)
        with torch.inference_mode():
            expected = float(label_loss(model, minibatch))
        bound = OTHER_ORDER * torch.finfo(torch.float32).eps * max(1.0, abs(expected))
        for micro in (0, 3):
            made.micro = micro
            assert abs(losses(made, [minibatch])[0] - expected) < bound
    assert {length for _, length, _ in made.buckets} == {8, 16, 32}


# -- recorded losses


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize(("lengths", "micro"), [(WORDS[0], 0), (WORDS[0], 3), (WORDS[1], 3)])
def test_recorded_losses_have_the_bits_of_those_computed(name, lengths, micro):
    """Minibatches of several shapes in turn, at weights that move, with every first layer."""
    few = shown(lengths=lengths)
    ours, plain = (recorded(net(name), k, micro, few=few) for k in (1, NEVER))
    stream = [shown(width, k, lengths) for k, width in enumerate((9, 20, 12, 9, 17, 10))]
    groups = [g.blocks for g in ours.params.groups]
    for blocks in (None, *groups[:3], groups[-1]):
        direction = Noise(3) if blocks is None else Restricted(Noise(3), blocks)
        probes = [(0.01, direction), (-0.01, direction), (0.02, direction)]
        found = [losses(made, stream, probes) for made in (ours, plain)]
        assert found[0] == found[1]
        assert len(set(found[0])) > len(stream)
        for made in (ours, plain):
            made.params.add(0.1, direction)
    assert ours.describe() == "tape"
    assert all(call.first and (call.later or not shared) for (_, shared), call in of(ours))
    assert not any(call.first for _, call in of(plain))
    assert len(ours.buckets) == 2


def of(made: Graphs):
    return made.calls.items()


@pytest.mark.parametrize("lengths", WORDS)
def test_a_recording_reads_only_its_buffers_and_the_weights(lengths):
    model = net("opt")
    made = recorded(model, few=shown(lengths=lengths))
    layer = Restricted(Noise(1), made.params.groups[3].blocks)
    losses(made, [shown(9, 1, lengths)], [(0.1, layer), (-0.1, layer)])
    (bucket,), (call,) = made.buckets.values(), made.calls.values()
    label = words(lengths)
    known = [*model.parameters(), *model.buffers(), label.ids]
    known += [bucket.ids, bucket.mask, bucket.positions, bucket.labels]
    if not label.single:
        known += [*label.tail[:2], *label.tail[2]]
    lie = {t.untyped_storage().data_ptr() for t in known}

    def foreign(played):
        reads = {t.untyped_storage().data_ptr() for t in played.reads}
        return reads - lie - {t.untyped_storage().data_ptr() for t in played.outputs}

    assert not foreign(call.first)
    kept = {t.untyped_storage().data_ptr() for t in call.first.outputs[1:]}
    assert foreign(call.later) == kept


def test_what_the_caller_does_to_its_tensors_later_changes_nothing():
    made, minibatch = recorded(net("opt")), shown()
    before = losses(made, [minibatch])
    for tensor in (minibatch.ids, minibatch.mask, minibatch.positions, minibatch.labels):
        tensor.fill_(10**6)  # no model has such a token
    assert losses(made, [minibatch] * 3) == before * 3


def test_nobody_looks_at_values_in_a_replay():
    made, watch = recorded(net("llama")), Looks()
    layer = Restricted(Noise(1), made.params.groups[2].blocks)
    probes = [(0.1, layer), (-0.1, layer)]
    losses(made, [shown()], probes)
    minibatch, seen = shown(10, 5), []
    with torch.inference_mode(), made.prefix.shared(made.params, [layer] * 2) as begin:
        for scale, direction in probes:
            with made.params.probed(scale, direction):
                begin()
                with watch:
                    seen.append(made.loss(minibatch, begin))
    assert watch.count == 0
    assert [float(loss) for loss in seen] == losses(made, [minibatch], probes)


def test_weights_that_get_other_memory_are_recorded_again():
    model = net("gpt2")
    made = recorded(model)
    before = losses(made, [shown()])
    with torch.no_grad():
        for p in model.parameters():
            p.data = p.data * 1.5
    found = losses(made, [shown(seed=0)])
    assert found != before
    assert found == losses(recorded(model, NEVER), [shown()])


def test_calls_that_are_not_used_make_room(monkeypatch):
    monkeypatch.setattr(module, "MOST_CALLS", 2)
    monkeypatch.setattr(module, "IDLE", 0)
    ours, plain = (recorded(net("opt"), k) for k in (0, NEVER))
    stream = [shown(width, width) for width in (9, 20, 40, 9, 40, 20, 20)]
    assert losses(ours, stream) == losses(plain, stream)
    assert len(ours.calls) == 2
    assert ours.describe() == "tape"


# -- what falls back, and says so


def looking(layer, args):
    """A hook that looks at a value."""
    assert float(args[0].sum()) < 1e9


def one(caught, what):
    assert [str(w.message) for w in caught if what in str(w.message)] == [
        str(w.message) for w in caught
    ]
    assert len(caught) == 1


def test_a_model_that_looks_at_values_falls_back():
    ours, plain = (recorded(net("opt"), k) for k in (0, NEVER))
    for made in (ours, plain):
        made.net.model.decoder.layers[1].register_forward_pre_hook(looking)
    stream = [shown(), shown(20), shown(), shown(20)]
    layer = Restricted(Noise(1), ours.params.groups[-2].blocks)
    probes = [(0.1, layer), (-0.1, layer)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = losses(ours, stream, probes)
    one(caught, "graphs: it looks at the value of a tensor")
    assert ours.describe().startswith("none: it looks at the value")
    assert found == losses(plain, stream, probes)


class Failing(Tape):
    """Runs out of something at the second recording."""

    count = 0

    def record(self, function):
        self.count += 1
        if self.count == 2:
            function()
            raise RuntimeError("out of something")
        return super().record(function)


def test_a_later_probe_that_cannot_be_recorded_goes_on_from_the_first():
    ours, plain = recorded(net("llama"), by=Failing()), recorded(net("llama"), NEVER)
    layer = Restricted(Noise(1), ours.params.groups[3].blocks)
    probes, stream = [(0.1, layer), (-0.1, layer), (0.2, layer)], [shown(), shown(10, 1)]
    with pytest.warns(RuntimeWarning, match="out of something"):
        found = losses(ours, stream, probes)
    assert found == losses(plain, stream, probes)
    assert ours.describe() == "tape, in part: out of something"


def test_a_wrong_model_is_an_error_of_its_own():
    model = net("opt")
    made = recorded(model)
    model.model.decoder.layers[1].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        losses(made, [shown()])


def test_more_shapes_than_there_are_buckets(monkeypatch):
    monkeypatch.setattr(module, "SHAPES", 2)
    model = net("opt")
    made = recorded(model)
    losses(made, [shown(9), shown(20)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = losses(made, [shown(40), shown(9, rows=5), shown(40)])
    one(caught, "a batch of 4 x 40 tokens is of more than 2 shapes")
    with torch.inference_mode():
        assert found[0] == float(label_loss(model, shown(40)))
        assert found[1] == float(label_loss(model, shown(9, rows=5)))
    assert made.describe() == "tape"


def test_more_calls_in_use_than_are_held(monkeypatch):
    monkeypatch.setattr(module, "MOST_CALLS", 1)
    ours, plain = (recorded(net("opt"), k) for k in (0, NEVER))
    losses(ours, [shown(9)])
    with pytest.warns(RuntimeWarning, match="more than 1 calls in use"):
        found = losses(ours, [shown(20), shown(9)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found == losses(plain, [shown(20), shown(9)])


def test_a_model_that_takes_no_mask_of_ours(monkeypatch):
    model = net("opt")
    inner = model.model.decoder.forward

    def deaf(*args, attention_mask=None, **kwargs):
        if attention_mask is not None and attention_mask.dim() == 4:
            attention_mask = None
        return inner(*args, attention_mask=attention_mask, **kwargs)

    monkeypatch.setattr(model.model.decoder, "forward", deaf)
    with pytest.warns(RuntimeWarning, match="no attention mask of our own"):
        made = recorded(model)
    with torch.inference_mode():
        assert losses(made, [shown()]) == [float(label_loss(model, shown()))]


def test_a_model_whose_loss_depends_on_padding(monkeypatch):
    model = net("opt")
    inner = model.model.decoder.forward

    def counting(input_ids, **kwargs):
        found = inner(input_ids, **kwargs)
        found.last_hidden_state = found.last_hidden_state + 0.01 * input_ids.shape[1]
        found.last_hidden_state[..., 0] *= input_ids.shape[1]
        return found

    monkeypatch.setattr(model.model.decoder, "forward", counting)
    with pytest.raises(BadInput, match="OPTForCausalLM gives a row another loss where padding"):
        recorded(model)


class Somewhere(torch.nn.Module):
    """So many weights on so many devices, in name only."""

    def __init__(self, size, *devices):
        super().__init__()
        self.size, self.devices = size, devices

    def parameters(self, recurse=True):
        for device in self.devices:
            there = torch.empty(1).expand(self.size // len(self.devices))
            yield type("There", (), {"device": torch.device(device), "numel": there.numel})()


def test_who_records():
    def found(setting, size, *devices, realisation="walk"):
        got, why = recorder(setting, Somewhere(size, *devices), realisation)
        return type(got) if got else why

    assert found("auto", LARGEST - 1, "cuda:0") is CudaGraphs
    assert "gains nothing" in found("auto", LARGEST, "cuda:0")
    assert found("on", LARGEST, "cuda:0") is CudaGraphs
    assert found("off", 10, "cuda:0") == "off"
    assert found("auto", 10, "cpu") == "there are none on device cpu"
    assert found("on", 10, "cpu") is Tape
    assert found("on", 10, "mps") == "there are none on device mps"
    assert found("on", 10, "cuda:0", "cuda:1") == "the model is on several devices"
    assert "copies" in found("auto", 10, "cuda:0", realisation="scratch")
    spread = Somewhere(10, "cuda:0", "cuda:1")
    spread.config = net("opt").config
    with pytest.warns(RuntimeWarning, match="several devices; losses are computed without"):
        graphs("on", "walk", spread, 0, shown().words, 64)


# -- the objective and the benchmark


def run(name, steps=10, **settings):
    problem = objectives["llm"].build({"model": "tiny", "micro_batch": 6} | settings)
    estimator = estimators[name].build({"lr": 1e-4, "eps": 1e-3} | more(name))
    params = problem.start(0)
    problem.warm_up()
    estimator.start(params, 3)
    oracle, found = Oracle(problem, 10**6, 2), []

    def watched(probes):
        found.extend(told := oracle(probes))
        return told

    for _ in range(steps):
        estimator.step(watched)
    return found, params.flat(), problem


def more(name):
    return {"dwell": 6, "order": "ascending"} if name == "mezo-bcd" else {}


@pytest.mark.parametrize("name", ["mezo", "mezo-bcd"])
def test_a_run_is_the_same_with_and_without(name, monkeypatch):
    plain = run(name)
    ours = run(name, graphs="on")
    assert plain[2].describe()["graphs"] == "none: there are none on device cpu"
    assert ours[2].describe()["graphs"] == "tape"
    assert sum(call.first is not None for call in ours[2].graphs.calls.values()) > 0
    assert ours[0] == pytest.approx(plain[0], rel=1e-5)
    assert abs(ours[1] - plain[1]).max() < 1e-4 * abs(plain[1]).max()
    assert ours[2].forwards == plain[2].forwards
    monkeypatch.setattr(module, "PATIENCE", NEVER)
    never = run(name, graphs="on")
    assert never[0] == ours[0]  # to the last bit: it does not matter which were recorded
    assert (never[1] == ours[1]).all()


def test_bad_settings_are_one_line():
    with pytest.raises(BadInput, match="no graphs of llm named 'onn'; did you mean"):
        objectives["llm"].build({"graphs": "onn"})
    with pytest.raises(BadInput, match="graphs=on needs realisation=walk"):
        objectives["llm"].build({"graphs": "on", "realisation": "scratch"})


def test_the_step_benchmark_measures_with_and_without():
    from zobench.bench.step import measure
    from zobench.bench.subject import Setup

    names = ("inference", "mezo", "mezo-bcd")
    setup = Setup("", 2, 16, 64, 2, 3, 5)
    *_, (what, costs, _) = measure(setup, repeats=1, names=names, graphs=True)
    assert what == "done"
    plain = {n for n in costs if "no " not in n and "shared" not in n}
    assert plain == {*names, *(f"{n}, graphs" for n in names)}
    for name in names:
        assert costs[f"{name}, graphs"].forwards == costs[name].forwards
        assert costs[f"{name}, graphs"].queries == 2


# -- on a GPU


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("lengths", WORDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cuda_graphs_equal_what_is_computed(name, lengths, dtype):
    few = shown(lengths=lengths, device="cuda")
    ours, plain = (recorded(net(name, dtype).to("cuda"), k, few=few) for k in (0, NEVER))
    widths = enumerate((9, 20, 12, 9, 17, 10))
    stream = [shown(width, k, lengths, device="cuda") for k, width in widths]
    for blocks in (None, *(g.blocks for g in ours.params.groups)):
        direction = Noise(3) if blocks is None else Restricted(Noise(3), blocks)
        probes = [(0.01, direction), (-0.01, direction), (0.02, direction)]
        found, expected = (losses(made, stream, probes) for made in (ours, plain))
        # A library may choose another kernel while it is captured: rounding, no more.
        assert found == pytest.approx(expected, rel=8 * torch.finfo(dtype).eps)
        assert losses(ours, stream, probes) == found
        for made in (ours, plain):
            made.params.add(0.1, direction)
    assert ours.describe() == "cuda"


@pytest.mark.gpu
@needs_gpu
def test_a_model_that_looks_at_values_falls_back_on_a_gpu():
    model = net("opt").to("cuda")
    model.model.decoder.layers[1].register_forward_pre_hook(looking)
    made = recorded(model, few=shown(device="cuda"))
    stream = [shown(device="cuda"), shown(20, device="cuda")]
    with pytest.warns(RuntimeWarning, match="losses are computed without graphs"):
        found = losses(made, stream)
    assert found == losses(recorded(model, NEVER, few=shown(device="cuda")), stream)


@pytest.mark.gpu
@needs_gpu
def test_a_run_on_a_gpu_is_the_same_with_and_without():
    found = [run("mezo-bcd", graphs=setting, device="cuda") for setting in ("auto", "off")]
    assert found[0][2].describe()["graphs"] == "cuda"
    assert [float(x) for x in found[0][0]] == pytest.approx([float(x) for x in found[1][0]], 1e-4)
