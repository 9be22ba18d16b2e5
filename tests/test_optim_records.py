"""Records are read and checked whole before a weight moves: cut, damaged, made up, foreign."""

from __future__ import annotations

import copy
import gzip
import json
import random
import tracemalloc
import warnings
import zlib
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optim_tools import loss_of, net
from test_optim_state import equal

from zobench.errors import BadInput
from zobench.optim import ZerothOrder, reading, replay


def record(path, estimator="mezo", count=4, **given):
    """(weights after each step, lines of the record but for its sums)."""
    model = net(width=4)
    opt = ZerothOrder(model, estimator, lr=1e-2, **given)
    opt.record(path)
    points = [copy.deepcopy(model)]
    for t in range(count):
        opt.step(loss_of(model))
        if t == count // 2:
            opt.flush()
        points.append(copy.deepcopy(model))
    opt.close()
    lines = gzip.decompress(path.read_bytes()).splitlines()
    return points, [line for line in lines if not line.startswith(b'["c",')]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return folder, *record(folder / "run.zo")


def written(path, lines):
    """A record of these lines, with the sum that they have."""
    text = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(text + b'["c",%d]\n' % zlib.crc32(text)))
    return path


def outcome(path, points):
    """None where the record was refused and nothing moved, else the number of the point it gave."""
    model, error = net(width=4), None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            replay(path, model)
        except BadInput as refused:
            error = refused
    if error is not None:
        assert "\n" not in str(error)
        assert equal(model, points[0])
        return None
    return next(k for k, point in enumerate(points) if equal(model, point))


def test_its_lines_written_again_replay(made, tmp_path):
    _, points, lines = made
    assert outcome(written(tmp_path / "a.zo", lines), points) == len(points) - 1


@pytest.mark.parametrize("estimator", ["mezo", "zo-adam"])
def test_cut_anywhere_it_replays_some_of_its_steps_or_is_refused(tmp_path, estimator):
    points, _ = record(tmp_path / "run.zo", estimator)
    data, found = (tmp_path / "run.zo").read_bytes(), set()
    for end in range(0, len(data), 7):
        (tmp_path / "cut.zo").write_bytes(data[:end])
        found.add(outcome(tmp_path / "cut.zo", points))
    assert found <= {None, *range(len(points))}
    assert len(found) > 2


def test_a_record_that_is_cut_in_the_middle_of_a_write_gives_a_warning(tmp_path):
    model, path, cut = net(width=4), tmp_path / "run.zo", tmp_path / "cut.zo"
    start, opt = copy.deepcopy(model), ZerothOrder(model, lr=1e-2)
    opt.record(path)
    synced = {path.stat().st_size}
    for _ in range(2):
        for _ in range(3):
            opt.step(loss_of(model))
        opt.flush()
        synced.add(path.stat().st_size)
    opt.close()
    data = path.read_bytes()
    for end in range(min(synced), len(data) + 1):
        cut.write_bytes(data[:end])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            replay(cut, copy.deepcopy(start))
        was_cut = [warning.category for warning in caught] == [RuntimeWarning]
        assert was_cut == (end not in synced and end < len(data)), end


def test_what_is_after_the_last_sum_is_left_out_with_a_warning(made, tmp_path):
    _, points, lines = made
    text = b"".join(line + b"\n" for line in lines[:-4])
    rest = b"\n".join(lines[-4:])
    path = tmp_path / "cut.zo"
    path.write_bytes(gzip.compress(text + b'["c",%d]\n' % zlib.crc32(text) + rest))
    model = net(width=4)
    with pytest.warns(RuntimeWarning, match="cut off"):
        replay(path, model)
    assert any(equal(model, point) for point in points)


def test_a_changed_bit_never_gives_other_weights(made, tmp_path):
    folder, points, _ = made
    data, draw = (folder / "run.zo").read_bytes(), random.Random(1)
    for ended in (len(data), len(data) - 20):  # closed, and cut
        for _ in range(100):
            changed = bytearray(data[:ended])
            changed[draw.randrange(ended)] ^= 1 << draw.randrange(8)
            (tmp_path / "flip.zo").write_bytes(changed)
            assert outcome(tmp_path / "flip.zo", points) in {None, *range(len(points))}


