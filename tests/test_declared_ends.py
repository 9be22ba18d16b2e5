"""The end of a run is declared by counts, limits and scores; elements cannot fake it."""

from __future__ import annotations

import pytest
from harness_tools import element, suite_of

from zobench.harness.limits import Limits
from zobench.harness.plan import plan
from zobench.harness.run import Run

FAKES = """
import numpy as np
from zobench.core.directions import Noise
from zobench.core.oracle import BudgetExhausted, Diverged, Unstoppable
from zobench.core.problem import VectorProblem
from zobench.harness.failures import LastTarget
from zobench.harness.limits import OutOfTime

ENDS = {e.__name__: e for e in (BudgetExhausted, Diverged, Unstoppable, LastTarget, OutOfTime)}

class Fake:
    def __init__(self, end, at):
        self.end, self.at, self.asked = end, at, 0
        self.end_at("make")
    def end_at(self, place):
        if self.at == place:
            raise ENDS[self.end]("that is all")
    def start(self, params, seed):
        self.end_at("start")
    def step(self, evaluate):
        try:
            evaluate([(0.1, Noise(self.asked))])
        except Exception:
            self.end_at("refused")
            raise
        self.asked += 1
        if self.asked == 5:
            self.end_at("step")

def fake(end: str = "BudgetExhausted", at: str = "step"):
    return Fake(end, at)

def bowl(end: str = "BudgetExhausted", at: str = "f", dim: int = 3):
    asked = [0]
    if at == "make":
        raise ENDS[end]("that is all")
    def f(x):
        asked[0] += len(x)
        if at == "f" and asked[0] > 10:
            raise ENDS[end]("that is all")
        return (x**2).sum(axis=1)
    return VectorProblem(f, lambda rng: rng.normal(size=dim))
"""
NAMES = ("BudgetExhausted", "LastTarget", "Diverged", "OutOfTime", "Unstoppable")


def ended(folder, estimator, objective="bowl", settings="", budget=20):
    """(status, reason) of a run of a test's own elements."""
    (folder / "fakes.py").write_text(FAKES)
    suite = suite_of(folder, "bowl", repetitions=1, budget=budget, targets=[1e-99])
    if settings:
        text = (folder / "t.toml").read_text().replace("settings = {  }", f"settings = {settings}")
        text = text.replace(element("bowl"), str(folder / f"fakes.py:{objective}"))
        (folder / "t.toml").write_text(text)
        from zobench.harness.suite_file import load

        suite = load(folder / "t.toml")
    (spec,) = plan(suite, [estimator])
    result = Run(spec).execute(Limits(None, lambda: None))
    return result.status, result.reason


@pytest.mark.parametrize("place", ["make", "start", "step"])
@pytest.mark.parametrize("name", NAMES)
def test_an_estimator_that_raises_an_end_itself_has_failed(tmp_path, name, place):
    status, reason = ended(tmp_path, f"{tmp_path}/fakes.py:fake:end={name},at={place}")
    assert status == "failed"
    assert reason.startswith(f"the code of an element raised {name} itself (that is all) (")
    assert "fakes.py:" in reason


@pytest.mark.parametrize("name", NAMES[:3])
def test_after_evaluate_has_refused_it_is_the_true_end_that_counts(tmp_path, name):
    status, reason = ended(tmp_path, f"{tmp_path}/fakes.py:fake:end={name},at=refused")
    assert (status, reason) == ("budget", "")


@pytest.mark.parametrize("place", ["make", "f"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "Diverged"])
def test_an_objective_cannot_end_a_run_by_the_harness_exceptions_either(tmp_path, name, place):
    given = f'{{ end = "{name}", at = "{place}" }}'
    status, reason = ended(tmp_path, element("walk"), "bowl", given)
    assert status == "failed"
    assert f"raised {name} itself" in reason


def test_an_objective_may_say_that_it_diverges(tmp_path):
    for place in ("make", "f"):
        given = f'{{ end = "Diverged", at = "{place}" }}'
        assert ended(tmp_path, element("walk"), "bowl", given) == ("diverged", "that is all")
