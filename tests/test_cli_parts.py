"""The parts of the command line: numbers, tables, time left."""

import math

import numpy as np
import pytest

from zobench.bench.timing import Sample, interleave
from zobench.display import text
from zobench.display.eta import Eta, clock
from zobench.errors import BadInput
from zobench.harness.plan import plan
from zobench.harness.suite import ProblemSpec, Suite


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.00123456, "0.00123"),
        (12.345, "12.3"),
        (1234.5, "1,230"),
        (99_999, "100,000"),
        (1234567, "1.2e+06"),
        (2e-7, "2.0e-07"),
        (-0.5, "-0.500"),
        (float("nan"), "-"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_digits(value, said):
    assert text.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(3e-6, "3.0 us"), (0.0123, "12 ms"), (5.55, "5.5 s"), (600, "10 min"), (36000, "10 h")],
)
def test_seconds_have_a_unit(value, said):
    assert text.seconds(value) == said


def test_memory_has_a_unit():
    assert text.memory(3 << 20) == "3.00 MiB"
    assert text.memory(40 << 30) == "40.0 GiB"


def test_a_table_gives_way_in_its_first_column(monkeypatch):
    monkeypatch.setattr(text, "width", lambda default=0: 40)
    rows = [["a-name-that-is-much-too-long-for-this", "1", "22"], ["short", "333", "4"]]
    lines = text.table(["name", "first", "second"], rows)
    assert all(len(line) <= 40 for line in lines)
    assert "…" in lines[1]
    assert lines[1].endswith("22")
    assert lines[2].split() == ["short", "333", "4"]


def some_runs(*names: str, budgets=(100, 1000)):
    problems = tuple(
        ProblemSpec(
            id=f"p{b}",
            objective="sphere",
            version="1",
            settings={"dim": 2},
            budget=b,
            repetitions=2,
            targets=(1.0,),
            group="g",
        )
        for b in budgets
    )
    suite = Suite(name="s", version="1", description="", problems=problems)
    return plan(suite, names, baselines=False)


def test_the_time_left_follows_from_what_runs_took(monkeypatch):
    specs = some_runs("spsa")
    eta = Eta(specs)
    assert np.isnan(eta.remaining)
    now = eta.start
    monkeypatch.setattr("zobench.display.eta.monotonic", lambda: now + 4.0)
    eta.finished(specs[0], 1.0)  # 100 queries; one run of 100 and two of 1000 are left
    assert eta.remaining == pytest.approx((1.0 + 20.0) * 4.0)
    eta.finished(specs[2], 3.0)  # 1000 queries: faster a query than the small ones
    assert eta.remaining == pytest.approx((1.0 + 3.0) / 4.0 * 4.0)
    eta.resumed(specs[1])
    eta.finished(specs[3], 3.0)
    assert eta.remaining == 0.0


def test_a_clock_reads_like_one():
    assert [clock(5), clock(750), clock(11045), clock(float("nan"))] == [
        "0:05",
        "12:30",
        "3:04:05",
        "-",
    ]


def test_timing_measures_every_case_in_every_round():
    calls = []
    cases = {name: lambda name=name: calls.append(name) or len(calls) for name in "abc"}
    *_, (done, samples) = interleave(cases, 3)
    assert done == 3
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"
    assert all(len(sample.values) == 3 for sample in samples.values())


def test_a_ratio_pairs_the_rounds():
    slow, fast = Sample((2.0, 40.0, 2.0)), Sample((1.0, 10.0, 1.0))
    assert slow.ratio(fast) == 2.0
    assert slow.median == 2.0
    assert Sample((3.0,)).spread == (3.0, 3.0)
    assert slow.minus(fast).values == (1.0, 30.0, 1.0)


# bench


@pytest.fixture(scope="module")
def subject():
    """A very small OPT in float64, one batch, and a meter."""
    from zobench.bench.subject import Meter, Setup, build

    model, batch = build(Setup("", 2, 16, 64, 2, 3, 5))
    return model.double(), batch, Meter()


