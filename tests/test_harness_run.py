"""One run: exact hits, the grid of scores, every way to end, and what is kept of it."""

from __future__ import annotations

import math
import sys
import warnings
from dataclasses import replace
from itertools import pairwise
from time import perf_counter

import pytest
from harness_tools import element, specs_of, suite_of

from zobench.harness.elements import load_packages
from zobench.harness.estimator_spec import parse_estimator
from zobench.harness.failures import outcome
from zobench.harness.plan import plan
from zobench.harness.result import RunResult
from zobench.harness.run import execute
from zobench.registry import Entry


def script(folder, *calls, **more):
    """The result of evaluating multiples p of (1, 1, 1, 1): the gap is 4 (p - 1)^2."""
    (spec,) = plan(
        suite_of(folder, settings="spread = 0.0", **({"repetitions": 1} | more)),
        [element("scripted")],
    )
    chosen = replace(spec.estimator, settings={"calls": calls})
    return execute(replace(spec, estimator=chosen))


def hits(result, kind):
    return [(index, target, queries) for k, index, target, queries, _ in result.hits if k == kind]


def test_a_package_may_warn_when_it_is_imported(tmp_path, monkeypatch):
    (tmp_path / "package_that_warns.py").write_text("import warnings\nwarnings.warn('no plots')\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry("own", lambda: None, needs="package_that_warns")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_packages(entry)
    assert "package_that_warns" in sys.modules


def test_hits_of_evaluated_points_are_exact_inside_a_call(tmp_path):
    targets = [4.0, 1.0, 0.05, 1e-9]
    result = script(tmp_path, (3.0, -1.0, 2.0), (5.0, 1.5, 1.1, 0.0), (1.6,), targets=targets)
    assert hits(result, "best") == [(0, 4.0, 3), (1, 1.0, 5), (2, 0.05, 6)]
    assert hits(result, "current") == [(0, 4.0, 0)]  # the start is 0; 1.6 comes later
    assert (result.status, result.reason) == ("ok", "the script is over")
    assert (result.queries, result.calls, result.samples) == (8, 3, 8)
    assert result.best_score == pytest.approx(0.04)
    assert result.final_score == pytest.approx(1.44)
    assert result.trace[-1][0] == 8


def test_the_current_point_is_scored_where_it_stands(tmp_path):
    targets = [3.0, 1.0, 0.5]
    result = script(
        tmp_path, (1.0, 1.8), (1.5,), (1.4,), (1.3,), scored='"current"', targets=targets
    )
    assert [(q, round(s, 6)) for q, _, s, _ in result.trace] == [
        (0, 4.0),
        (2, 2.56),
        (3, 1.0),
        (4, 0.64),
        (5, 0.36),
    ]
    assert hits(result, "current") == [(0, 3.0, 2), (1, 1.0, 3), (2, 0.5, 5)]
    assert hits(result, "best") == [(0, 3.0, 1), (1, 1.0, 1), (2, 0.5, 1)]
    assert (result.status, result.queries) == ("target", 5)
    assert [row[3] for row in result.trace[1:]] == [0.0] * 4
    assert math.isnan(result.trace[0][3])


def test_the_last_target_of_the_scored_kind_ends_the_run(tmp_path):
    result = script(tmp_path, (3.0,), (1.0, 2.0), (9.0,), targets=[1.0, 1e-9])
    assert (result.status, result.reason, result.queries) == ("target", "", 3)
    assert hits(result, "best") == [(0, 1.0, 2), (1, 1e-9, 2)]
    assert result.final_score == pytest.approx(16.0)  # the step that hit was not finished


def test_a_target_reached_by_the_last_query_is_a_target(tmp_path):
    result = script(
        tmp_path, (3.0,), (2.0,), (1.0,), (5.0,), budget=3, targets=[1e-9], scored='"current"'
    )
    assert (result.status, result.queries) == ("target", 3)


def test_the_grid_of_scores_is_geometric(tmp_path):
    (spec,) = specs_of(tmp_path, "walk", budget=2000, repetitions=1, targets=[1e-99])
    result = execute(spec)
    queries = [row[0] for row in result.trace]
    assert (result.status, result.queries, queries[0], queries[-1]) == ("budget", 2000, 0, 2000)
    assert queries == sorted(set(queries))
    assert len(queries) < 75
    for a, b in pairwise(queries[20:-1]):
        assert 1.11 < b / a < 1.16
    scores = [row[2] for row in result.trace]
    assert result.final_score == scores[-1] == result.scores["gap"]
    assert [row[1] for row in result.trace] == sorted(row[1] for row in result.trace)
    seconds = result.estimator_seconds + result.objective_seconds
    assert result.trace[-1][1] <= seconds


def test_a_suite_may_score_more_rarely(tmp_path):
    queries = {}
    for ratio in (1.5, 3.0):
        (spec, *_) = specs_of(tmp_path, "walk", budget=100, targets=[1e-9], score_ratio=ratio)
        queries[ratio] = [row[0] for row in execute(spec).trace]
    assert queries[1.5] == [0, 1, 2, 3, 5, 8, 12, 18, 27, 41, 62, 93, 100]
    assert queries[3.0] == [0, 1, 3, 9, 27, 81, 100]


def test_equal_seeds_give_equal_traces(tmp_path):
    (spec,) = specs_of(tmp_path, "walk:n=3", settings="noisy = true", repetitions=1)
    one, two = execute(spec), execute(spec)
    assert [(q, s, b) for q, _, s, b in one.trace[1:]] == [
        (q, s, b) for q, _, s, b in two.trace[1:]
    ]
    assert [h[:4] for h in one.hits] == [h[:4] for h in two.hits]
    other = execute(replace(spec, repetition=1))
    assert other.final_score != one.final_score


def test_scoring_is_off_the_clock(tmp_path):
    (spec,) = specs_of(
        tmp_path, "walk", settings="pause = 0.01", repetitions=1, budget=20, targets=[1e-99]
    )
    began = perf_counter()
    result = execute(spec)
    whole = perf_counter() - began
    assert result.objective_seconds >= 20 * 0.01
    assert len(result.trace) > 10
    on_clock = result.estimator_seconds + result.objective_seconds
    assert on_clock < whole - 0.01 * len(result.trace)  # each score pauses too


def test_progress_is_told_at_every_score(tmp_path):
    (spec,) = specs_of(tmp_path, "walk", repetitions=1)
    told = []
    result = execute(spec, lambda queries, best: told.append((queries, best)))
    assert [q for q, _ in told] == [row[0] for row in result.trace]
    assert told[-1][1] == min(result.final_score, result.best_score)


def faulty(folder, kind, estimator="walk", **more):
    (spec,) = specs_of(folder, estimator, objective="bad", settings=f'kind = "{kind}"', **more)
    return execute(spec)


def test_an_exception_is_a_result_with_its_place(tmp_path):
    result = faulty(tmp_path, "raise", repetitions=1)
    assert result.status == "failed"
    assert result.reason.startswith("ZeroDivisionError: the sun went out (")
    assert "harness_elements.py:" in result.reason
    assert result.queries == 100
    assert result.trace[0][0] == 0
    assert result.trace[-1][0] > 50
    assert result.hits
    assert result.dimension == 3
    assert not result.settled


def test_a_loss_that_is_not_finite_is_divergence(tmp_path):
    result = faulty(tmp_path, "nan", repetitions=1)
    assert (result.status, result.reason) == ("diverged", "the loss was nan at query 101")
    assert result.trace[-1][0] == 101
    assert result.settled


def test_a_score_that_is_not_finite_is_divergence(tmp_path):
    result = faulty(tmp_path, "score", repetitions=1)
    assert result.status == "diverged"
    assert result.reason == f"the gap was inf after {result.queries} queries"
    assert 100 < result.queries < 115
    assert result.trace[-1][0] < 100
    assert result.final_score == math.inf


def test_pytorch_out_of_memory_is_told_from_other_errors():
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert outcome(caught.value, 5, 9)[0] == "oom"
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) @ torch.ones(3)
    assert outcome(caught.value, 5, 9)[0] == "failed"


