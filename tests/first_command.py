"""Measure the first command of the README, from its start to its end, beside other checkouts.

Run as `python tests/first_command.py [--rounds N] [--cold] [FOLDER ...]`. Each round is a real
`zobench compare` in a new folder with this checkout, then with each FOLDER, another checkout.
Printed are the seconds of the wall clock and of the processor, of the command and of all its
processes. Seconds of the processor compare also while other work runs. `--cold` compiles the
kernels anew in every round, as the first call on a computer does.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
COMMAND = ("compare", "mezo", "mezo-bcd", "cma-es", "random-search")


def measure(checkout: Path, cold: bool) -> tuple[float, float, int]:
    """Return seconds of the wall clock and of the processor, and the number of lines printed."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        if cold:
            environment["NUMBA_CACHE_DIR"] = str(Path(folder) / "kernels")
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "zobench", *COMMAND],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{checkout}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent, len(done.stdout.splitlines())


def main() -> None:
    """Measure in turn, and print each round as it ends."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    for number in range(1, options.rounds + 1):
        for checkout in (HERE, *(folder.resolve() for folder in options.folders)):
            wall, spent, lines = measure(checkout, options.cold)
            print(
                f"round {number}, {checkout}: {wall:.1f} s, {spent:.1f} s of the processor, "
                f"{lines} lines",
                flush=True,
            )


if __name__ == "__main__":
    main()