def test_the_yardstick_makes_the_step_it_is_named_after(subject):
    """From the noise that the global generator gives for its seed."""
    import copy

    import torch

    from zobench.bench.textbook import TextbookMeZO
    from zobench.objectives.llm.loss import label_loss

    model, batch, meter = subject
    model = copy.deepcopy(model)
    before = [p.detach().clone() for p in model.parameters()]
    state = torch.random.get_rng_state()
    textbook = TextbookMeZO(model, batch, lr=0.1, eps=1e-3, meter=meter)
    textbook.step()
    after = [p.detach().clone() for p in model.parameters()]

    torch.manual_seed(textbook.seed)
    z = [torch.normal(0.0, 1.0, size=p.shape, dtype=p.dtype) for p in before]
    losses = []
    for sign in (1, -1):
        for p, start, noise in zip(model.parameters(), before, z):
            p.data = start + sign * 1e-3 * noise
        with torch.no_grad():  # our way of computing the same loss
            losses.append(float(label_loss(model, batch)))
    slope = (losses[0] - losses[1]) / 2e-3
    torch.random.set_rng_state(state)
    assert abs(slope) > 1e-4
    for start, noise, end in zip(before, z, after):
        torch.testing.assert_close(end, start - 0.1 * slope * noise, rtol=0, atol=1e-4 * abs(slope))
    assert meter.seconds > 0


def test_every_method_of_the_step_benchmark_is_measured():
    from zobench.bench.step import DEFAULT, measure
    from zobench.bench.subject import Setup

    *_, (what, costs, reached) = measure(Setup("", 2, 16, 64, 2, 3, 5), repeats=2, scratch=True)
    assert what == "done"
    again = [f"{name}, {how}" for name in DEFAULT[2:] for how in ("scratch", "no delay")]
    shared = ["mezo-bcd, shared", "mezo-bcd, scratch, shared"]
    assert set(costs) == {*DEFAULT, "mezo-bcd, no reuse", *again, *shared}
    for cost in costs.values():
        assert len(cost.seconds.values) == 2
        assert 0 < cost.forward <= 1
        assert cost.queries == 2
        assert cost.memory >= 0
        assert 0 < sum(cost.floor) < math.inf
    # groups: embeddings, two layers, head
    assert costs["mezo-bcd"].forwards == (2 + 2 + 1.5 + 1) / 4
    # The first sweep shows that minibatches are shared; two others are then counted.
    for name in shared:
        assert costs[name].forwards == pytest.approx((3 * 6 + 0.5) / 12)
    assert {c.forwards for n, c in costs.items() if "bcd" not in n or "reuse" in n} == {2.0}
    assert reached.flops > 0  # how fast is for the benchmark to say: a busy machine may stall
    assert reached.bandwidth > 0


def test_the_noise_benchmark_measures_every_pass():
    from zobench.bench.noise import ADD, TORCH, measure

    *_, (what, passes) = measure(4000, "bfloat16", "cpu", 2, True)
    assert what == "round 2 of 2"
    assert {ADD, TORCH, "gaussian", "rademacher, 1000 tensors"} < set(passes)
    assert {"hadamard, two copies", "hadamard, move and two copies"} < set(passes)
    assert all(found.seconds.median > 0 < found.per_element for found in passes.values())
    assert passes[ADD].moved == 2 * 2 * 4000
    with pytest.raises(BadInput, match="at least 1000"):
        next(measure(10, "float32", "cpu", 1, False))


def test_the_numerics_benchmark_shows_what_16_bits_lose():
    from zobench.bench.numerics import rows

    given = {"lr": 1e-5, "eps": 1e-3}
    found = {
        row.case: row for row in rows(["bfloat16"], "mezo", given, "tiny", "sentiment", "", "cpu")
    }
    by_name = {(c.realisation, c.rounding): row for c, row in found.items()}
    walk, scratch = by_name["walk", "nearest"], by_name["scratch", "nearest"]
    assert scratch.figures.drift == 0 < 0.1 < walk.figures.drift
    assert walk.figures.effective < 0.6  # most of the update is rounded away,
    assert 0.97 < by_name["scratch", "stochastic"].figures.effective < 1.03  # or made on average
    assert walk.resolution < 0.01 < 0.1 < walk.coarse
    with pytest.raises(BadInput, match="dtype is one of"):
        next(rows(["int8"], "mezo", given, "tiny", "sentiment", "", "cpu"))


