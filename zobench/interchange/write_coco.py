"""Writing COCO's format bbob-new2: folders that cocopp post-processes.

A folder an estimator, whose name cocopp shows; in it an .info file a function, and for each
dimension a .dat file (rows where the gap falls) and a .tdat file (rows at fixed queries).
Gaps are written to the last bit. cocopp counts those up to 1e-12 above a target as hits, zobench
does not: see harness/targets.py.
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
DIMENSIONS = (2, 3, 5, 10, 20, 40)  # that cocopp's report on bbob knows
LARGE = (20, 40, 80, 160, 320, 640)


def write_coco(curves: Iterable[Curve], folder: Path, version: str) -> list[str]:
    """Write `curves` below `folder`; the names of the folders made, one an algorithm."""
    curves = sorted(curves, key=lambda c: (c.algorithm, c.function, c.dimension))
    names = distinct_names([c.algorithm for c in curves])
    for (algorithm, function), part in groupby(curves, lambda c: (c.algorithm, c.function)):
        home = folder / names[algorithm]
        (home / f"data_f{function}").mkdir(parents=True, exist_ok=True)
        blocks = [
            _block(home, names[algorithm], list(some), version)
            for _, some in groupby(part, lambda c: c.dimension)
        ]
        (home / f"bbobexp_f{function}.info").write_text("".join(blocks), encoding="utf-8")
    return [names[name] for name in dict.fromkeys(c.algorithm for c in curves)]


def in_the_report(curve: Curve) -> bool:
    """Does cocopp's report know the function in that dimension? cocopp.load reads any."""
    known = LARGE if curve.suite == "bbob-largescale" else DIMENSIONS
    return curve.dimension in known and 1 <= curve.function <= 24


def _block(home: Path, algorithm: str, curves: list[Curve], version: str) -> str:
    """Write the data files of a function in one dimension; their block of the .info file."""
    one = curves[0]
    own = one.suite in COCO
    suite = one.suite if own else COCO[0]  # a name that cocopp knows; the comment says so
    stem = f"data_f{one.function}/bbobexp_f{one.function}_DIM{one.dimension}"
    curves = sorted(curves, key=lambda c: c.instance)
    (home / f"{stem}.dat").write_text("".join(map(_falls, curves)), encoding="utf-8")
    (home / f"{stem}.tdat").write_text("".join(map(_grid, curves)), encoding="utf-8")
    runs = ", ".join(f"{c.instance}:{c.length}|{c.gaps[-1]:.1e}" for c in curves)
    return (
        f"suite = '{suite}', funcId = {one.function}, DIM = {one.dimension}, "
        f"Precision = {PRECISION:.3e}, algId = '{algorithm}', logger = 'bbob', "
        f"data_format = 'bbob-new2'\n"
        f"% zobench {version}{'' if own else f', problem {file_name(one.name)}'}\n"
        f"{stem}.dat, {runs}\n"
    )


def _falls(curve: Curve) -> str:
    return _rows(curve.queries, curve.gaps)


def _grid(curve: Curve) -> str:
    """Rows at 10^(k/20) and d {1, 2, 5} 10^j queries, and at the last."""
    top = curve.length
    ends = np.arange(int(20 * np.log10(top)) + 2)
    grid = np.concatenate([
        np.floor(10 ** (ends / 20)),
        *(curve.dimension * step * 10.0 ** np.arange(int(np.log10(top)) + 1) for step in (1, 2, 5)),
        [1, top],
    ])  # fmt: skip
    queries = np.unique(grid[grid <= top].astype(np.int64))
    return _rows(queries, curve.at(queries))


def _rows(queries: np.ndarray, gaps: np.ndarray) -> str:
    lines = [f"{q} 0 {g:+.16e} {g:+.9e} {g:+.9e}" for q, g in zip(queries, gaps)]
    return HEAD + "\n".join(lines) + "\n"
