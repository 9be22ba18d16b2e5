"""Another checkout of zobench, measured in turn with this one: a round here, then a round there.

Both run on the same machine at the same time of day, and never at once. The other checkout is used
through its own measurements, so that it may be of an earlier release.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from zobench.bench.timing import Sample
from zobench.errors import BadInput

T = TypeVar("T")

# Each part of a measurement ends with a line of samples, and begins when a line is read.
_COMMON = """
import json, sys
request = json.loads(sys.stdin.readline())
def part(samples):
    print("zobench", json.dumps(samples), flush=True)
    sys.stdin.readline()
"""
STEP = (
    _COMMON
    + """
import torch
from zobench.bench.step import measure
from zobench.bench.subject import Setup
torch.set_num_threads(request["threads"])
for _, costs, *_ in measure(Setup(**request["setup"]), request["repeats"], request["names"]):
    part({name: cost.seconds.values for name, cost in costs.items()})
"""
)
OVERHEAD = (
    _COMMON
    + """
from zobench.bench.overhead import bbob, cheap
first, count = [], request["bbob_repeats"]
for _, rows in cheap(request["repeats"], request["queries"]):
    first = rows
    part({f"{row.group}: {row.name}": row.seconds.values for row in rows})
for _, rows in bbob(count) if count else ():
    part({f"{row.group}: {row.name}": row.seconds.values for row in [*first, *rows]})
"""
)


class Checkout:
    """A process that measures with another checkout, part by part."""

    def __init__(self, folder: Path, code: str, request: Mapping[str, Any]) -> None:
        """Start the process, which waits for the first part.

        Args:
            folder: the root of the checkout.
            code: STEP or OVERHEAD.
            request: what to measure.

        Raises:
            BadInput: there is no zobench in the folder.
        """
        if not (folder / "zobench" / "bench").is_dir():
            raise BadInput(f"{folder} is not a checkout of zobench: it has no folder zobench/bench")
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(folder.resolve())},
            cwd=folder,
            text=True,
        )
        self._line = json.dumps(request)  # the first one that it reads

    def part(self) -> dict[str, Sample]:
        """Measure the next part, and return all samples so far, by name."""
        self._send(self._line)
        self._line = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, _, values = line.partition(" ")
            if word == "zobench":
                return {name: Sample(tuple(v)) for name, v in json.loads(values).items()}
        raise BadInput(
            f"the checkout {self.folder} ended with status {self.process.wait()} before it was "
            "measured; its error is above"
        )

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        with suppress(BrokenPipeError):
            self.process.communicate()  # which closes the pipes

    def _send(self, line: str) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # `part` says how it ended
            print(line, file=self.process.stdin, flush=True)


def in_turn(ours: Iterable[T], other: Checkout) -> Iterator[tuple[T, dict[str, Sample]]]:
    """Yield each part of a measurement here with the samples so far of the other checkout."""
    try:
        for part in ours:
            yield part, other.part()
    finally:
        other.close()
