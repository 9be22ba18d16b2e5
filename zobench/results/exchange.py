"""Write results in the formats of other tools, and read them: `zobench export` and `import`."""

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
class WrittenFiles:
    """The files that an export wrote.

    Attributes:
        folder: the folder of the files.
        names: folders or files in `folder`.
        runs: the number of runs in them.
        notes: sentences on omitted runs and on how to read the files.
    """

    folder: Path
    names: list[str]
    runs: int
    notes: list[str]


def export_as(format: str, suite_name: str, folder: Path | None, out: Path | None) -> WrittenFiles:
    """Write results in the format of another tool. No file is overwritten.

    Args:
        format: one of FORMATS.
        suite_name: the suite; "": the only one of the folder, or look without a folder.
        folder: the results folder. None: results/SUITE.
        out: the folder of the files. None: FOLDER/export-FORMAT.

    Raises:
        BadInput: the format is unknown, there are no results, or `out` has files.
    """
    if format not in FORMATS:
        raise unknown("format", format, (*FORMATS, "leaderboard"))
    results = stored(folder, suite_name)
    out = out or results.folder / f"export-{format}"
    homes = [out, *([_other_folder(out)] if format == "coco" else [])]
    for home in homes:
        if home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise BadInput(f"{home} exists; choose another folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        try:
            return _write(format, results, out)
        except BaseException:  # partial files would look complete
            for home in homes:
                shutil.rmtree(home, ignore_errors=True)
            raise
    except OSError as error:
        raise BadInput(f"cannot write to {str(out)!r}: {error.strerror}") from error


def _write(format: str, results: Results, out: Path) -> WrittenFiles:
    if format in ("csv", "parquet"):
        from zobench.interchange.write_tables import write_csv, write_parquet

        names = (write_csv if format == "csv" else write_parquet)(vars(results.frames), out)
        return WrittenFiles(out, names, len(results.runs), differing(results))
    from zobench.interchange.curves import curves_of
    from zobench.interchange.numbering import function_numbers

    curves, notes = curves_of(results.specs, **vars(results.frames))
    notes += differing(results)
    if not curves:
        raise BadInput(f"{results.folder} holds no run that made a query")
    if format == "coco":
        names, count = _write_coco(curves, out, notes), len(curves)
    else:
        from zobench.interchange.write_ioh import write_ioh

        suite = results.specs[0].suite
        names, count, more = write_ioh(curves, out, suite, zobench.__version__)
        notes += more
    problems = {spec.problem.id: spec.problem for spec in results.specs}
    numbers = {
        name: {"function": n.function, "offset": n.offset}
        | ({} if n.suite == COUNTED else {"suite": n.suite})
        for name, n in function_numbers(problems.values()).items()
    }
    facts = {"suite": results.specs[0].suite, "zobench": zobench.__version__, "problems": numbers}
    (out / "problems.txt").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if any(n["offset"] for n in numbers.values()):
        notes.append("gaps are scores less an offset where targets are not above 0: problems.txt")
    return WrittenFiles(out, names, count, notes)


def _write_coco(curves: list[Curve], out: Path, notes: list[str]) -> list[str]:
    """Write folders below `out`, and those that COCO's report does not accept beside it.

    The report stops at the first function or dimension that is not of its own suites. Returns the
    names of the folders.
    """
    from zobench.interchange.write_coco import in_the_report, write_coco

    accepted = [c for c in curves if in_the_report(c)]
    others = [c for c in curves if not in_the_report(c)] if accepted else []
    names = write_coco(accepted or curves, out, zobench.__version__)
    if any(c.suite == COUNTED for c in accepted):
        notes.append("cocopp titles functions by their numbers, as BBOB's: see problems.txt")
    if others:
        write_coco(others, _other_folder(out), zobench.__version__)
    if others or not accepted:
        folder, c = _other_folder(out) if others else out, (others or curves)[0]
        notes.append(
            f"{folder}/ is for cocopp.load: the report of python -m cocopp knows BBOB's functions "
            f"1 to 24 in its own dimensions, and not function {c.function} in {c.dimension:,} "
            f"dimensions ({c.name})"
        )
    return names


def _other_folder(out: Path) -> Path:
    """The folder of a COCO export for problems at which python -m cocopp FOLDER/* would stop."""
    path = out if out.name.strip(".") else out.resolve()
    return path.with_name(f"{path.name}-others")


def _scored_point(problem: ProblemSpec) -> str:
    """The scored point, "current" or "best": of the suite, or else of the objective."""
    if problem.scored:
        return problem.scored
    try:
        return objectives[problem.objective].build(problem.settings).scored
    except BadInput:  # it cannot be built here, so no run is compared with it
        return "best"


@dataclass(frozen=True)
class ImportResult:
    """The results that an import made.

    Attributes:
        folder: the results folder.
        suite: the name of the suite.
        estimators: the algorithms of the data.
        problems: the number of problems.
        runs: the number of runs.
        is_runnable: True if the suite can be run here; False if it was made of the data.
        notes: sentences on omitted data.
    """

    folder: Path
    suite: str
    estimators: list[str]
    problems: int
    runs: int
    is_runnable: bool
    notes: list[str]


def import_folders(folders: Sequence[Path], suite_name: str, out: Path | None) -> ImportResult:
    """Read COCO or IOHprofiler data into a results folder that has no results yet.

    Args:
        folders: folders of data.
        suite_name: the suite whose problems, targets and budgets count; "": the suite that ships
            with zobench under the name of the data, or else one made of the data.
        out: the results folder. None: results/import-FOLDER.

    Raises:
        BadInput: the data are wrong (with file and line), or `out` has results.
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
        data = to_results(curves, load(name) if name else None, _scored_point)
    except BadInput:
        if suite_name or not name:
            raise
        name, data = "", to_results(curves, None)  # not that suite: other dimensions, for example
    environment = {
        "zobench": zobench.__version__,
        "imported": [str(folder) for folder in folders],
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    with Store.open(out) as store:
        store.begin(data.specs, environment)
        store.add(data.results)
    return ImportResult(
        out,
        data.specs[0].suite,
        list(dict.fromkeys(spec.estimator.text for spec in data.specs)),
        len({spec.problem.id for spec in data.specs}),
        len(data.specs),
        bool(name),
        notes + data.notes,
    )
