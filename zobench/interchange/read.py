"""The runs in folders of COCO or IOHprofiler data, whichever they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.listed import Left
from zobench.interchange.numbering import COCO, may_be_bbob
from zobench.interchange.read_coco import read_coco
from zobench.interchange.read_ioh import read_ioh


def read_folders(folders: Sequence[Path], suite: str = "") -> tuple[list[Curve], list[str]]:
    """(all runs below `folders`, in the order of files' names; notes on what cannot be read).

    `suite`: the one that the user names; functions that may be BBOB's are only then taken as such.
    Where two folders hold runs of one algorithm name on the same function, dimension and instance,
    the folder's name is added to the second's. Raises BadInput, one line, where a folder holds no
    run that can be read.
    """
    found: list[Curve] = []
    notes: list[str] = []
    taken: set[tuple] = set()
    for folder in folders:
        mine, said = read_folder(folder)
        notes += said
        open_ones = [may_be_bbob(c.suite, c.function, c.name) for c in mine]
        if any(open_ones):
            notes.append(f"{folder}: {_what_ioh_leaves_open(suite)}")
        if suite:
            mine = [
                replace(c, suite=COCO[0], name=f"f{c.function}") if is_open else c
                for c, is_open in zip(mine, open_ones)
            ]
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
    return found, notes


def read_folder(folder: Path) -> tuple[list[Curve], list[str]]:
    """(the runs of one folder, at any depth; notes on what cannot be read). Raises BadInput."""
    if not folder.is_dir():
        hint = "; unpack an archive first" if folder.is_file() else ""
        raise BadInput(f"{str(folder)!r} is not a folder{hint}")
    infos, files = _below(folder, "*.info"), _below(folder, "IOHprofiler*.json")
    if infos and files:
        raise BadInput(
            f"{folder} holds both COCO data ({infos[0].name}) and IOHprofiler data "
            f"({files[0].name}); give a folder with one of them"
        )
    left, curves = Left(), []
    for path in infos or files:
        try:
            curves += (read_coco if infos else read_ioh)(path, folder, left)
        except BadInput as error:
            left.fault(error)
    if not curves:
        nothing = (
            f"{(infos or files)[0].name} and the data it names hold none"
            if infos or files
            else "looked for *.info (COCO) and IOHprofiler*.json files"
        )
        raise BadInput(left.why() or f"no runs in {str(folder)!r}: {nothing}")
    return curves, left.notes()


def _what_ioh_leaves_open(suite: str) -> str:
    taken = (
        f"taken as functions of BBOB, as --suite {suite} says"
        if suite
        else "not taken as functions of BBOB; if they are, say so with --suite bbob"
    )
    return f"{taken} (ioh gives the other functions of SBOX the same names, and no suite)"


def _below(folder: Path, pattern: str) -> list[Path]:
    """Files at any depth. Raises BadInput at a link out of the folder, which is not followed."""
    found, home = sorted(p for p in folder.rglob(pattern) if p.is_file()), folder.resolve()
    for path in found:
        if not path.resolve().is_relative_to(home):
            raise BadInput(f"{path} is a link out of {folder}; give the folder that it leads to")
    return found