NOISE = '{"#":"Noise","of":[1,"gaussian"]}'
WRONG = [
    '["zz",1]',
    "7",
    "[]",
    "{}",
    "null",
    '["p",',
    '["p",[1.0]]',
    '["p",[1.0,5]]',
    '["p",[1.0,null]]',
    '["r",[NaN,%s]]',
    '["r",[1e999,%s]]',
    '["r",[-Infinity,%s]]',
    '["r",["1",%s]]',
    '["r",[true,%s]]',
    '["p",[1.0,{"#":"Evil","of":[1]}]]',
    '["p",[1.0,{"#":"own Popen","of":["true"]}]]',
    '["p",[1.0,{"#":"tensor","of":[1],"on":"cpu"}]]',
    '["p",[1.0,{"#":"Noise"}]]',
    '["p",[1.0,{}]]',
    '["p",[1.0,{"#":"Noise","of":[-1,"gaussian"]}]]',
    '["p",[1.0,{"#":"Noise","of":["1","gaussian"]}]]',
    '["p",[1.0,{"#":"Noise","of":[9223372036854775808,"gaussian"]}]]',
    '["p",[1.0,{"#":"Noise","of":[1.5,"gaussian"]}]]',
    '["p",[1.0,{"#":"Noise","of":[null,"gaussian"]}]]',
    '["p",[1.0,{"#":"Noise","of":[1,"cauchy"]}]]',
    '["p",[1.0,{"#":"Noise","of":[1]}]]',
    '["p",[1.0,{"#":"Noise","of":[1,"gaussian",2]}]]',
    '["p",[1.0,{"#":"LowRank","of":[1,2,0]}]]',
    '["p",[1.0,{"#":"LowRank","of":[1,2,"3"]}]]',
    '["p",[1.0,{"#":"Coordinate","of":["3"]}]]',
    '["p",[1.0,{"#":"Restricted","of":[5,{"#":"frozenset","of":[0]}]}]]',
    '["p",[1.0,{"#":"Restricted","of":[%s,{"#":"frozenset","of":["0"]}]}]]',
    '["p",[1.0,{"#":"Restricted","of":[%s,3]}]]',
    '["p",[1.0,{"#":"Recipe","of":[5]}]]',
    '["p",[1.0,{"#":"Recipe","of":[{"#":"tuple","of":[{"#":"tuple","of":["a",%s]}]}]}]]',
    '["p",[1.0,{"#":"Recipe","of":[{"#":"tuple","of":[5]}]}]]',
    '["p",[1.0,{"#":"again","of":0}]]',
    '["p",[1.0,{"#":"Group","of":["a",{"#":"frozenset","of":[]},"layer"]}]]',
    '["p",[1.0,{"#":"Dense","of":[[1.0]]}]]',
    '["l"]',
    '["l",[1.0]]',
    '["l",[-1.0,0.0]]',
    '["l",[1.0,0.0],[1.0,0.0]]',
    '["l",["1",0.0]]',
    '["t"]',
    '["t","1"]',
    '["t",-1]',
    '["t",1e3]',
    '["w",1]',
    '["a",1.0]',
    '["a",NaN,%s]',
    "[" * 100000,
    '["p",[1.0,' + '{"#":"tuple","of":[' * 3000,
]


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:60])
def test_a_wrong_event_is_refused_before_a_weight_moves(made, tmp_path, line):
    _, points, lines = made
    line = line.replace("%s", NOISE).encode()
    assert outcome(written(tmp_path / "a.zo", [*lines, line]), points) is None


