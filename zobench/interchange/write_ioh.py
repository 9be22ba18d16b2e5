"""Writer of IOHprofiler's format (ioh 0.3): JSON and data files that iohinspector loads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from zobench.interchange.curve import Curve, distinct_names, file_name
from zobench.interchange.numbering import COCO

FORMAT = "0.3.22"  # the version of ioh with this layout
LARGEST = 2**16 - 1  # readers store numbers in 16 bits


def write_ioh(
    curves: Iterable[Curve], folder: Path, suite: str, version: str
) -> tuple[list[str], int, list[str]]:
    """Write curves below a folder.

    Args:
        curves: the runs.
        folder: where to write.
        suite: the suite of functions that are not COCO's.
        version: of zobench.

    Returns:
        The names of the new folders, one per estimator; the number of runs; and notes on what is
        left out.
    """
    curves = sorted(
        curves, key=lambda c: (c.estimator, c.function, c.name, c.dimension, c.instance)
    )
    wide = {c.name: c.dimension for c in curves if c.dimension > LARGEST}
    notes = [
        f"left out {name}: {size:,} dimensions, and readers of this format count to {LARGEST:,}"
        for name, size in wide.items()
    ]
    writable = [c for c in curves if c.dimension <= LARGEST and c.instance <= LARGEST]
    if high := len(curves) - len(writable) - sum(c.dimension > LARGEST for c in curves):
        notes.append(f"left out {high} runs of instances above {LARGEST:,}")
    names = distinct_names([c.estimator for c in writable])
    for (estimator, function, name), part in groupby(
        writable, lambda c: (c.estimator, c.function, c.name)
    ):
        own = list(part)
        home, stem = folder / names[estimator], f"f{function}_{file_name(name)}"
        (home / f"data_{stem}").mkdir(parents=True, exist_ok=True)
        data: dict[str, Any] = {
            "version": FORMAT,
            "suite": own[0].suite if own[0].suite in COCO else suite,
            "function_id": function,
            "function_name": name,
            "maximization": False,
            "algorithm": {"name": estimator, "info": f"zobench {version}"},
            "attributes": ["evaluations", "raw_y"],
            "scenarios": [
                _scenario(home, stem, list(runs)) for _, runs in groupby(own, lambda c: c.dimension)
            ],
        }
        text = json.dumps(data, indent=1)
        (home / f"IOHprofiler_{stem}.json").write_text(text, encoding="utf-8")
    folders = [names[name] for name in dict.fromkeys(c.estimator for c in writable)]
    return folders, len(writable), notes


def _scenario(home: Path, stem: str, curves: list[Curve]) -> dict[str, Any]:
    path = f"data_{stem}/IOHprofiler_f{curves[0].function}_DIM{curves[0].dimension}.dat"
    (home / path).write_text("".join(map(_rows, curves)), encoding="utf-8")
    runs = [
        {
            "instance": c.instance,
            "evals": c.length,
            "best": {
                "evals": c.queries_to(float(c.gaps[-1])),
                "y": float(c.gaps[-1]),
                "x": [],
            },
        }
        for c in curves
    ]
    return {"dimension": curves[0].dimension, "path": path, "runs": runs}


def _rows(curve: Curve) -> str:
    lines = [f"{q} {g:.17g}" for q, g in zip(curve.queries.tolist(), curve.gaps.tolist())]
    return "evaluations raw_y\n" + "\n".join(lines) + "\n"
