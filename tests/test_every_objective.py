"""The contract of an objective, over the registry: no test names one."""

import pytest
from conftest import keep, require

from zobench.core.directions import Noise
from zobench.registry import objectives
from zobench.testing import checks
from zobench.testing.objectives import contract

APPLIES = {  # the reasons for which registered objectives may skip a check
    "alone": "drawn together",
    "overwriting": "not a function of rows",
    "minimum": "no known optimum",
    "gradient": "has no gradient",
    "descent": "has no gradient|too large",
}


@pytest.mark.parametrize("name", objectives.load())
def test_a_score_is_of_the_point_also_where_moves_are_delayed(name):
    """Those of a run are written first; registered objectives write them themselves."""
    entry = objectives[name]
    require(entry)
    problem = entry.build(entry.sanity)
    problem.start(1)
    problem.params.add(0.1, Noise(9))
    here = problem.score()
    problem.params.flush()
    assert problem.score() == here


@pytest.mark.parametrize(
    "check", [c for name in objectives.load() for c in checks(name, "objective")], ids=str
)
def test_it_keeps_the_contract(check):
    keep(check, APPLIES)


def test_the_contract_is_whole():
    """A check that is lost is noticed."""
    assert len(contract.tests) == 20
