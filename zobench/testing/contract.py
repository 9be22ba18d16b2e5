"""The parts of a contract: named checks, the element that they are run on, and failures."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import SkipTest

from zobench.errors import MissingPackage, error_text
from zobench.registry import Entry
from zobench.user_file import file_of


class Breach(AssertionError):  # noqa: N818 - a fact about an element, not an error in the check
    """An element breaks its contract. The text says what the element does, and how to fix it."""


class NotApplicable(SkipTest):
    """A check does not apply to this element. The text is the reason; pytest shows a skip."""


@dataclass(frozen=True)
class Failure:
    """A check that an element does not pass.

    Attributes:
        element: the element as the user typed it, such as "bad.py:bad".
        check: the name of the check, such as "generators".
        reason: what the element does, and how to fix it.
    """

    element: str
    check: str
    reason: str

    def __str__(self) -> str:
        return f"{self.element} {self.reason}"


@dataclass
class CheckSubject:
    """The element that a contract is checked on.

    An estimator or an objective has an `entry`. The other kinds have a `thing`: the environment's
    class or factory, the judge's function, or the suite's name or path.
    """

    kind: str
    name: str  # as the user typed it, without settings
    entry: Entry | None = None
    thing: Any = None
    settings: str = ""  # as the user typed them, such as "lr=0.1,n=4"
    _passed: dict[str, bool] = field(default_factory=dict, repr=False)  # by the name of the check

    def __str__(self) -> str:
        path, _, inner = self.name.rpartition(":")
        title = f"{Path(path).name}:{inner}" if file_of(self.name) else self.name
        return f"{title}:{self.settings}" if self.settings else title

    @property
    def file(self) -> str:
        """The file that the element comes from; "" for a registered element."""
        return file_of(self.name)


Test = Callable[[Any], None]  # takes the subject; raises Breach or NotApplicable


@dataclass(frozen=True)
class Check:
    """One check of one element.

    Attributes:
        subject: the element.
        name: the name of the check, such as "generators".
        test: the function that runs the check on the subject.
        after: the checks that must pass before this one makes sense.
    """

    subject: CheckSubject
    name: str
    test: Test
    after: tuple[Check, ...] = ()

    @property
    def about(self) -> str:
        """The property that the check tests, in one sentence."""
        return (self.test.__doc__ or "").partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        """Run the check.

        Raises:
            Breach: an AssertionError, whose text is one sentence with the fix.
            NotApplicable: a unittest.SkipTest, whose text is the reason.
        """
        __tracebackhide__ = True
        for other in self.after:
            if not other.passes:
                raise NotApplicable(f"needs that {other.name!r} passes first")
        results = self.subject._passed
        results[self.name] = False
        try:
            _run(self.test, self.subject)
        except NotApplicable:
            results[self.name] = True
            raise
        results[self.name] = True

    @property
    def passes(self) -> bool:
        """True if the check passes or does not apply. The check runs at most once."""
        if self.name not in self.subject._passed:
            with suppress(Breach, NotApplicable):
                self()
        return self.subject._passed.get(self.name, False)

    def failure(self) -> Failure | None:
        """Run the check and return its failure.

        Returns:
            The failure; None if the element passes, or if the check does not apply to it.
        """
        try:
            self()
        except NotApplicable:
            return None
        except Breach as breach:
            reason = str(breach).removeprefix(f"{self.subject} ")
            return Failure(str(self.subject), self.name, reason)
        return None


class Contract:
    """The checks of one kind of element, in the order in which they run."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.tests: dict[str, tuple[Test, tuple[str, ...]]] = {}

    def check(self, name: str, *after: str) -> Callable[[Test], Test]:
        """Return a decorator that adds a test function to the contract.

        Args:
            name: the name of the check.
            after: names of the checks that must pass before this one makes sense. The first check
                of the contract is always one of them.
        """

        def add(test: Test) -> Test:
            assert name not in self.tests, name
            first = tuple(self.tests)[:1]
            self.tests[name] = test, (*first, *after)
            return test

        return add

    def checks(self, subject: CheckSubject) -> list[Check]:
        """Return all checks of an element."""
        by_name: dict[str, Check] = {}
        for name, (test, after) in self.tests.items():
            by_name[name] = Check(subject, name, test, tuple(by_name[other] for other in after))
        return list(by_name.values())


def failures(checks: list[Check]) -> list[Failure]:
    """Run the checks and return their failures."""
    return [failure for check in checks if (failure := check.failure())]


def _run(test: Test, subject: CheckSubject) -> None:
    """Run a test. Breaches begin with the element's name; other exceptions become breaches."""
    __tracebackhide__ = True
    try:
        test(subject)
    except NotApplicable:
        raise
    except Breach as breach:
        raise Breach(f"{subject} {breach}") from breach.__cause__
    except MissingPackage as error:
        raise NotApplicable(f"{error.args[0]} is not installed") from error
    except (Exception, SystemExit) as error:
        raise Breach(f"{subject} {raised(error, subject)}") from error


def raised(error: BaseException, subject: CheckSubject) -> str:
    """Return the sentence for an exception that the element's code raises."""
    text = " ".join(error_text(error).split())
    return f"raises {type(error).__name__}: {text or 'no text'}{_line_of(error, subject)}"


def _line_of(error: BaseException, subject: CheckSubject) -> str:
    """Return the line of the element's file that raised an exception, in brackets."""
    if not subject.file:
        return ""
    name = Path(subject.file).name
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__)
             if Path(f.filename).name == name]  # fmt: skip
    return f" ({name} line {lines[-1]})" if lines else ""


@contextmanager
def global_generators(mend: str) -> Iterator[None]:
    """Raise Breach if the body of the with statement draws from a global random generator."""
    import random

    import numpy as np
    import torch

    def states() -> dict[str, Any]:
        kind, key, *rest = np.random.get_state()  # noqa: NPY002
        return {
            "numpy's": (kind, np.asarray(key).tobytes(), *rest),
            "Python's": random.getstate(),
            "torch's": torch.random.get_rng_state().numpy().tobytes(),
        }

    before = states()
    yield
    changed = [owner for owner, state in states().items() if state != before[owner]]
    if changed:
        raise Breach(f"draws from {' and '.join(changed)} global generator: {mend}")
