"""The runs in folders of COCO or IOHprofiler data, whichever they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.read_coco import read_coco
from zobench.interchange.read_ioh import read_ioh


def read_folders(folders: Sequence[Path]) -> list[Curve]:
    """All runs below `folders`, in the order of files' names. Raises BadInput, one line.

    Where two folders hold runs of one algorithm name on the same function, dimension and instance,
    the folder's name is added to the second's.
    """
    found: list[Curve] = []
    taken: set[tuple] = set()
    for folder in folders:
        mine = read_folder(folder)
        places = {(c.algorithm, c.suite, c.function, c.name, c.dimension, c.instance) for c in mine}
        again = {place[0] for place in places & taken}
        mine = [
            replace(c, algorithm=f"{c.algorithm} ({folder.resolve().name})")
            if c.algorithm in again
            else c
            for c in mine
        ]
        twice = {c.algorithm for c in mine} & {place[0] for place in taken} if again else set()
        if twice:
            raise BadInput(f"two folders hold the same runs of {sorted(twice)[0]!r}; give one")
        taken |= {(c.algorithm, c.suite, c.function, c.name, c.dimension, c.instance) for c in mine}
        found += mine
    return found


def read_folder(folder: Path) -> list[Curve]:
    """The runs of one folder, at any depth. Raises BadInput."""
    if not folder.is_dir():
        hint = "; unpack an archive first" if folder.is_file() else ""
        raise BadInput(f"{str(folder)!r} is no folder{hint}")
    infos, files = _below(folder, "*.info"), _below(folder, "IOHprofiler*.json")
    if infos and files:
        raise BadInput(
            f"{folder} holds both COCO data ({infos[0].name}) and IOHprofiler data "
            f"({files[0].name}); give a folder with one of them"
        )
    curves = [c for p in infos for c in read_coco(p, folder)]
    curves += [c for p in files for c in read_ioh(p, folder)]
    if not curves and infos + files:
        first = infos[0] if infos else files[0]
        raise BadInput(f"no runs in {str(folder)!r}: {first.name} and the data it names hold none")
    if not curves:
        raise BadInput(
            f"no runs in {str(folder)!r}: looked for *.info (COCO) and IOHprofiler*.json files"
        )
    return curves


def _below(folder: Path, pattern: str) -> list[Path]:
    """Files at any depth. Raises BadInput at a link out of the folder, which is not followed."""
    found, home = sorted(p for p in folder.rglob(pattern) if p.is_file()), folder.resolve()
    for path in found:
        if not path.resolve().is_relative_to(home):
            raise BadInput(f"{path} is a link out of {folder}; give the folder that it leads to")
    return found
