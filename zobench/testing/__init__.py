"""The contracts of zobench's own elements, for anybody's: the checks behind `zobench check`.

An element is an estimator, an objective, a suite, an environment or a judge of prompts. Its
contract is a list of checks. Each check asks one thing, such as "equal seeds give equal traces",
and a failure is one sentence with the mend:

    bad.py:bad draws from numpy's global generator: take random numbers from the seed given to start

On the command line:

    zobench check my.py:mine

In a test file, for pytest (a check that does not apply to the element is shown as skipped):

    import pytest
    import zobench.testing

    @pytest.mark.parametrize("check", zobench.testing.checks("my.py:mine"), ids=str)
    def test_mine(check):
        check()

In Python, each of `check_estimator`, `check_objective`, `check_suite`, `check_environment` and
`check_judge` returns a list of `Failure`, which is empty for an element that keeps its contract:

    >>> from zobench.testing import check_suite
    >>> check_suite("smoke")
    []

What is checked:

- estimator: the first steps; docstring (summary, formula, queries per step, memory) and facts
  (paper, space, sanity); queries per step as stated; the budget is kept; a sphere is solved with
  the settings in `sanity`; equal seeds give equal traces; no generator of the whole process; rows
  and tensors give the same points; a step that fails moves nothing; moves lie in the span of the
  probes; directions are frozen; 16 bits; saved, resumed, recorded and replayed by
  `zobench.ZerothOrder`; no more memory than stated.
- objective: start, losses and scores are finite, repeat themselves and leave the point; a call is
  one draw; a probe's loss does not depend on the others; meters; no point below the minimum; losses
  and scores agree; the gradient, where there is one; description and groups.
- suite: it is read, its problems are built, and runs start above the hardest target.
- environment: spaces, reset and step as gymnasium defines them; episodes repeat, and leave nothing
  behind; a policy can be searched on it.
- judge: one row of finite scores per text, the same again, in any order and alone.

Sizes come from the entry: an estimator for at most 20 coordinates states `max_dim=20`, and is
checked on no more. `sanity` gives the settings that the checks take, instead of the defaults.
Checks run here, in this process; `zobench check` runs them in another one, with a time limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zobench.registry import Entry
from zobench.testing.contract import Breach, Check, Contract, Failure, NotApplicable, failures
from zobench.testing.elements import Kind, subject_of

if TYPE_CHECKING:
    import gymnasium

__all__ = [
    "Breach",
    "Check",
    "Failure",
    "Kind",
    "NotApplicable",
    "check_environment",
    "check_estimator",
    "check_judge",
    "check_objective",
    "check_suite",
    "checks",
]


def checks(element: str | Entry, kind: Kind | None = None) -> list[Check]:
    """The checks of an element: one for each thing that its contract asks.

    Args:
        element: a registered name, "path/to/file.py:name", a suite's name or .toml file, or an
            entry of a registry.
        kind: "estimator", "objective", "suite", "environment" or "judge". By default it is found
            out: a registered name, a class derived from gymnasium.Env, a function of one
            parameter (a judge), or what a call of the class or function makes.

    Returns:
        The checks, in a fixed order. `str(check)` names it; `check()` passes silently, raises
        `Breach` (an AssertionError) with the sentence, or `NotApplicable` (an unittest.SkipTest).

    Raises:
        BadInput: there is no such element, or its file cannot be loaded.

    Example:
        >>> import zobench.testing
        >>> [str(check) for check in zobench.testing.checks("smoke")][:2]
        ['smoke-reads', 'smoke-facts']
    """
    subject = subject_of(element, kind)
    return contract_of(subject.kind).checks(subject)


def check_estimator(element: str | Entry) -> list[Failure]:
    """Check an estimator.

    Args:
        element: a registered name, "path/to/file.py:name", or an entry.

    Returns:
        A `Failure` for each check that it does not pass.

    Raises:
        BadInput: there is no such estimator.
    """
    return failures(checks(element, "estimator"))


def check_objective(element: str | Entry) -> list[Failure]:
    """Check an objective.

    Args:
        element: a registered name, "path/to/file.py:name", or an entry.

    Returns:
        A `Failure` for each check that it does not pass.

    Raises:
        BadInput: there is no such objective.
    """
    return failures(checks(element, "objective"))


def check_suite(element: str) -> list[Failure]:
    """Check a suite.

    Args:
        element: the name of a suite that ships with zobench, or the path of a .toml file.

    Returns:
        A `Failure` for each check that it does not pass.
    """
    return failures(checks(element, "suite"))


def check_environment(element: str | Callable[..., gymnasium.Env]) -> list[Failure]:
    """Check an environment.

    Args:
        element: "path/to/file.py:name", or the class or the function that makes one.

    Returns:
        A `Failure` for each check that it does not pass.

    Raises:
        BadInput: there is no such class or function.
    """
    return _check_callable(element, "environment")


def check_judge(element: str | Callable[..., Any]) -> list[Failure]:
    """Check a judge: a function from texts to one row of scores per text.

    Args:
        element: "path/to/file.py:name", or the function.

    Returns:
        A `Failure` for each check that it does not pass.

    Raises:
        BadInput: there is no such function.
    """
    return _check_callable(element, "judge")


def _check_callable(element: Any, kind: Kind) -> list[Failure]:
    if isinstance(element, str):
        return failures(checks(element, kind))
    from zobench.testing.contract import Subject

    subject = Subject(kind, getattr(element, "__name__", kind), thing=element)
    return failures(contract_of(kind).checks(subject))


def contract_of(kind: str) -> Contract:
    """The contract of a kind of element."""
    if kind == "estimator":
        from zobench.testing import memory, moves, weights  # noqa: F401 - they add their checks
        from zobench.testing.estimators import contract

        return contract
    if kind == "objective":
        from zobench.testing import gradients  # noqa: F401 - it adds its checks
        from zobench.testing.objectives import contract
    elif kind == "suite":
        from zobench.testing.suites import contract
    elif kind == "environment":
        from zobench.testing.environments import contract
    else:
        from zobench.testing.judges import contract
    return contract
