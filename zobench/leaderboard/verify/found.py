"""What is known of a row of a leaderboard after its form was checked."""

from __future__ import annotations

from dataclasses import dataclass

from zobench.harness.suite import ProblemSpec, Suite

FITS, UNCHECKED, REFUSED = "fits", "unchecked", "refused"


@dataclass
class Found:
    """What is known of a row. `said`: why it is refused or unchecked, or what to know of it."""

    row: int
    cells: dict[str, str]
    status: str = FITS
    said: str = ""
    problems: tuple[ProblemSpec, ...] = ()  # of the suite, that the row is about
    suite: Suite | None = None

    @property
    def name(self) -> str:
        """What the row is about, in words."""
        cells = self.cells
        if not cells:
            return "cannot be read"
        return f"{cells['method']}, d={cells['dimension']}, {cells['group'] or 'no group'}"