def test_bytes_that_are_no_text_are_refused(made, tmp_path):
    _, points, lines = made
    assert outcome(written(tmp_path / "a.zo", [*lines, b'["\xff\xfe"]']), points) is None
    for number, data in enumerate(
        (b"", b"text", b"\0" * 99, gzip.compress(b""), gzip.compress(b"{"))
    ):
        (tmp_path / f"{number}.zo").write_bytes(data)
        assert outcome(tmp_path / f"{number}.zo", points) is None
    assert outcome(tmp_path / "absent.zo", points) is None
    path = written(tmp_path / "b.zo", lines)
    path.write_bytes(path.read_bytes() * 2)
    assert outcome(path, points) is None


HEADER = {
    "zobench trajectory": [1, 3, "2", None],
    "estimator": ["nope", 5, "", "../../x.py:y"],
    "version": ["99", 1],
    "settings": [{"lr": -1}, {"foo": 1}, [], {"lr": "x"}, {"lr": None}],
    "rule": [
        {"lr": "x"},
        {"lr": None},
        {"apply": 5},
        {"lr": [1]},
        {"__class__": 5},
        5,
        {"lr": {"#": "part", "kind": "own X", "of": {}}},
        {"weight_decay": {"#": "nothing"}},
    ],
    "t": ["x", -1, 1.5, None, True],
    "members": [[[0, 99]], [["0", "1"]], [], [0], [[0, 0, 1]], "a"],
    "writes": ["x", -1],
    "rounding": ["x", 1.5],
    "law": ["x", 5, None, "uniform"],
    "start": ["00", 5, None],
    "blocks": [[], [5], [["0.weight", [4, 4]]], "a"],
    "ties": [[5], "a", [["a", "b"]]],
}


def test_a_wrong_header_is_refused(made, tmp_path):
    _, points, lines = made
    head = json.loads(lines[0])
    for name in head.keys() - {"versions"}:
        lacking = {k: v for k, v in head.items() if k != name}
        if name == "law":  # that of records of zobench 0.2
            lacking[name] = ""
        for wrong in (lacking, *(head | {name: value} for value in HEADER[name])):
            path = written(tmp_path / "a.zo", [json.dumps(wrong).encode(), *lines[1:]])
            assert outcome(path, points) is None, (name, wrong.get(name))


KINDS = ["Noise", "Recipe", "Restricted", "tuple", "frozenset", "part", "set", "array", "dict"]
KINDS += ["numpy.PCG64", "number", "made", "method"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


def deeper(inner):
    told = st.builds(lambda kind, of: {"#": kind, "of": of}, st.sampled_from(KINDS), inner)
    keys = st.sampled_from(["#", "of", "on", "kind"])
    return st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3) | told


ANY = st.recursive(VALUES, deeper, max_leaves=8)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_record_with_anything_in_it_is_refused_or_moves_as_it_says(made, data):
    """Values at random places of a true record are replaced."""
    folder, points, lines = made
    number = data.draw(st.integers(0, len(lines) - 1))
    root = [json.loads(lines[number])]
    holder, key = root, 0
    while isinstance(holder[key], list | dict) and holder[key] and data.draw(st.booleans()):
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(keys))
    holder[key] = data.draw(ANY)
    line = json.dumps(root[0]).encode()
    path = written(folder / "any.zo", [*lines[:number], line, *lines[number + 1 :]])
    with suppress(StopIteration):  # it is a true record, of another run
        outcome(path, points)


def test_a_record_of_ties_fits_weights_that_are_tied_so(tmp_path):
    def tied(model, how):
        if how == "parameter":
            model[2].weight = model[1].weight
        elif how == "memory":
            model[2].weight.data = model[1].weight.data
        return model

    def make(how):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layers = [torch.nn.Linear(4, 4) for _ in range(3)]
            last = torch.nn.Linear(4, 1)
        layers[2].load_state_dict(layers[1].state_dict())
        return tied(torch.nn.Sequential(*layers, last), how)

    for how in ("parameter", "memory", "not"):
        model, path = make(how), tmp_path / f"{how}.zo"
        opt = ZerothOrder(model, lr=1e-2)
        opt.record(path)
        for _ in range(3):
            opt.step(loss_of(model))
        opt.close()
        for other in ("parameter", "memory", "not"):
            start = make(other)
            before = copy.deepcopy(start)
            if (how == "not") == (other == "not"):
                replay(path, start)
                pairs = zip(start.state_dict().values(), model.state_dict().values())
                assert all(torch.equal(a, b) for a, b in pairs)
            else:
                with pytest.raises(BadInput, match="tied otherwise"):
                    replay(path, start)
                assert equal(start, before)
        with pytest.raises(BadInput, match="moves"):
            replay(path, list(make(how).named_parameters())[:2])


