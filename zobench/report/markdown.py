"""The report as Markdown, for an issue, a pull request or the notes of a paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from zobench.analysis import words
from zobench.report import tables
from zobench.report.source import Source

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")  # & too: it begins an entity such as &lt;
RESULTS = ("problem", "estimator", "target", "reached", "queries", "seconds", "score", "per query",
           "memory")  # fmt: skip


def markdown(source: Source) -> str:
    """Return verdict, results, troubles, targets, settings, environments and command."""
    return "\n".join([*_head(source), *_results(source), *_origin(source)]).rstrip() + "\n"


def escaped(value: Any) -> str:
    """Escape text for one line of Markdown: it is shown as it is, without links or mentions.

    GitHub looks for links, mentions and issue numbers in the rendered text, where a backslash does
    not hide them. An invisible space (&#8203;) separates their parts.
    """
    text = SPECIAL.sub(r"\\\1", printable(value))
    text = re.sub(r"^([+\-=]|\d+[.)](?= |$))", r"\\\1", text)  # neither a list nor a rule
    return re.sub(r"(?i)(www(?=\.)|:(?=//)|@(?=\w)|#(?=\d))", r"\1&#8203;", text)


def printable(value: Any) -> str:
    """Return text as one line; control characters and marks of writing direction are replaced."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "|".join(":--" if i < left else "--:" for i in range(len(head))) + "|"
    for row in rows:
        yield f"| {' | '.join(escaped(value) for value in row)} |"
    yield ""


def _head(source: Source) -> Iterator[str]:
    count = words.quantity(int(source.problems["problem"].nunique()), "problem")
    yield f"# {escaped(source.title)}"
    yield ""
    runs = words.quantity(len(source.runs), "run")
    suite = escaped(source.suite) or words.UNKNOWN
    yield f"Suite {suite}: {count}, {runs}, {tables.counts(source)}."
    yield ""
    yield "## Verdict"
    yield ""
    if trouble := words.trouble(source.runs):
        yield f"**{escaped(trouble)}: see Failures and skips.**"
        yield ""
    for line in source.lines():
        yield escaped(line)
        yield ""


def _results(source: Source) -> Iterator[str]:
    rows = tables.results(source)
    if rows:
        yield "## Results"
        yield ""
        yield "Expected queries and seconds to the target (ERT) with 95 % intervals."
        yield ""
        cells = [[_cell(row[name]) for name in RESULTS] for row in rows]
        yield from _table(RESULTS, cells, left=2)
    yield "## Failures and skips"
    yield ""
    troubles = tables.troubles(source)
    if not troubles:
        yield "None."
        yield ""
        return
    head = ("what", "estimator", "problems", "reason", "runs")
    lines = [
        (t["status"], t["estimator"], ", ".join(t["problems"]), t["reason"], t["count"])
        for t in troubles
    ]
    yield from _table(head, lines, left=4)


def _cell(cell: tables.Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def _origin(source: Source) -> Iterator[str]:
    yield "## Targets"
    yield ""
    head = ("problem", "reached by the", "targets", "dimension", "budget")
    lines = [
        (t["problem"], t["kind"], _range(t["targets"]), t["dimension"], t["budget"])
        for t in tables.targets(source)
    ]
    yield from _table(head, lines, left=3)
    yield "## Settings"
    yield ""
    for block in tables.settings(source):
        settings_text = "; ".join(
            f"{r['name']} = {r['value']} ({r['origin']})" for r in block["rows"]
        )
        groups = ", ".join(block["groups"])
        values = escaped(settings_text) or "none"
        yield f"- {escaped(block['estimator'])} on {escaped(groups)}: {values}"
    yield ""
    yield "## Environment"
    yield ""
    for environment in tables.environments(source):
        facts = "; ".join(f"{name}: {value}" for name, value in environment["rows"])
        yield f"- {words.quantity(environment['runs'], 'run')}: {escaped(facts)}"
    yield ""
    if source.command:
        yield "## The same runs again"
        yield ""
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", source.command)), default=0))
        yield f"{fence}sh"
        yield printable(source.command)
        yield fence


def _range(targets: list[str]) -> str:
    if len(targets) <= 6:
        return "; ".join(targets)
    return f"{targets[0]} to {targets[-1]} ({len(targets)})"
