"""Estimators that nothing but their own process stops: each ends as a failed row that says why."""

from __future__ import annotations

import time

import pytest
from harness_tools import suite_of

from zobench.harness.plan import plan
from zobench.harness.pool import run_all
from zobench.harness.store import Store

STUBBORN = """
from zobench.core.directions import Noise

class Stubborn:
    def __init__(self, kind):
        self.kind = kind

    def start(self, params, seed):
        self.params = params

    def step(self, evaluate):
        probes = [(0.1, Noise(1))]
        if self.kind == "idle":
            return
        if self.kind == "gradient":
            evaluate.gradient()
        if self.kind == "uncounted":
            evaluate.problem.losses(probes, 0)
        if self.kind == "each-step":
            try:
                evaluate(probes)
            except Exception:
                return
        while self.kind == "in-a-step":
            try:
                evaluate(probes)
            except Exception:
                pass
        while self.kind == "everything":
            try:
                evaluate(probes)
            except BaseException:
                pass
        evaluate(probes)

def stubborn(kind: str = "none"): return Stubborn(kind)
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Runs by kind and by objective: in a worker that many share, and in a fork of their own."""
    folder = tmp_path_factory.mktemp("stubborn")
    file = folder / "mine.py"
    file.write_text(STUBBORN)
    kinds = ("idle", "gradient", "uncounted", "each-step", "in-a-step", "everything", "none")
    found = {}
    for objective, settings in (("bowl", ""), ("roomy", "mib = 1, scoring = 1")):
        suite = suite_of(folder, objective, settings, repetitions=1, budget=20, targets=[1e-99])
        assert suite.problems[0].time_limit is None
        specs = plan(suite, [f"{file}:stubborn:kind={kind}" for kind in kinds])
        began = time.monotonic()
        with Store.open(folder / objective) as store:
            run_all(specs, store, jobs=1)
            runs = store.runs()
        assert time.monotonic() - began < 300.0
        runs.index = [name.rpartition("=")[2] for name in runs["estimator"]]
        assert sorted(runs.index) == sorted(kinds)
        found[objective] = runs
    return found


CAUGHT = "50 calls of evaluate in a row raised, and the estimator went on: it must not catch"


@pytest.mark.parametrize("objective", ["bowl", "roomy"])
@pytest.mark.parametrize(
    ("kind", "reason", "queries"),
    [
        ("idle", "100 steps in a row had no loss of evaluate: they never called it", 0),
        ("gradient", "the estimator asks for a gradient: it must be registered with first_", 0),
        ("uncounted", "AttributeError: 'Oracle' object has no attribute 'problem'", 0),
        ("each-step", CAUGHT, 20),
        ("in-a-step", CAUGHT, 20),
        ("everything", CAUGHT, 20),
    ],
)
def test_it_fails_and_says_why(ended, objective, kind, reason, queries):
    row = ended[objective].loc[kind]
    assert row["status"] == "failed"
    assert row["reason"].startswith(reason)
    assert row["queries"] == queries


def test_the_runs_beside_it_are_made(ended):
    assert [runs.loc["none", "status"] for runs in ended.values()] == ["budget", "budget"]
