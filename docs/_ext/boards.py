"""`board:: SUITE`: the best rows of a leaderboard, read when the site is built."""

from pathlib import Path

import pandas as pd
from docutils import nodes
from plain import table
from sphinx.util.docutils import SphinxDirective

FOLDER = Path(__file__).parents[2] / "leaderboards"
HEAD = ("group", "d", "estimator", "runs", "success", "area", "95 % interval", "µs per query")


class Board(SphinxDirective):
    """The `most` zeroth-order methods of the largest area, of each group and dimension."""

    required_arguments = 1
    option_spec = {"most": int}  # noqa: RUF012  (Sphinx reads it so)

    def run(self) -> list[nodes.Node]:
        path = FOLDER / f"{self.arguments[0]}.csv"
        self.env.note_dependency(str(path))
        rows = pd.read_csv(path)
        rows = rows[~rows["first_order"].astype(bool) & (rows["n_runs"] > 0)]
        shown = []
        for (dimension, group), part in rows.groupby(["dimension", "group"], sort=True):
            best = part.sort_values("log_area", ascending=False).head(self.options.get("most", 3))
            for place, row in enumerate(best.itertuples()):
                first = (group, f"{dimension:,}") if not place else ("", "")
                shown.append((*first, *_cells(row)))
        return [table(HEAD, shown, numbers=3)]


def _cells(row) -> tuple[str, ...]:
    known = row.log_area_low == row.log_area_low
    interval = f"{row.log_area_low:.2f} to {row.log_area_high:.2f}" if known else "–"
    return (
        f"`{row.method}`",
        str(row.n_runs),
        f"{row.success_rate:.0%}",
        f"{row.log_area:.2f}",
        interval,
        f"{row.us_per_query:,.3g}",
    )


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("board", Board)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