def test_the_numerics_benchmark_shows_each_row_as_it_comes(monkeypatch, capsys):
    from zobench.bench import numerics
    from zobench.display.kernels import show_numerics
    from zobench.engine.numerics import Numerics

    cases, shown = numerics.cases(["bfloat16", "float32"]), []

    def rows(*_):
        for case in cases:
            yield numerics.NumericsRow(case, Numerics(0.1, 0.2, 0.3), 1.0, 0.01, 0.1)
            shown.append(capsys.readouterr().out)  # when the next row is asked for

    monkeypatch.setattr(numerics, "rows", rows)
    show_numerics(
        ["bfloat16", "float32"], "mezo", {"lr": 1e-5, "eps": 1e-3}, "tiny", "x", "", "cpu"
    )
    for case, printed in zip(cases, shown, strict=True):
        last = printed.splitlines()[-1].split()
        assert last[:3] == [case.dtype, case.realisation, case.rounding]


def test_the_time_of_a_forward_pass_ends_where_the_device_does():
    from time import sleep

    from zobench.bench.subject import Meter

    meter = Meter()
    meter.sync = lambda: sleep(0.05)
    assert meter.timed(lambda: 7) == 7
    assert meter.seconds >= 0.05


def test_the_floor_counts_the_matrices_and_the_weights(subject):
    from zobench.bench.floor import Machine, work

    model, batch, _ = subject
    found = work(model, batch)
    # a layer of width 16: four square matrices and two to and from 64; 3 rows of 5 tokens
    matrices = 2 * 15 * 2 * (4 * 16 * 16 + 2 * 16 * 64)
    assert found.flops == matrices + 4 * 3 * 5**2 * 16 * 2
    assert found.weight_bytes == 8 * sum(p.numel() for p in model.parameters())
    assert found.floor(Machine(10.0, 4.0), 2, 3) == (
        2 * found.flops / 10,
        3 * 2 * found.weight_bytes / 4,
    )


def test_a_sweep_of_the_step_benchmark_visits_every_group(subject):
    from zobench.bench.step import stepper_of
    from zobench.bench.subject import FixedBatch

    model, batch, meter = subject
    problem = FixedBatch(model, batch, meter)
    method = stepper_of("mezo-bcd", problem, lr=1.0)
    moved, last = [], problem.params.flat()
    assert method.count == len(problem.params.groups)
    for _ in range(method.count):
        method.step()
        now = problem.params.flat()
        blocks = [
            b for b in problem.params.blocks if (now != last)[b.start : b.start + b.size].any()
        ]
        moved.append({b.index for b in blocks})
        last = now
    assert moved == [set(group.blocks) for group in problem.params.groups]


def test_the_overhead_benchmark_measures_both_dimensions():
    from zobench.bench.overhead import cheap

    *_, (what, lines) = cheap(rounds=2, queries=200)
    assert what == "done"
    assert [line.group for line in lines] == ["sphere, d = 10"] * 6 + ["sphere, d = 40"] * 6
    floors = [line.name for line in lines if line.seconds is line.floor]
    assert floors == ["plain loop over f(x)", "zo-sgd in NumPy"] * 2


def test_the_bbob_benchmark_runs_on_both_sides(monkeypatch):
    from zobench.bench import overhead

    for name, value in (("BBOB_DIM", 2), ("BBOB_INSTANCES", 1), ("BBOB_BUDGET", 40)):
        monkeypatch.setattr(overhead, name, value)
    *_, (_, lines) = overhead.bbob(1)
    assert [line.name for line in lines] == [
        "random-search: script, COCO observer",
        "random-search: zobench, in this process",
        "random-search: zobench, workers and store",
        "random-search: of that, start-up",
        "random-search: zobench, start-up aside",
        "cma-es: script, COCO observer",
        "cma-es: zobench, in this process",
        "cma-es: zobench, workers and store",
        "cma-es: of that, start-up",
        "cma-es: zobench, start-up aside",
    ]
    # With so few queries all of it is start-up: what is left is noise, also below 0.
    assert all(line.seconds.median > 0 for line in lines if "aside" not in line.name)


def test_the_plain_scripts_optimise():
    from zobench.bench import plain

    def sphere(x):
        return float(x @ x)

    start = np.full(4, 3.0)
    assert plain.zo_sgd(10, 4000, 1e-2, 1e-3, 0) < 1e-3
    assert plain.random_search(sphere, start, 400, 0) < 4.0
    assert plain.cma_es(sphere, start, 400, 0) < 1e-3
    assert plain.loop(lambda x: np.vecdot(x, x), np.diag([3.0, 1.0, 2.0])) == 1.0
