"""From runs and hits to run lengths, and which target is meant."""

import numpy as np
import pandas as pd
import pytest
from analysis_tools import HIT_COLUMNS, results

from zobench.analysis.runlengths import Cases, at_targets, run_table
from zobench.analysis.targets import final_targets, hardest_common, hardest_reached
from zobench.errors import BadInput

RUNS = [
    ("f", "a", 0, [3, 40], {}),
    ("f", "a", 1, [7], {}),
    ("f", "a", 2, [], {"status": "failed", "queries": 12, "reason": "boom"}),
    ("f", "b", 0, [5], {"status": "diverged", "queries": 30}),
    ("f", "b", 1, [], {"status": "skipped", "queries": 0, "reason": "needs blocks"}),
]


def found(frames, unit="queries"):
    table = Cases(run_table(*frames, unit))
    return {key: (c.length.tolist(), c.success.tolist()) for key, c in table.items()}


def test_lengths_are_first_hits_or_what_was_spent():
    assert found(results(RUNS)) == {
        ("f", 0, "a"): ([3, 7, 12], [True, True, False]),
        ("f", 1, "a"): ([40, 100, 12], [True, False, False]),
        ("f", 0, "b"): ([5], [True]),  # hit before it diverged; the skipped run is no run
        ("f", 1, "b"): ([30], [False]),
    }


def test_lengths_in_seconds():
    assert found(results(RUNS), "seconds")["f", 1, "a"][0] == pytest.approx([0.04, 0.1, 0.012])


def test_only_the_scored_kind_counts():
    runs, hits, problems = results(RUNS)
    problems["kind"] = "best"
    assert not run_table(runs, hits, problems)["success"].any()


def test_a_target_met_at_the_start_costs_one_query():
    frames = results([("f", "a", 0, [0, 0], {"queries": 0})])
    assert found(frames)["f", 1, "a"] == ([1.0], [True])
    assert found(frames, "seconds")["f", 1, "a"][0] == [1e-6]


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_unknown_queries_count_as_the_budget_and_unknown_seconds_stay_unknown(lost):
    frames = results([("f", "a", 0, [4], {"status": "oom", "queries": lost, "seconds": lost})])
    assert found(frames)["f", 1, "a"] == ([100.0], [False])
    assert not Cases(run_table(*frames, "seconds"))["f", 1, "a"].is_measured
    assert Cases(run_table(*frames, "seconds"))["f", 0, "a"].is_measured


def test_two_names_of_the_same_run_both_have_its_hits():
    frames = results([("f", n, 0, h, {"run_key": "k0"}) for n, h in (("a", [3, 9]), ("b", []))])
    lengths = found(frames)
    assert lengths["f", 1, "a"] == lengths["f", 1, "b"]


def test_a_hit_given_twice_counts_once_and_the_first_decides():
    runs, hits, problems = results([("f", "a", 0, [3, 9], {})])
    again = hits.assign(queries=hits["queries"] + 5)
    assert found((runs, pd.concat([again, hits]), problems))["f", 1, "a"] == ([9.0], [True])


def test_runs_are_ordered_by_their_labels_not_by_their_place():
    frames = results([("f", "a", r, [r + 1, r + 2], {}) for r in (2, 0, 1)])
    assert Cases(run_table(*frames))["f", 0, "a"].length.tolist() == [1, 2, 3]


def test_no_hits_and_no_runs():
    runs, _, problems = results(RUNS)
    nothing = pd.DataFrame(columns=HIT_COLUMNS)
    assert not run_table(runs, nothing, problems)["success"].any()
    assert run_table(runs[:0], nothing, problems).empty
    skipped = runs[runs["status"] == "skipped"]
    assert run_table(skipped, nothing, problems).empty


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r, h, p: (r.drop(columns="status"), h, p), "'runs' lacks status"),
        (lambda r, h, p: (r, h, p.drop(columns=["kind"])), "'problems' lacks kind"),
        (lambda r, h, p: (r.assign(suite=["s", *"tttt"]), h, p), "2 suites"),
        (lambda r, h, p: (r.assign(status="happy"), h, p), "unknown status 'happy'"),
        (lambda r, h, p: (r.assign(problem="g"), h, p), "problem 'g', which has no targets"),
        (lambda r, h, p: (pd.concat([r, r]), h, p), "two runs of 'a' on 'f' with repetition 0"),
        (lambda r, h, p: (r, h, pd.concat([p, p])), "two targets of the same index"),
        (lambda r, h, p: (r.assign(queries=-1), h, p), "negative number of queries"),
    ],
)
def test_bad_frames_give_one_clear_line(change, said):
    with pytest.raises(BadInput, match=said) as error:
        run_table(*change(*results(RUNS)))
    assert "\n" not in str(error.value)


def test_unknown_unit():
    with pytest.raises(BadInput, match="no unit 'hours'"):
        run_table(*results(RUNS), "hours")


def test_which_target():
    frames = results(RUNS, targets=(3.0, 2.0, 1.0))
    table = run_table(*frames)
    assert final_targets(frames[2]) == {"f": 2}
    assert hardest_reached(table) == {"f": 1}  # a, repetition 0
    assert hardest_common(table, "a", "b") == {"f": 0}  # 2 of 3 and 1 of 1 runs
    assert hardest_common(table, "a", "b", share=0.9) == {}
    assert hardest_common(table, "a", "c") == {}
    assert set(at_targets(table, {"f": 1})["target"]) == {2.0}
