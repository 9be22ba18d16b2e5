"""The contract of an estimator, over the registry: no test names one."""

import pytest
from conftest import keep

from zobench.registry import estimators
from zobench.testing import checks
from zobench.testing.estimators import contract

APPLIES = {  # the reasons for which registered estimators may skip a check
    "span": "it has no probes",
    "directions": "it has no probes",
    "ranks": "ranks = True|another library's optimizer",
    "rounding": "at most|does not move",
    "saved": "cannot be saved|uses gradients",
    "recorded": "cannot be recorded|can be recorded|names its points outright|uses gradients",
    "memory": "is not compared|at most",
}


@pytest.mark.parametrize(
    "check", [c for name in estimators.load() for c in checks(name, "estimator")], ids=str
)
def test_it_keeps_the_contract(check):
    keep(check, APPLIES)


@pytest.mark.parametrize("name", estimators.load())
def test_its_file_bears_its_name(name):
    entry = estimators[name]
    assert entry.make.__module__.rsplit(".", 1)[1] == name.replace("-", "_")


def test_the_contract_is_whole():
    """A check that is lost is noticed."""
    assert len(contract.tests) == 19
