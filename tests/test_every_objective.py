"""The contract of an objective, over the registry: no test names one."""

import pytest
from conftest import keep

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


@pytest.mark.parametrize("check", [c for name in objectives.load() for c in checks(name)], ids=str)
def test_it_keeps_the_contract(check):
    keep(check, APPLIES)


def test_the_contract_is_whole():
    """A check that is lost is noticed."""
    assert len(contract.tests) == 20
