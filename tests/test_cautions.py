"""Points that get worse before the end of a run, and test scores that contradict the targets."""

import json

import pandas as pd

from zobench.analysis.cautions import contradiction, rises


def runs_of(tests, score="test_loss"):
    rows = [
        {"run_key": f"{name}{r}", "estimator": name, "scores": json.dumps({score: value})}
        for name, values in tests.items()
        for r, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def trace(key, scores):
    rows = [{"run_key": key, "queries": q, "score": s} for q, s in enumerate(scores)]
    return pd.DataFrame(rows)


def test_a_score_that_rises_again_is_told_with_its_lowest_point():
    runs = runs_of({"a": [0.0, 0.0], "b": [0.0, 0.0]})
    traces = pd.concat([
        trace("a0", [10.0, 4.0, 2.0, 6.0]),
        trace("a1", [10.0, 4.0, 3.0, 7.0]),
        trace("b0", [10.0, 4.0, 2.0, 2.5]),  # a sixteenth of what it fell
        trace("b1", [10.0, 4.0, 2.0, 1.0]),
        trace("elsewhere", [10.0, 1.0, 90.0]),
    ])  # fmt: skip
    (rise,) = rises(runs, traces)
    assert (rise.estimator, rise.queries, rise.low, rise.final) == ("a", 2.0, 2.5, 6.5)


def test_one_run_of_three_that_rises_is_not_told():
    runs = runs_of({"a": [0.0] * 3})
    parts = [trace("a0", [9.0, 1.0, 5.0]), trace("a1", [9.0, 1.0]), trace("a2", [9.0, 1.0])]
    assert rises(runs, pd.concat(parts)) == []


def test_a_run_that_never_improved_has_risen():
    runs = runs_of({"a": [0.0]})
    (rise,) = rises(runs, trace("a0", [3.0, 4.0, 5.0]))
    assert (rise.queries, rise.low, rise.final) == (0.0, 3.0, 5.0)
    assert rises(runs, trace("a0", [3.0, 3.0])) == []
    assert rises(runs, trace("a0", [3.0, float("nan")])) == []


def summary(costs):
    rows = [
        {
            "problem": "p",
            "estimator": name,
            "final_successes": int(cost < float("inf")),
            "hardest_successes": 1,
            "final_queries": cost,
            "hardest_queries": 100.0,
        }
        for name, cost in costs.items()
    ]
    return pd.DataFrame(rows)


def test_an_order_on_test_data_that_contradicts_the_targets_is_told():
    rows = summary({"soon": 10.0, "late": 20.0, "never": float("inf")})
    runs = runs_of({"soon": [0.5, 0.6], "late": [0.1, 0.2], "never": [0.3, 0.3]})
    found = contradiction(rows, runs)
    assert str(found) == (
        "On p the order by test loss is another one: soon is first by the target, but late ends "
        "with a better test loss (0.15 against 0.55, medians)."
    )
    higher = runs_of({"soon": [0.5, 0.6], "late": [0.1, 0.2]}, "test_return")
    assert contradiction(rows, higher) is None


def test_test_scores_that_overlap_contradict_nothing():
    rows = summary({"soon": 10.0, "late": 20.0})
    assert contradiction(rows, runs_of({"soon": [0.5, 0.2], "late": [0.3, 0.3]})) is None
    assert contradiction(rows, runs_of({"soon": [0.5], "late": [0.3]}, "gap")) is None
    none = summary({"soon": float("inf"), "late": float("inf")}).assign(hardest_successes=0)
    none["hardest_queries"] = float("inf")
    assert contradiction(none, runs_of({"soon": [0.5], "late": [0.3]})) is None
