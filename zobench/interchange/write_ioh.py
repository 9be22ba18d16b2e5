"""Writing IOHprofiler's format (ioh 0.3): JSON and data files that iohinspector loads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from zobench.interchange.curve import Curve, distinct_names, file_name
from zobench.interchange.numbering import COCO

FORMAT = "0.3.22"  # of ioh, whose layout this is
LARGEST = 2**16 - 1  # numbers that readers keep in 16 bits


def write_ioh(
    curves: Iterable[Curve], folder: Path, suite: str, version: str
) -> tuple[list[str], int, list[str]]:
    """Write `curves` below `folder`: (a folder an algorithm, runs, notes on what was left out).

    `suite`: of functions that are not COCO's.
    """
    curves = sorted(
        curves, key=lambda c: (c.algorithm, c.function, c.name, c.dimension, c.instance)
    )
    wide = {c.name: c.dimension for c in curves if c.dimension > LARGEST}
    notes = [
        f"left out {name}: {size:,} dimensions, and readers of this format count to {LARGEST:,}"
        for name, size in wide.items()
    ]
    kept = [c for c in curves if c.dimension <= LARGEST and c.instance <= LARGEST]
    if high := len(curves) - len(kept) - sum(c.dimension > LARGEST for c in curves):
        notes.append(f"left out {high} runs of instances above {LARGEST:,}")
    names = distinct_names([c.algorithm for c in kept])
    for (algorithm, function, name), part in groupby(
        kept, lambda c: (c.algorithm, c.function, c.name)
    ):
        some = list(part)
        home, stem = folder / names[algorithm], f"f{function}_{file_name(name)}"
        (home / f"data_{stem}").mkdir(parents=True, exist_ok=True)
        data: dict[str, Any] = {
            "version": FORMAT,
            "suite": some[0].suite if some[0].suite in COCO else suite,
            "function_id": function,
            "function_name": name,
            "maximization": False,
            "algorithm": {"name": algorithm, "info": f"zobench {version}"},
            "attributes": ["evaluations", "raw_y"],
            "scenarios": [
                _scenario(home, stem, list(runs))
                for _, runs in groupby(some, lambda c: c.dimension)
            ],
        }
        text = json.dumps(data, indent=1)
        (home / f"IOHprofiler_{stem}.json").write_text(text, encoding="utf-8")
    made = [names[name] for name in dict.fromkeys(c.algorithm for c in kept)]
    return made, len(kept), notes


def _scenario(home: Path, stem: str, curves: list[Curve]) -> dict[str, Any]:
    path = f"data_{stem}/IOHprofiler_f{curves[0].function}_DIM{curves[0].dimension}.dat"
    (home / path).write_text("".join(map(_rows, curves)), encoding="utf-8")
    runs = [
        {
            "instance": c.instance,
            "evals": c.length,
            "best": {
                "evals": c.reached(float(c.gaps[-1])),
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
