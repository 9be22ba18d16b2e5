"""The parts of the command line: numbers, tables, time left, tuning's draws, scores and files."""

import math
import tomllib

import numpy as np
import pandas as pd
import pytest

from zobench.analysis.frames import Frames
from zobench.bench.timing import Sample, interleave
from zobench.display import text
from zobench.display.eta import Eta, clock
from zobench.errors import BadInput
from zobench.harness.plan import plan
from zobench.harness.suite import ProblemSpec, Suite
from zobench.registry import Entry, estimators
from zobench.tune import record
from zobench.tune.score import trial_scores
from zobench.tune.space import narrowed, trials


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


def test_trials_start_with_the_defaults_and_repeat_themselves():
    entry = estimators["mezo-bcd"]
    few, many = trials(entry, 3, {}, "suite", "group"), trials(entry, 200, {}, "suite", "group")
    assert few[0] == {key: entry.defaults[key] for key in entry.space}
    assert many[:3] == few
    assert trials(entry, 3, {}, "suite", "other")[1] != few[1]
    for key, (low, high, _) in entry.space.items():
        values = [settings[key] for settings in many]
        assert low <= min(values) < max(values) <= high
        assert all(type(value) is type(entry.defaults[key]) for value in values)
    logs = np.log10([settings["lr"] for settings in many])
    assert abs(np.mean(logs) - -3.0) < 0.5  # log-uniform from 1e-6 to 1
    entry.build(many[7])


def test_linear_spaces_are_drawn_linearly():
    entry = Entry("x", lambda a=0.5: a, space={"a": (0.0, 10.0, "linear")})
    values = [settings["a"] for settings in trials(entry, 300, {}, "s")][1:]
    assert abs(np.mean(values) - 5.0) < 0.6


def test_fixed_settings_are_not_searched():
    found = trials(estimators["spsa"], 5, {"lr": 0.5}, "s")
    assert {settings["lr"] for settings in found} == {0.5}
    assert len({settings["eps"] for settings in found}) == 5
    with pytest.raises(BadInput, match="nothing to tune"):
        trials(estimators["spsa"], 5, {"lr": 0.5, "eps": 0.1}, "s")
    with pytest.raises(BadInput, match="declares no space"):
        trials(Entry("bare", lambda lr=0.1: lr), 5, {}, "s")
    with pytest.raises(BadInput, match="at least 1"):
        trials(estimators["spsa"], 0, {}, "s")


def test_a_record_is_toml_and_reads_back(tmp_path):
    path = tmp_path / "deep" / "x.toml"
    settings = {"lr": 1e-06, "n": 4, "name": 'a "quoted" one', "yes": True}
    tried = [{"score": 0.5, "settings": {"lr": 1e-300}}, {"score": float("nan"), "settings": {}}]
    kept = {"chosen": 1, "span": [1e-6, 1, "log"], "tried": tried}
    tables = {"settings": {"a group": settings}, "record": {"a group": kept}}
    record.write(path, tables, "head\nof two lines")
    assert path.read_text().startswith("# head\n# of two lines\n")
    back = tomllib.loads(path.read_text())
    assert back["settings"]["a group"] == settings
    assert back["record"]["a group"]["tried"][0] == tried[0]
    assert record.read(path)["settings"] == back["settings"]
    assert list(tmp_path.glob("deep/*")) == [path]


def test_a_broken_record_gives_one_line(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("[settings\n")
    with pytest.raises(BadInput, match=r"x\.toml: .*line 1"):
        record.read(path)


def frames(hits, kind="best"):
    """Two trials on one problem of two targets and 100 queries, scored by `kind`."""
    runs = pd.DataFrame({
        "run_key": ["r0", "r1", "r2"],
        "suite": "s",
        "problem": "p",
        "instance": float("nan"),
        "estimator": ["t0", "t0", "t1"],
        "repetition": [1000, 1001, 1000],
        "seed": [1, 2, 1],
        "status": "budget",
        "queries": 100,
        "seconds": 1.0,
        "final_score": [3.0, 2.0, float("nan")],
        "scored": kind,
    })  # fmt: skip
    facts = {"problem": "p", "group": "g", "dimension": 1, "budget": 100, "kind": kind}
    problems = pd.DataFrame({"target_index": [0, 1], "target": [1.0, 0.1], **facts})
    columns = pd.Index(["run_key", "kind", "target_index", "queries", "seconds"])
    traces = pd.DataFrame({"run_key": ["r0", "r0", "r1", "r2"], "score": [2.5, 9.0, 2.5, 2.5]})
    hit = pd.DataFrame([(*hit, 0.5) for hit in hits], columns=columns)
    return Frames(runs, hit, traces, problems)


def test_trials_are_ranked_by_area_and_then_by_final_score():
    early = [("r0", "best", 0, 1), ("r0", "best", 1, 10), ("r2", "best", 0, 50)]
    ranked = trial_scores(frames(early))
    # r0: (1 + 1/2) / 2, r1: 0; r2: (1 - log 50 / log 100) / 2
    scores = {name: score for name, score, _ in ranked}
    assert scores == pytest.approx({"t0": 0.375, "t1": 0.0752575})
    assert [name for name, *_ in ranked] == ["t0", "t1"]
    assert [n for n, *_ in trial_scores(frames([("r2", "best", 0, 50)]))] == ["t1", "t0"]
    ranked = trial_scores(frames([("r2", "current", 0, 5)]))  # the other kind: finals decide
    assert [name for name, *_ in ranked] == ["t0", "t1"]
    assert [score for _, score, _ in ranked] == [0.0, 0.0]


def test_a_trial_that_ends_worse_than_it_began_has_reached_nothing():
    hits = [("r0", "current", 0, 1), ("r1", "current", 0, 10), ("r2", "current", 0, 1)]
    ranked = trial_scores(frames(hits, "current"))
    # From 2.5, r0 ends at 3 and r2 at nan; r1 ends at 2: its target after 10 of 100 queries counts.
    assert {name: score for name, score, _ in ranked} == {"t0": 0.125, "t1": 0.0}


def test_the_second_round_is_about_the_best_of_the_first():
    entry = Entry(
        "x",
        lambda lr=0.1, eps=0.1, k=5: lr,
        space={"lr": (1e-6, 1.0, "log"), "eps": (1e-4, 0.1, "log"), "k": (1, 100, "log")},
    )
    best = {"lr": 1e-3, "eps": 0.1, "k": 10}
    found = narrowed(entry, best, 100, {}, "suite")
    assert found == narrowed(entry, best, 100, {}, "suite")
    logs = np.log10([settings["lr"] for settings in found])
    assert -4.01 < logs.min() < -3.8
    assert -2.2 < logs.max() < -1.99  # a third of the six decades, about the best
    assert min(settings["eps"] for settings in found) > 0.1 * 10**-0.51  # cut at the span's end
    assert max(settings["eps"] for settings in found) <= 0.1
    assert {type(settings["k"]) for settings in found} == {int}
    assert {settings["lr"] for settings in narrowed(entry, best, 3, {"lr": 5.0})} == {5.0}
    assert narrowed(entry, best, 0, {}) == []


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
    assert set(costs) == {*DEFAULT, "mezo-bcd, no reuse", *again}
    for cost in costs.values():
        assert len(cost.seconds.values) == 2
        assert 0 < cost.forward <= 1
        assert cost.queries == 2
        assert cost.memory >= 0
        assert 0 < sum(cost.floor) < math.inf
    # groups: embeddings, two layers, head
    assert costs["mezo-bcd"].forwards == (2 + 2 + 1.5 + 1) / 4
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