def test_code_that_leaves_python_is_a_failure(tmp_path):
    result = faulty(tmp_path, "leave", repetitions=1)
    assert (result.status, result.reason[:13]) == ("failed", "SystemExit: 3")


def test_a_pair_that_does_not_fit_is_skipped(tmp_path):
    (spec,) = specs_of(tmp_path, "unsuitable", repetitions=1)
    result = execute(spec)
    assert (result.status, result.reason) == ("skipped", "needs the moon")
    assert result.settled


def test_a_missing_package_is_skipped_and_tried_again(tmp_path):
    (spec,) = specs_of(tmp_path, "needy", repetitions=1)
    result = execute(spec)
    assert result.status == "skipped"
    assert result.reason == "needs the package 'no_such_module': pip install no-such-package"
    assert not result.settled


def test_a_budget_below_one_step_is_skipped(tmp_path):
    (spec,) = specs_of(tmp_path, "walk:n=300", repetitions=1)
    result = execute(spec)
    assert result.status == "skipped"
    assert result.reason == "the next step needs 300 queries, the budget is 200"


def test_a_budget_is_never_overspent(tmp_path):
    (spec,) = specs_of(tmp_path, "walk:n=7", repetitions=1)
    result = execute(spec)
    assert (result.status, result.queries) == ("budget", 196)


