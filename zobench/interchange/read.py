"""Reader of folders of COCO or IOHprofiler data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.listed import Omissions
from zobench.interchange.numbering import COCO, may_be_bbob
from zobench.interchange.read_coco import read_coco
from zobench.interchange.read_ioh import read_ioh


def read_folders(folders: Sequence[Path], suite: str = "") -> tuple[list[Curve], list[str]]:
    """Read all runs below folders.

    If two folders have runs of one estimator's name on the same function, dimension and instance,
    the name of the second gets the folder's name added.

    Args:
        folders: the folders.
        suite: the one that the user names; only then functions that may be BBOB's count as such.

    Returns:
        The runs, in the order of the files' names; and notes on what cannot be read.

    Raises:
        BadInput: a folder has no run that can be read.
    """
    curves: list[Curve] = []
    notes: list[str] = []
    cases: set[tuple] = set()  # of the folders before
    for folder in folders:
        own, own_notes = read_folder(folder)
        notes += own_notes
        may_be = [may_be_bbob(c.suite, c.function, c.name) for c in own]
        if any(may_be):
            notes.append(f"{folder}: {_bbob_note(suite)}")
        if suite:
            own = [
                replace(c, suite=COCO[0], name=f"f{c.function}") if is_bbob else c
                for c, is_bbob in zip(own, may_be)
            ]
        doubles = {case[0] for case in {(*c.case, c.instance) for c in own} & cases}
        own = [
            replace(c, estimator=f"{c.estimator} ({folder.resolve().name})")
            if c.estimator in doubles
            else c
            for c in own
        ]
        twice = {c.estimator for c in own} & {case[0] for case in cases} if doubles else set()
        if twice:
            raise BadInput(f"two folders hold the same runs of {sorted(twice)[0]!r}; give one")
        cases |= {(*c.case, c.instance) for c in own}
        curves += own
    return curves, notes


def read_folder(folder: Path) -> tuple[list[Curve], list[str]]:
    """Read the runs of one folder, at any depth, with notes as in `read_folders`.

    Raises:
        BadInput: the folder has no run that can be read, or data of two formats.
    """
    if not folder.is_dir():
        hint = "; unpack an archive first" if folder.is_file() else ""
        raise BadInput(f"{str(folder)!r} is not a folder{hint}")
    infos, files = _below(folder, "*.info"), _below(folder, "IOHprofiler*.json")
    if infos and files:
        raise BadInput(
            f"{folder} holds both COCO data ({infos[0].name}) and IOHprofiler data "
            f"({files[0].name}); give a folder with one of them"
        )
    omissions, curves = Omissions(), []
    for path in infos or files:
        try:
            curves += (read_coco if infos else read_ioh)(path, folder, omissions)
        except BadInput as error:
            omissions.fault(error)
    if not curves:
        fault = (
            f"{(infos or files)[0].name} and the data it names hold none"
            if infos or files
            else "looked for *.info (COCO) and IOHprofiler*.json files"
        )
        raise BadInput(omissions.first_reason() or f"no runs in {str(folder)!r}: {fault}")
    return curves, omissions.notes()


def _bbob_note(suite: str) -> str:
    source = (
        f"taken as functions of BBOB, as --suite {suite} says"
        if suite
        else "not taken as functions of BBOB; if they are, say so with --suite bbob"
    )
    return f"{source} (ioh gives the other functions of SBOX the same names, and no suite)"


def _below(folder: Path, pattern: str) -> list[Path]:
    """Return files at any depth. Raises BadInput at a link out of the folder."""
    paths, home = sorted(p for p in folder.rglob(pattern) if p.is_file()), folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(home):
            raise BadInput(f"{path} is a link out of {folder}; give the folder that it leads to")
    return paths
