"""Frozen runs beside a leaderboard: what its speed-ups refer to, written once, never changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zobench
from zobench.errors import BadInput, unknown
from zobench.harness.suite import ProblemSpec
from zobench.interchange.write_tables import plain_cells
from zobench.leaderboard.board_file import BoardTable, as_written, read_table, write_table
from zobench.leaderboard.columns import Cells, quoted
from zobench.leaderboard.releases import is_earlier

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "run_key", "problem", "instance", "estimator", "repetition", "seed", "group", "dimension",
    "budget", "kind", "target_index", "target", "length", "success", "at_start",
)  # fmt: skip
NUMBERS = (
    "instance", "repetition", "seed", "dimension", "budget", "target_index", "target", "length",
)  # fmt: skip
VERSION, FIRST = "version", "0.1.0"  # which zobench froze a run; files without it are of the first
ENDING = "-reference"  # of the file's stem


@dataclass(frozen=True)
class FrozenFigures:
    """The results of the frozen runs on the problems of a row, at the final targets."""

    dimensions: frozenset[str]
    digest: str  # of these runs, "" without any
    runs: int  # how many runs are frozen
    success_rate: float  # share of them that reached the final target, mean over problems
    reached: int  # how many problems a run reached the final target of
    costs: tuple[float, ...]  # expected queries per problem; inf: no run reached the target


@dataclass
class FrozenRuns:
    """The runs of one estimator, as a run table in queries."""

    table: pd.DataFrame
    versions: frozenset[str]  # of the zobench that froze them
    _figures: dict[tuple[tuple[str, int], ...], FrozenFigures] = field(default_factory=dict)

    @property
    def has_earlier(self) -> bool:
        """True if an earlier zobench froze some of them."""
        return any(is_earlier(version) for version in self.versions)

    @property
    def estimator(self) -> str:
        """The estimator whose runs are frozen."""
        return str(self.table["estimator"].iloc[0])

    def figures(self, problems: Sequence[ProblemSpec]) -> FrozenFigures:
        """Return the figures of the runs on `problems`; computed once for the same problems."""
        finals = {problem.id: len(problem.targets) - 1 for problem in problems}
        key = tuple(finals.items())
        if key not in self._figures:
            self._figures[key] = self._figures_at(finals)
        return self._figures[key]

    def own_interval(self, problems: Sequence[ProblemSpec]) -> tuple[float, float] | None:
        """Return the interval of the runs' speed-up against themselves.

        None if it depends on the order of the problems, or on digits that the file does not have.
        """
        import pandas as pd

        from zobench.analysis.runlengths import at_targets
        from zobench.analysis.speedup import speedup

        names = [problem.id for problem in problems]
        runs = at_targets(self.table, {p.id: len(p.targets) - 1 for p in problems})
        sides = [runs.assign(estimator="method"), runs.assign(estimator="baseline")]
        result = speedup(pd.concat(sides), "method", "baseline", problems=names)
        is_ordered = not (result.paired or result.too_few) and result.count("both") > 1
        if is_ordered or float(runs["length"].to_numpy(float).max()) >= 1e6:
            return None
        return result.low, result.high

    def _figures_at(self, finals: dict[str, int]) -> FrozenFigures:
        from zobench.analysis.ert import ert
        from zobench.analysis.leaderboard import baseline_hash
        from zobench.analysis.runlengths import Cases, at_targets

        runs = at_targets(self.table, finals)
        cases = list(Cases(runs).values()) if len(runs) else []
        return FrozenFigures(
            frozenset(str(size) for size in runs["dimension"].unique()),
            baseline_hash(runs),
            len(runs),
            sum(case.successes / case.runs for case in cases) / max(len(cases), 1),
            sum(bool(case.success.any()) for case in cases),
            tuple(ert(case.length, case.success) for case in cases),
        )


def _versions(table: BoardTable) -> frozenset[str]:
    return frozenset(row.cells.get(VERSION, FIRST) for row in table.rows)


def frozen_file(board: Path) -> Path:
    """Return the path of the frozen runs that the speed-ups of a leaderboard refer to."""
    return board.with_name(f"{board.stem}{ENDING}.csv")


def read_frozen(file: Path) -> FrozenRuns:
    """Read frozen runs.

    Raises:
        BadInput: the file is not a run table of one estimator at least.
    """
    try:
        table = read_table(file)
        frame = _run_table(table)
    except BadInput as error:
        reason = str(error).removeprefix(f"{file} ")
        raise BadInput(
            f"{file} holds no frozen runs: {reason}; zobench verify --form-only {file}"
        ) from error
    return FrozenRuns(frame, _versions(table))


def check_columns(table: BoardTable) -> None:
    """Raise BadInput if a column of frozen runs is missing."""
    for name in COLUMNS:
        if name not in table.columns:
            raise table.fault(1, f"the column {name!r} is missing")


def is_of_earlier(cells: Cells) -> bool:
    """Return True if an earlier zobench froze the run."""
    return is_earlier(cells.get(VERSION, FIRST))


def reference(
    out: Path, table: pd.DataFrame, problems: pd.DataFrame, freeze: str
) -> FrozenRuns | None:
    """Read the runs frozen beside the leaderboard `out`; first freeze those of `freeze`, if any.

    Args:
        out: the leaderboard.
        table: the `run_table` of the results, in queries.
        problems: one row per target of a problem.
        freeze: the estimator whose runs are frozen; "": none.

    Raises:
        BadInput: there are no runs of `freeze`, or others are frozen already.
    """
    from zobench.analysis.runlengths import at_targets
    from zobench.analysis.targets import final_targets

    file = frozen_file(out)
    if freeze:
        names = list(table["estimator"].unique())
        if freeze not in names:
            raise unknown("estimator with runs", freeze, names)
        rows = table.loc[table["estimator"] == freeze]
        rows = plain_cells(at_targets(rows, final_targets(problems)))
        rows = rows.assign(**{VERSION: zobench.__version__})
        write_table(_extended(file, rows) if file.exists() else rows, file)
    return read_frozen(file) if file.is_file() else None


def frozen_runs(suite: str, problems: pd.DataFrame) -> pd.DataFrame | None:
    """Return the runs frozen in leaderboards/ for the final targets of `problems`, if any.

    Only those whose budget, kind and target are still the same. Raises BadInput.
    """
    file = frozen_file(Path("leaderboards") / f"{suite}.csv")
    if not file.is_file():
        return None
    columns = ["problem", "target_index", "budget", "kind"]
    expected = problems[columns].assign(expected=problems["target"])
    table = read_frozen(file).table.merge(expected, on=columns)
    is_near = (table["target"] - table["expected"]).abs() <= 1e-5 * table["expected"].abs()
    return table.loc[is_near].drop(columns="expected") if is_near.to_numpy().any() else None


def _extended(file: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """Add runs of dimensions and groups that have none yet: no speed-up of a row changes.

    Raises BadInput if there are none, or if another estimator is frozen.
    """
    import pandas as pd

    frozen = read_table(file).frame()
    if VERSION not in frozen:
        frozen = frozen.assign(**{VERSION: FIRST})
    more = as_written(runs)
    key = ["dimension", "group"]
    more = more.loc[~more.set_index(key).index.isin(frozen.set_index(key).index)]
    if more.empty or set(frozen["estimator"]) != set(more["estimator"]):
        raise BadInput(f"{file} exists: a reference is frozen; raise the suite's version")
    return pd.concat([frozen, more])


def _run_table(table: BoardTable) -> pd.DataFrame:
    """Give the columns their types, and check that they can be those of runs. Raises BadInput."""
    check_columns(table)
    if not table.rows:
        raise BadInput("it has no rows")
    frame = table.frame().drop(columns=VERSION, errors="ignore")
    for name in NUMBERS:
        frame[name] = _numbers(table, name, frame[name])
    for name in ("success", "at_start"):
        is_bool = frame[name].isin(["True", "False"]).to_numpy()
        if not is_bool.all():
            row = table.rows[int((~is_bool).argmax())]
            raise table.fault(
                row.number, f"column {name}: {quoted(row.cells[name])} is not True or False"
            )
        frame[name] = frame[name] == "True"
    is_long: Any = frame["length"].to_numpy(float) >= frame["success"].to_numpy()
    if not is_long.all():
        row = table.rows[int((~is_long).argmax())]
        text = f"column length: {quoted(row.cells['length'])}, but a success takes 1 query or more"
        raise table.fault(row.number, text)
    return frame


def _numbers(table: BoardTable, name: str, column: Any) -> Any:
    import pandas as pd

    try:
        return pd.to_numeric(column)
    except ValueError:
        row = next(row for row in table.rows if math.isnan(_number(row.cells[name])))
        text = f"column {name}: {quoted(row.cells[name])} is not a number"
        raise table.fault(row.number, text) from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
