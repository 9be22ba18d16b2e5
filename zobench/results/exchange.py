"""`zobench export --format` and `zobench import`: results from and to other tools' files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import zobench
from zobench.errors import BadInput, unknown
from zobench.harness.suite import ProblemSpec
from zobench.harness.suite_file import load, suite_files
from zobench.interchange.curve import Curve
from zobench.interchange.numbering import COUNTED
from zobench.registry import objectives
from zobench.results.results import Results
from zobench.results.stored import stored
from zobench.results.versions import differing

FORMATS = ("coco", "ioh", "parquet", "csv")


@dataclass(frozen=True)
class Written:
    """Where to, what, and what was left out or is to be known."""

    folder: Path
    made: list[str]  # folders or files in `folder`
    runs: int
    notes: list[str]


def export_as(format: str, suite_name: str, folder: Path | None, out: Path | None) -> Written:
    """Write the results in `folder` (default: results/SUITE) as `format` into the folder `out`.

    `suite_name`: whose results, "" for the folder's only suite, or quick without a folder. Default
    of `out`: FOLDER/export-FORMAT. Nothing is overwritten. Raises BadInput.
    """
    if format not in FORMATS:
        raise unknown("format", format, (*FORMATS, "leaderboard"))
    results = stored(folder, suite_name)
    out = out or results.folder / f"export-{format}"
    homes = [out, *([_others(out)] if format == "coco" else [])]
    for home in homes:
        if home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise BadInput(f"{home} exists; choose another folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        try:
            return _write(format, results, out)
        except BaseException:  # a part of it would pass for the whole
            for home in homes:
                shutil.rmtree(home, ignore_errors=True)
            raise
    except OSError as error:
        raise BadInput(f"cannot write to {str(out)!r}: {error.strerror}") from error


def _write(format: str, results: Results, out: Path) -> Written:
    if format in ("csv", "parquet"):
        from zobench.interchange.write_tables import write_csv, write_parquet

        made = (write_csv if format == "csv" else write_parquet)(vars(results.frames), out)
        return Written(out, made, len(results.runs), differing(results))
    from zobench.interchange.curves import curves_of
    from zobench.interchange.numbering import function_numbers

    curves, notes = curves_of(results.specs, **vars(results.frames))
    notes += differing(results)
    if not curves:
        raise BadInput(f"{results.folder} holds no run that made a query")
    if format == "coco":
        made, count = _write_coco(curves, out, notes), len(curves)
    else:
        from zobench.interchange.write_ioh import write_ioh

        suite = results.specs[0].suite
        made, count, more = write_ioh(curves, out, suite, zobench.__version__)
        notes += more
    problems = {spec.problem.id: spec.problem for spec in results.specs}
    numbers = {
        name: {"function": n.function, "offset": n.offset}
        | ({} if n.suite == COUNTED else {"suite": n.suite})
        for name, n in function_numbers(problems.values()).items()
    }
    said = {"suite": results.specs[0].suite, "zobench": zobench.__version__, "problems": numbers}
    (out / "problems.txt").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    if any(n["offset"] for n in numbers.values()):
        notes.append("gaps are scores less an offset where targets are not above 0: problems.txt")
    return Written(out, made, count, notes)


def _write_coco(curves: list[Curve], out: Path, notes: list[str]) -> list[str]:
    """Write folders below `out`, and what COCO's report does not know beside it; their names.

    The report stops at the first function or dimension that is not of its own suites.
    """
    from zobench.interchange.write_coco import in_the_report, write_coco

    shown = [c for c in curves if in_the_report(c)]
    others = [c for c in curves if not in_the_report(c)] if shown else []
    made = write_coco(shown or curves, out, zobench.__version__)
    if any(c.suite == COUNTED for c in shown):
        notes.append("cocopp titles functions by their numbers, as BBOB's: see problems.txt")
    if others:
        write_coco(others, _others(out), zobench.__version__)
    if others or not shown:
        where, c = _others(out) if others else out, (others or curves)[0]
        notes.append(
            f"{where}/ is for cocopp.load: the report of python -m cocopp knows BBOB's functions 1 "
            f"to 24 in its own dimensions, and not function {c.function} in {c.dimension:,} "
            f"dimensions ({c.name})"
        )
    return made


def _others(out: Path) -> Path:
    """Where a COCO export has what python -m cocopp FOLDER/* would stop at."""
    named = out if out.name.strip(".") else out.resolve()
    return named.with_name(f"{named.name}-others")


def _judged_by(problem: ProblemSpec) -> str:
    """Which point is judged, "current" or "best"; where the suite is silent, the objective says."""
    if problem.scored:
        return problem.scored
    try:
        return objectives[problem.objective].build(problem.settings).scored
    except BadInput:  # it cannot be built here, and so not be compared with
        return "best"


@dataclass(frozen=True)
class Read:
    """What an import made."""

    folder: Path
    suite: str
    algorithms: list[str]
    problems: int
    runs: int
    ours: bool  # is the suite one that can be run here, or was it made of the data?
    notes: list[str]


def import_folders(folders: Sequence[Path], suite_name: str, out: Path | None) -> Read:
    """Make results of COCO or IOHprofiler data, in a results folder that holds nothing yet.

    `suite_name`: whose problems, targets and budgets count; "": the suite that ships with zobench
    under the data's name, else one made of the data. `out`: by default results/import-FOLDER.
    Raises BadInput, for data with file and line.
    """
    from zobench.harness.database import NoResults, connect
    from zobench.harness.store import Store
    from zobench.interchange.read import read_folders
    from zobench.interchange.to_results import to_results

    if not folders:
        raise BadInput("name at least one folder of COCO or IOHprofiler data")
    out = out or Path("results") / f"import-{folders[0].resolve().name}"
    with suppress(NoResults):
        connect(out, write=False).close()
        raise BadInput(f"{out} holds results already; choose another folder with --out")
    curves, notes = read_folders(folders, suite_name)
    name = suite_name or (curves[0].suite if curves[0].suite in suite_files() else "")
    try:
        found = to_results(curves, load(name) if name else None, _judged_by)
    except BadInput:
        if suite_name or not name:
            raise
        name, found = "", to_results(curves, None)  # not of ours, such as in other dimensions
    environment = {
        "zobench": zobench.__version__,
        "imported": [str(folder) for folder in folders],
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    with Store.open(out) as store:
        store.begin(found.specs, environment)
        store.add(found.results)
    return Read(
        out,
        found.specs[0].suite,
        list(dict.fromkeys(spec.estimator.text for spec in found.specs)),
        len({spec.problem.id for spec in found.specs}),
        len(found.specs),
        bool(name),
        notes + found.notes,
    )
