"""What a contract is made of: checks by name, what they are called on, and how they fail."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import SkipTest

from zobench.errors import MissingPackage, said_by
from zobench.registry import Entry
from zobench.user_file import file_of


class Breach(AssertionError):  # noqa: N818 - a fact about an element, not a fault of the code
    """An element breaks its contract. The text says what it does, and how to mend it."""


class NotApplicable(SkipTest):
    """A check that says nothing about this element, with the reason. pytest shows it as skipped."""


@dataclass(frozen=True)
class Failure:
    """A check that an element does not pass.

    Attributes:
        element: the element as it was typed, such as "bad.py:bad".
        check: the name of the check, such as "generators".
        reason: what the element does, and the mend.
    """

    element: str
    check: str
    reason: str

    def __str__(self) -> str:
        return f"{self.element} {self.reason}"


@dataclass
class Subject:
    """What a contract is checked on.

    `entry` is that of an estimator or an objective. `thing` is what else a contract needs: the
    environment's class or factory, the judge's function, the suite's name or path.
    """

    kind: str
    name: str  # as it was typed
    entry: Entry | None = None
    thing: Any = None
    _passed: dict[str, bool] = field(default_factory=dict, repr=False)  # of checks that were made

    def __str__(self) -> str:
        path, _, inner = self.name.rpartition(":")
        return f"{Path(path).name}:{inner}" if file_of(self.name) else self.name

    @property
    def file(self) -> str:
        """The file that the element comes from; "" where it is registered."""
        return file_of(self.name)


Test = Callable[[Any], None]  # what a check calls, on the subject; raises Breach or NotApplicable


@dataclass(frozen=True)
class Check:
    """One check of one element. Call it: it returns, or raises Breach or NotApplicable."""

    subject: Subject
    name: str
    test: Test
    after: tuple[Check, ...] = ()  # checks without which this one says nothing

    @property
    def about(self) -> str:
        """What the check asks, in a sentence."""
        return (self.test.__doc__ or "").partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        """Check it.

        Raises:
            Breach: an AssertionError, whose text is one sentence with the mend.
            NotApplicable: an unittest.SkipTest, whose text is the reason.
        """
        __tracebackhide__ = True
        for other in self.after:
            if not other.passes:
                raise NotApplicable(f"waits for {other.name!r}, which is not passed")
        passed = self.subject._passed
        passed[self.name] = False
        try:
            _run(self.test, self.subject)
        except NotApplicable:
            passed[self.name] = True
            raise
        passed[self.name] = True

    @property
    def passes(self) -> bool:
        """Whether the check passes, or says nothing about this element. It is made once."""
        if self.name not in self.subject._passed:
            with suppress(Breach, NotApplicable):
                self()
        return self.subject._passed.get(self.name, False)

    def failure(self) -> Failure | None:
        """The failure, None where the check passes or does not apply."""
        try:
            self()
        except NotApplicable:
            return None
        except Breach as breach:
            reason = str(breach).removeprefix(f"{self.subject} ")
            return Failure(str(self.subject), self.name, reason)
        return None


class Contract:
    """The checks of one kind of element, in the order in which they are shown."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.tests: dict[str, tuple[Test, tuple[str, ...]]] = {}

    def check(self, name: str, *after: str) -> Callable[[Test], Test]:
        """Add a test under a name.

        Args:
            name: what is shown of it.
            after: names of checks without which this one says nothing; the first of the contract
                is always one of them.
        """

        def add(test: Test) -> Test:
            assert name not in self.tests, name
            first = tuple(self.tests)[:1]
            self.tests[name] = test, (*first, *after)
            return test

        return add

    def checks(self, subject: Subject) -> list[Check]:
        """All checks of an element."""
        made: dict[str, Check] = {}
        for name, (test, after) in self.tests.items():
            made[name] = Check(subject, name, test, tuple(made[other] for other in after))
        return list(made.values())


def failures(checks: list[Check]) -> list[Failure]:
    """The failures among checks."""
    return [failure for check in checks if (failure := check.failure())]


def _run(test: Test, subject: Subject) -> None:
    """The test, whose sentence begins with the element; what an element raises is a breach too."""
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


def raised(error: BaseException, subject: Subject) -> str:
    """The sentence for an exception that the element's code raises."""
    said = " ".join(said_by(error).split())
    return f"raises {type(error).__name__}: {said or 'no text'}{_place(error, subject)}"


def _place(error: BaseException, subject: Subject) -> str:
    """Where in the element's file an exception was raised."""
    if not subject.file:
        return ""
    name = Path(subject.file).name
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__)
             if Path(f.filename).name == name]  # fmt: skip
    return f" ({name} line {lines[-1]})" if lines else ""


@contextmanager
def global_generators(mend: str) -> Iterator[None]:
    """Raises Breach where what is done inside draws from a generator of the whole process."""
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