def test_faults_of_an_estimator_name_the_users_line(tmp_path):
    (spec,) = specs_of(tmp_path, "typo", repetitions=1)
    result = execute(spec)
    assert result.status == "failed"
    assert "AttributeError: 'Typo' object has no attribute 'nothing'" in result.reason
    assert "harness_elements.py" in result.reason


def test_settings_that_the_objective_refuses(tmp_path):
    (spec,) = specs_of(tmp_path, "walk", repetitions=1)
    sphere = replace(spec.problem, objective="sphere", version="1", settings={"dim": 0})
    result = execute(replace(spec, problem=sphere))
    assert result.status == "failed"
    assert "dim" in result.reason


def test_a_file_changed_after_planning_is_told(tmp_path):
    (spec,) = specs_of(tmp_path, "walk", repetitions=1)
    result = execute(replace(spec, estimator=replace(spec.estimator, version="0")))
    assert result.status == "failed"
    assert "changed after the run was planned" in result.reason


def test_best_needs_an_objective_that_knows_it(tmp_path):
    (tmp_path / "blind.py").write_text(
        "from zobench.core.problem import VectorProblem\n"
        "class Blind(VectorProblem):\n"
        "    def losses(self, probes, seed):\n"
        "        losses = super().losses(probes, seed)\n"
        "        self.probe_scores = None\n"
        "        return losses\n"
        "def blind():\n"
        "    return Blind(lambda x: (x**2).sum(1), lambda rng: rng.normal(size=2))\n"
    )
    (spec,) = specs_of(tmp_path, "walk", repetitions=1)
    name = f"{tmp_path / 'blind.py'}:blind"
    from zobench.registry import objectives

    blind = replace(spec.problem, objective=name, version=objectives[name].version, settings={})
    result = execute(replace(spec, problem=blind))
    assert result.status == "failed"
    assert 'scored = "current"' in result.reason
    good = execute(replace(spec, problem=replace(blind, scored="current")))
    assert good.status == "budget"
    assert math.isnan(good.best_score)


def test_a_result_survives_json(tmp_path):
    for spec in specs_of(tmp_path, "walk", "unsuitable"):
        result = execute(spec)
        text = result.to_json()
        assert RunResult.from_json(text).to_json() == text


def test_first_order_methods_are_marked_and_can_run_on_functions(tmp_path):
    (spec,) = specs_of(tmp_path, "walk", repetitions=1)
    sphere = replace(spec.problem, objective="sphere", version="1", settings={"dim": 3})
    chosen = parse_estimator("sgd-first-order:lr=0.1")
    result = execute(replace(spec, problem=sphere, estimator=chosen))
    assert result.first_order
    assert result.status in ("budget", "target")
