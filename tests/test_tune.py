"""Tuning: the trials, the rounds, the costs that rank trials, and baseline files."""

import math
import tomllib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from zobench.analysis.frames import Frames
from zobench.core.schedules import parse, start_of
from zobench.errors import BadInput
from zobench.harness.suite import ProblemSpec
from zobench.registry import Entry, check_settings, estimators
from zobench.tune import record
from zobench.tune.rounds import FINALISTS, SHORTEST, rounds
from zobench.tune.score import shown, trial_costs
from zobench.tune.space import at_edge, trials

# the trials


def rate(settings):
    """The number of a learning rate that may be a schedule."""
    return start_of(parse(str(settings["lr"])))


def test_trials_start_with_the_defaults_and_repeat_themselves():
    entry = estimators["mezo-bcd"]
    few, many = trials(entry, 2, {}, "suite", "group"), trials(entry, 200, {}, "suite", "group")
    assert len(few) == 3
    assert few[0] == {key: entry.defaults[key] for key in entry.space}
    assert many[:3] == few
    assert trials(entry, 2, {}, "suite", "other")[1] != few[1]
    for key in ("eps", "dwell"):
        low, high, _ = entry.space[key]
        values = [settings[key] for settings in many]
        assert low <= min(values) < max(values) <= high
        assert {type(value) for value in values} == {type(entry.defaults[key])}
    logs = np.log10([rate(settings) for settings in many])
    assert abs(np.mean(logs) - -3.0) < 0.5  # log-uniform from 1e-6 to 1


def test_a_choice_gets_equal_shares_of_the_trials():
    found = trials(estimators["mezo-bcd"], 300, {}, "s")[1:]
    for order in ("random", "ascending", "flip-flop"):
        assert 80 < sum(settings["order"] == order for settings in found) < 120


def test_half_of_the_rates_fall_over_the_run():
    found = trials(estimators["mezo"], 200, {}, "s")[1:]
    falling = [settings["lr"] for settings in found if isinstance(settings["lr"], str)]
    assert 85 < len(falling) < 115
    assert all(text.startswith("cosine(") for text in falling)
    assert all(type(s["lr"]) is float for s in trials(estimators["spsa"], 20, {}, "s"))
    fixed = trials(estimators["mezo"], 20, {"lr": 0.1}, "s")
    assert {settings["lr"] for settings in fixed} == {0.1}


def test_estimators_get_points_at_the_same_shares_of_their_spans():
    """`lr` and `eps` of these have the same spans, and are their first dimensions."""
    first, second = (trials(estimators[name], 9, {}, "s")[1:] for name in ("mezo", "lozo"))
    assert [rate(s) for s in first] == [rate(s) for s in second]
    assert [s["eps"] for s in first] == [s["eps"] for s in second]


@pytest.mark.parametrize("name", sorted(estimators.load()))
def test_every_trial_can_be_built(name):
    entry = estimators[name]
    for settings in trials(entry, 48, {}, "s"):
        entry.build(check_settings(entry, settings))


def test_linear_spaces_are_drawn_linearly():
    entry = Entry("x", lambda a=0.5: a, space={"a": (0.0, 10.0, "linear")})
    values = [settings["a"] for settings in trials(entry, 300, {}, "s")][1:]
    assert abs(np.mean(values) - 5.0) < 0.6


def test_fixed_settings_are_not_searched():
    found = trials(estimators["spsa"], 5, {"lr": 0.5}, "s")
    assert {settings["lr"] for settings in found} == {0.5}
    assert len({settings["eps"] for settings in found}) == 6
    with pytest.raises(BadInput, match="nothing to tune"):
        trials(estimators["gld"], 5, {"largest": 0.5, "ratio": 20.0}, "s")
    with pytest.raises(BadInput, match="declares no space"):
        trials(Entry("bare", lambda lr=0.1: lr), 5, {}, "s")
    with pytest.raises(BadInput, match="at least 1"):
        trials(estimators["spsa"], 0, {}, "s")


def test_a_setting_at_the_end_of_its_span_is_named():
    entry = estimators["mezo-bcd"]
    inner = {"lr": 1e-3, "eps": 1e-3, "dwell": 10, "order": "ascending"}
    assert at_edge(entry, inner, {}) == []
    assert at_edge(entry, inner | {"lr": "cosine(0.9)", "dwell": 1}, {}) == ["lr", "dwell"]
    assert at_edge(entry, inner | {"lr": 0.9}, {"lr": 0.9}) == []


