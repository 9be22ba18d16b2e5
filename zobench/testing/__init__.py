"""Check that an element of your own keeps its contract, as `zobench check` does.

An element is an estimator, an objective, a suite, an environment or a judge of prompts. Its
contract is a list of checks, the same ones that zobench's own elements pass. Each check tests one
property, such as "equal seeds give equal traces", and a failure is one sentence with the fix:

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
  (paper, space, sanity); queries per step as stated; the budget is respected; a sphere is solved
  with the settings in `sanity`; equal seeds give equal traces; global random generators are not
  used; rows and tensors give the same points; a step that fails moves nothing; moves lie in the
  span of the probes; directions are frozen; weights of 16 bits; saved, resumed, recorded and
  replayed by `zobench.ZerothOrder`; no more memory than stated.
- objective: start, losses and scores are finite, repeat and leave the point unchanged; one call is
  one draw; a probe's loss does not depend on the other probes; meters; no point below the minimum;
  losses and scores agree; the gradient, if there is one; description and groups.
- suite: the file is read, its problems are built, and runs start above the hardest target.
- environment: spaces, reset and step as gymnasium defines them; episodes repeat and do not depend
  on earlier ones; a policy can be searched on it.
- judge: one row of finite scores per text, equal when repeated, in any order, and for one text
  alone.

Sizes come from the entry: an estimator for at most 20 coordinates states `max_dim=20`, and is
checked on at most 20. The checks use the settings in `sanity` instead of the defaults, and
settings that follow the name, as in "my.py:mine:lr=0.1,n=4", instead of both. These functions run
the checks in this process; `zobench check` runs them in another one, with a time limit.
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
    """List the checks of an element, one per property that its contract requires.

    Args:
        element: a registered name, "path/to/file.py:name", a suite's name or .toml file, or an
            entry of a registry. Settings may follow the name of an estimator or an objective, as
            in "mezo:lr=0.1".
        kind: "estimator", "objective", "suite", "environment" or "judge". By default it follows
            from the element: a registered name, a class with `reset` and `step` (an environment),
            a function of one parameter (a judge), or the type that the class or function returns.

    Returns:
        The checks, in a fixed order. `str(check)` is the check's name. `check()` returns None if
        the element passes; it raises `Breach` (an AssertionError) with the sentence if it fails,
        and `NotApplicable` (a unittest.SkipTest) if the check does not apply.

    Raises:
        BadInput: if there is no such element, or its file cannot be loaded.

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
        One `Failure` per check that it does not pass.

    Raises:
        BadInput: if there is no such estimator.
    """
    return failures(checks(element, "estimator"))


def check_objective(element: str | Entry) -> list[Failure]:
    """Check an objective.

    Args:
        element: a registered name, "path/to/file.py:name", or an entry.

    Returns:
        One `Failure` per check that it does not pass.

    Raises:
        BadInput: if there is no such objective.

    Example:
        >>> from zobench.testing import check_objective
        >>> check_objective("sphere")
        []
    """
    return failures(checks(element, "objective"))


def check_suite(element: str) -> list[Failure]:
    """Check a suite.

    Args:
        element: the name of a suite that ships with zobench, or the path of a .toml file.

    Returns:
        One `Failure` per check that it does not pass. A file that cannot be read is one of them.

    Example:
        >>> from zobench.testing import check_suite
        >>> [failure.check for failure in check_suite("no-such-suite")]
        ['reads']
    """
    return failures(checks(element, "suite"))


def check_environment(element: str | Callable[..., gymnasium.Env]) -> list[Failure]:
    """Check an environment.

    Args:
        element: "path/to/file.py:name", or the class or function that makes an environment.

    Returns:
        One `Failure` per check that it does not pass.

    Raises:
        BadInput: if there is no such class or function.
    """
    return _check_callable(element, "environment")


def check_judge(element: str | Callable[..., Any]) -> list[Failure]:
    """Check a judge: a function from texts to one row of scores per text.

    Args:
        element: "path/to/file.py:name", or the function.

    Returns:
        One `Failure` per check that it does not pass.

    Raises:
        BadInput: if there is no such function.

    Example:
        >>> from zobench.testing import check_judge
        >>> def judge(texts):
        ...     '''Score "bad" and "good" by whether a text holds the word "good".'''
        ...     return [[0.0, 1.0 if "good" in text else -1.0] for text in texts]
        >>> check_judge(judge)
        []
    """
    return _check_callable(element, "judge")


def _check_callable(element: Any, kind: Kind) -> list[Failure]:
    if isinstance(element, str):
        return failures(checks(element, kind))
    from zobench.testing.contract import CheckSubject

    subject = CheckSubject(kind, getattr(element, "__name__", kind), thing=element)
    return failures(contract_of(kind).checks(subject))


def contract_of(kind: str) -> Contract:
    """Find the contract of a kind of element.

    Args:
        kind: "estimator", "objective", "suite", "environment" or "judge".

    Returns:
        The contract, with all of its checks.
    """
    if kind == "estimator":
        from zobench.testing import memory, moves, weights  # noqa: F401 - these add checks
        from zobench.testing.estimators import contract

        return contract
    if kind == "objective":
        from zobench.testing import gradients  # noqa: F401 - this adds checks
        from zobench.testing.objectives import contract
    elif kind == "suite":
        from zobench.testing.suites import contract
    elif kind == "environment":
        from zobench.testing.environments import contract
    else:
        from zobench.testing.judges import contract
    return contract