def test_a_number_that_is_not_finite_is_not_recorded(tmp_path):
    model = net(width=4)
    opt = ZerothOrder(model, lr=1e-2, eps=1e-300, check=False)
    opt.record(tmp_path / "run.zo")
    with pytest.raises(BadInput, match="not finite"):
        for _ in range(3):
            opt.step(lambda: 1e12 * random.random())


STRANGE = [
    {"#": "LowRank", "of": [1, 2, rank]} for rank in (0, -1, 1.5, "x", 2**70, True)
] + [
    {"#": "LowRank", "of": [1, seed, 2]} for seed in ("x", None, 1.5)
] + [
    {"#": "Noise", "of": [1.5, "gaussian"]},
    {"#": "Noise", "of": [1, "cauchy"]},
    {"#": "Coordinate", "of": [1.5]},
    {"#": "Restricted", "of": [{"#": "Noise", "of": [1, "gaussian"]}, ""]},
]  # fmt: skip


@pytest.mark.parametrize("direction", STRANGE, ids=repr)
def test_directions_that_no_estimator_makes_are_refused(made, tmp_path, direction):
    _, points, lines = made
    line = json.dumps(["r", [1.0, direction]]).encode()
    at = next(k for k, told in enumerate(lines) if told.startswith(b'["r"'))
    path = written(tmp_path / "wrong.zo", [*lines[:at], line, *lines[at + 1 :]])
    assert outcome(path, points) is None


def test_settings_of_a_rule_out_of_range_are_refused(tmp_path):
    points, lines = record(tmp_path / "run.zo", "zo-adam")
    head = json.loads(lines[0])
    for name, value in (("b1", -1.0), ("b2", 1e308)):
        told = json.loads(json.dumps(head))
        assert name in told["rule"]
        told["rule"][name] = value
        path = written(tmp_path / "wrong.zo", [json.dumps(told).encode(), *lines[1:]])
        assert outcome(path, points) is None


@pytest.mark.parametrize("lines", [b"\0" * 50_000_000, b'["w"]\n' * 8_000_000], ids=["one", "many"])
def test_a_record_that_unpacks_to_more_than_any_record_is_refused(tmp_path, monkeypatch, lines):
    monkeypatch.setattr(reading, "LARGEST", 10_000_000)
    bomb = tmp_path / "bomb.zo"
    bomb.write_bytes(gzip.compress(lines, 1))
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="unpacks to more than 10,000,000 bytes, which no"):
            replay(bomb, net(width=4))
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(BadInput, match=r"unpacks to a line of more than 67,108,864 bytes"):
        monkeypatch.undo()
        bomb.write_bytes(gzip.compress(b"\0" * 70_000_000, 1))
        replay(bomb, net(width=4))


def test_a_replay_says_if_other_code_wrote_to_the_weights(tmp_path):
    model = net(width=4)
    twin = copy.deepcopy(model)
    opt = ZerothOrder(model, "mezo", lr=1e-2)
    opt.record(tmp_path / "run.zo")
    for _ in range(3):
        opt.step(loss_of(model))
        with torch.no_grad():
            for p in model.parameters():
                p.clamp_(-0.1, 0.1)
    opt.close()
    with pytest.warns(RuntimeWarning, match="ended with other weights than its events make"):
        assert replay(tmp_path / "run.zo", twin) == 3