# the rounds


def problems(*budgets):
    return [
        ProblemSpec(id=f"p{index}", objective="sphere", version="1", settings={}, budget=budget,
                    repetitions=5, targets=(1.0,))
        for index, budget in enumerate(budgets)
    ]  # fmt: skip


@pytest.mark.parametrize("budgets", [(2000,), (2000, 500), (100,) * 24])
@pytest.mark.parametrize("repetitions", [1, 3, 5])
@pytest.mark.parametrize("trials", [1, 2, 3, 8, 20, 33, 64])
def test_no_round_spends_more_than_the_last(trials, repetitions, budgets):
    """But for trials whose runs would be too short to say anything."""
    whole = problems(*budgets)
    found = rounds(trials, repetitions, whole)
    assert found[0].trials == trials
    last = found[-1]
    assert last.trials == min(trials, FINALISTS)
    assert list(last.problems) == whole
    assert len(last.repetitions) == repetitions
    most = repetitions * FINALISTS * sum(budgets)
    for earlier, later in pairwise(found):
        assert earlier.trials > later.trials
        assert earlier.repetitions[-1] < later.repetitions[0]
        least = SHORTEST * max(budgets) * earlier.trials
        assert 0.3 * most < earlier.trials * earlier.queries <= max(1.2 * most, least)
        assert {p.id for p in earlier.problems} <= {p.id for p in whole}


def test_early_rounds_cut_the_budget_and_then_the_problems():
    first, second, last = rounds(64, 1, problems(2000))
    assert [p.budget for p in (*first.problems, *second.problems, *last.problems)] == [
        125, 1000, 2000,
    ]  # fmt: skip
    first, second, third, last = rounds(512, 2, problems(*(1000,) * 24))
    assert [made.trials for made in (first, second, third, last)] == [512, 64, 8, 4]
    assert [len(made.problems) for made in (first, second, third, last)] == [1, 12, 24, 24]
    assert [made.problems[0].budget for made in (first, second, third)] == [375, 250, 1000]
    assert [p.id for p in second.problems][:3] == ["p1", "p3", "p5"]
    assert first.repetitions == range(1000, 1001)
    assert last.repetitions == range(1003, 1005)


# the costs

WHOLE = {"p": 200, "q": 200}  # two runs of 100 queries


def frames(hits, ends, kind="current", problem="p", start=2.0):
    """Trials t0, t1, ... of two runs each, on one problem of two targets and 100 queries.

    hits: (trial, run, target_index, queries); ends: the final scores of the two runs, per trial.
    """
    names = [(trial, run) for trial in range(len(ends)) for run in range(2)]
    reached = {(trial, run): queries for trial, run, index, queries in hits if index == 1}
    runs = pd.DataFrame({
        "run_key": [f"{problem}{trial}{run}" for trial, run in names],
        "suite": "s",
        "problem": problem,
        "instance": math.nan,
        "estimator": [f"t{trial}" for trial, _ in names],
        "repetition": [1000 + run for _, run in names],
        "seed": [run for _, run in names],
        "status": "budget",
        "queries": [reached.get(name, 100) for name in names],
        "seconds": 1.0,
        "final_score": [ends[trial][run] for trial, run in names],
        "best_score": [ends[trial][run] for trial, run in names],
        "scored": kind,
    })  # fmt: skip
    facts = {"problem": problem, "group": "g", "dimension": 1, "budget": 100, "kind": kind}
    targets = pd.DataFrame({"target_index": [0, 1], "target": [1.0, 0.0], **facts})
    columns = pd.Index(["run_key", "kind", "target_index", "queries", "seconds"])
    rows = [(f"{problem}{t}{run}", kind, index, queries, 0.5) for t, run, index, queries in hits]
    traces = pd.DataFrame({"run_key": runs["run_key"], "score": start})
    return Frames(runs, pd.DataFrame(rows, columns=columns), traces, targets)


def costs(found, goal="final"):
    return {name: cost for name, cost, _ in trial_costs(found, goal, WHOLE)}


