"""Writer of COCO's format bbob-new2: folders that cocopp post-processes.

There is one folder per estimator, whose name cocopp shows, with one .info file per function, and
per dimension a .dat file (rows where the gap falls) and a .tdat file (rows at fixed queries). Gaps
are exact. cocopp counts gaps of up to 1e-12 above a target as hits, zobench does not: see
harness/targets.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np

from zobench.interchange.curve import Curve, distinct_names, file_name
from zobench.interchange.numbering import COCO, PRECISION

HEAD = (
    "% f evaluations | g evaluations | best noise-free fitness - Fopt (0) + sum g_i+ "
    "| measured fitness | best measured fitness or single-digit g-values | x1 | x2...\n"
)
DIMENSIONS = (2, 3, 5, 10, 20, 40)  # of cocopp's report on bbob
LARGE = (20, 40, 80, 160, 320, 640)


def write_coco(curves: Iterable[Curve], folder: Path, version: str) -> list[str]:
    """Write curves below a folder. Return the names of the new folders, one per estimator."""
    curves = sorted(curves, key=lambda c: (c.estimator, c.function, c.dimension))
    names = distinct_names([c.estimator for c in curves])
    for (estimator, function), part in groupby(curves, lambda c: (c.estimator, c.function)):
        home = folder / names[estimator]
        (home / f"data_f{function}").mkdir(parents=True, exist_ok=True)
        blocks = [
            _block(home, names[estimator], list(curves_of_dimension), version)
            for _, curves_of_dimension in groupby(part, lambda c: c.dimension)
        ]
        (home / f"bbobexp_f{function}.info").write_text("".join(blocks), encoding="utf-8")
    return [names[name] for name in dict.fromkeys(c.estimator for c in curves)]


def in_the_report(curve: Curve) -> bool:
    """Return True if cocopp's report has the function in that dimension; cocopp.load reads any."""
    sizes = LARGE if curve.suite == "bbob-largescale" else DIMENSIONS
    return curve.dimension in sizes and 1 <= curve.function <= 24


def _block(home: Path, algorithm: str, curves: list[Curve], version: str) -> str:
    """Write the data files of a function in one dimension. Return their block of the .info file."""
    one = curves[0]
    is_coco = one.suite in COCO
    suite = one.suite if is_coco else COCO[0]  # cocopp needs one; the comment has the real name
    stem = f"data_f{one.function}/bbobexp_f{one.function}_DIM{one.dimension}"
    curves = sorted(curves, key=lambda c: c.instance)
    (home / f"{stem}.dat").write_text("".join(map(_falls, curves)), encoding="utf-8")
    (home / f"{stem}.tdat").write_text("".join(map(_grid, curves)), encoding="utf-8")
    runs = ", ".join(f"{c.instance}:{c.length}|{c.gaps[-1]:.1e}" for c in curves)
    return (
        f"suite = '{suite}', funcId = {one.function}, DIM = {one.dimension}, "
        f"Precision = {PRECISION:.3e}, algId = '{algorithm}', logger = 'bbob', "
        f"data_format = 'bbob-new2'\n"
        f"% zobench {version}{'' if is_coco else f', problem {file_name(one.name)}'}\n"
        f"{stem}.dat, {runs}\n"
    )


def _falls(curve: Curve) -> str:
    return _rows(curve.queries, curve.gaps)


def _grid(curve: Curve) -> str:
    """Return rows at 10^(k/20) and d {1, 2, 5} 10^j queries, and at the last one."""
    top = curve.length
    ends = np.arange(int(20 * np.log10(top)) + 2)
    grid = np.concatenate([
        np.floor(10 ** (ends / 20)),
        *(curve.dimension * step * 10.0 ** np.arange(int(np.log10(top)) + 1) for step in (1, 2, 5)),
        [1, top],
    ])  # fmt: skip
    queries = np.unique(grid[grid <= top].astype(np.int64))
    return _rows(queries, curve.gaps_at(queries))


def _rows(queries: np.ndarray, gaps: np.ndarray) -> str:
    lines = [f"{q} 0 {g:+.16e} {g:+.9e} {g:+.9e}" for q, g in zip(queries, gaps)]
    return HEAD + "\n".join(lines) + "\n"
