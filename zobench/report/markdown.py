"""The same verdict as Markdown, for an issue, a pull request or a paper's notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from zobench.analysis import words
from zobench.report import tables
from zobench.report.source import Source

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")  # & too: an entity would be read as a sign
RESULTS = ("problem", "estimator", "target", "reached", "queries", "seconds", "score", "per query",
           "memory")  # fmt: skip


def markdown(source: Source) -> str:
    """Verdict, results, troubles, targets, settings, environment, command."""
    return "\n".join([*_head(source), *_results(source), *_made(source)]).rstrip() + "\n"


def escaped(value: Any) -> str:
    """Text in one line that Markdown and HTML show as it is, and that nothing links or mentions.

    An invisible space (&#8203;) parts what GitHub would make a link, a mention or an issue of: it
    looks for these in the text that is shown, so a backslash does not hide them.
    """
    text = SPECIAL.sub(r"\\\1", printable(value))
    text = re.sub(r"^([+\-=]|\d+[.)](?= |$))", r"\\\1", text)  # no list, no rule
    return re.sub(r"(?i)(www(?=\.)|:(?=//)|@(?=\w)|#(?=\d))", r"\1&#8203;", text)


def printable(value: Any) -> str:
    """Text in one line without signs that steer a terminal or turn the direction of writing."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "|".join(":--" if i < left else "--:" for i in range(len(head))) + "|"
    for row in rows:
        yield f"| {' | '.join(escaped(value) for value in row)} |"
    yield ""


def _head(source: Source) -> Iterator[str]:
    count = words.some(int(source.problems["problem"].nunique()), "problem")
    yield f"# {escaped(source.title)}"
    yield ""
    runs = words.some(len(source.runs), "run")
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
    found = tables.troubles(source)
    if not found:
        yield "None."
        yield ""
        return
    head = ("what", "estimator", "problems", "reason", "runs")
    lines = [
        (t["status"], t["estimator"], ", ".join(t["problems"]), t["reason"], t["count"])
        for t in found
    ]
    yield from _table(head, lines, left=4)


def _cell(cell: tables.Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def _made(source: Source) -> Iterator[str]:
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
    for chosen in tables.settings(source):
        said = "; ".join(f"{r['name']} = {r['value']} ({r['origin']})" for r in chosen["rows"])
        where = ", ".join(chosen["groups"])
        yield f"- {escaped(chosen['estimator'])} on {escaped(where)}: {escaped(said) or 'none'}"
    yield ""
    yield "## Environment"
    yield ""
    for place in tables.environments(source):
        facts = "; ".join(f"{name}: {value}" for name, value in place["rows"])
        yield f"- {words.some(place['runs'], 'run')}: {escaped(facts)}"
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