def test_the_cost_is_the_expected_queries_to_the_final_target():
    hits = [(0, 0, 1, 40), (0, 1, 1, 60), (1, 0, 1, 40)]
    found = costs(frames(hits, [(0.0, 0.0), (0.0, 0.9)]))
    assert found == pytest.approx({"t0": math.log10(50), "t1": math.log10(140)})
    assert shown(found["t1"], "final") == "140"


def test_trials_that_never_arrive_are_ranked_by_how_far_they_come():
    """From 2, over a target at 1, to the final one at 0: two runs of 100 queries."""
    ends = [(0.9, 0.9), (1.0, 0.0), (2.5, 1.0), (math.nan, math.nan), (9.0, 9.0)]
    found = costs(frames([], ends))
    whole = 10 * 2 * 100
    assert found == pytest.approx({
        "t0": math.log10(whole / 0.55),
        "t1": math.log10(whole / 0.75),
        "t2": math.log10(whole / 0.25),
        "t3": math.log10(whole / 0.01),
        "t4": math.log10(whole / 0.01),
    })  # fmt: skip
    order = [name for name, *_ in trial_costs(frames([], ends), "final", WHOLE)]
    assert order == ["t1", "t0", "t2", "t4", "t3"]  # of t3 and t4 the final scores decide
    one = costs(frames([(0, 0, 1, 100)], [(0.0, 2.0), (0.001, 0.001)]))
    assert one["t0"] < one["t1"] - 0.9  # one arrival in two runs counts more than two that are near


def test_costs_of_short_runs_are_those_of_a_finalist_that_comes_as_far():
    """So that trials of different rounds can be shown in one figure."""
    ((_, cost, _),) = trial_costs(frames([], [(0.5, 0.5)]), "final", {"p": 3 * 5000})
    assert cost == pytest.approx(math.log10(10 * 3 * 5000 / 0.75))


def test_a_target_that_the_start_meets_is_no_way():
    found = costs(frames([], [(0.25, 0.25)], start=0.5))
    assert found["t0"] == pytest.approx(math.log10(10 * 2 * 100 / 0.5))


def test_problems_weigh_the_same():
    one = frames([(0, 0, 1, 10), (0, 1, 1, 10)], [(0.0, 0.0)])
    two = frames([(0, 0, 1, 90), (0, 1, 1, 90)], [(0.0, 0.0)], problem="q")
    both = Frames(*(pd.concat(pair, ignore_index=True) for pair in zip(*(
        (f.runs, f.hits, f.traces, f.problems) for f in (one, two)
    ))))  # fmt: skip
    assert costs(both) == pytest.approx({"t0": math.log10(30)})


def test_early_targets_win_the_area_and_not_the_final_target():
    """The fault of searches by area: t0 is early at the first target and never at the last."""
    early = [(0, 0, 0, 2), (0, 1, 0, 2)]
    late = [(1, 0, 0, 60), (1, 0, 1, 90), (1, 1, 0, 60), (1, 1, 1, 90)]
    both = frames(early + late, [(0.5, 0.5), (0.0, 0.0)])
    assert trial_costs(both, "area", WHOLE)[0][0] == "t0"
    assert trial_costs(both, "final", WHOLE)[0][0] == "t1"


def test_the_area_is_that_of_leaderboards():
    early = [(0, 0, 0, 1), (0, 0, 1, 10), (1, 0, 0, 10)]
    found = costs(frames(early, [(0.0, 1.5), (1.0, 1.5)]), "area")
    # t0: ((1 + 1/2) / 2 + 0) / 2; t1: ((1/2 + 0) / 2 + 0) / 2
    assert found == pytest.approx({"t0": 1 - 0.375, "t1": 1 - 0.125})
    assert shown(found["t0"], "area") == "0.375"


def test_a_run_that_ends_worse_than_it_began_has_no_area():
    hits = [(0, 0, 0, 1), (0, 1, 0, 10), (1, 0, 0, 1), (1, 1, 0, 1)]
    ends = [(3.0, 1.5), (math.nan, math.nan)]
    found = costs(frames(hits, ends), "area")
    assert found == pytest.approx({"t0": 1 - 0.125, "t1": 1.0})
    assert costs(frames(hits, ends, "best"), "area")["t0"] == pytest.approx(1 - 0.375)


# baseline files


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
