"""Docstrings of the registry as document nodes, without a markup language in between.

A paragraph that is indented is a formula or an example, and is shown as it is. `name` is code.
"""

import re
import textwrap
from collections.abc import Iterable, Sequence

from docutils import nodes

Cell = str | nodes.Node


def inline(text: str) -> list[nodes.Node]:
    """A line of text, with `name` as code."""
    parts = re.split(r"`+([^`]+)`+", text)
    return [
        nodes.literal("", part) if place % 2 else nodes.Text(part)
        for place, part in enumerate(parts)
        if part
    ]


def paragraphs(docstring: str) -> list[nodes.Node]:
    """The paragraphs of a docstring, in order."""
    found: list[nodes.Node] = []
    for part in re.split(r"\n\s*\n", textwrap.dedent(docstring).strip("\n")):
        if part.startswith("    "):
            found.append(nodes.literal_block("", textwrap.dedent(part), language="text"))
        else:
            for piece in _formulas_apart(part):
                found.append(piece)
    return found


def _formulas_apart(part: str) -> list[nodes.Node]:
    """A paragraph, cut where indented lines (definitions of settings) begin."""
    lines = part.splitlines()
    if not any(line.startswith("    ") for line in lines):
        return [nodes.paragraph("", "", *inline(" ".join(lines)))]
    head, _, rest = part.partition("\n")
    items = re.split(r"\n(?=\S)", textwrap.dedent(rest))
    listed = nodes.bullet_list()
    for item in items:
        text = " ".join(line.strip() for line in item.splitlines())
        listed += nodes.list_item("", nodes.paragraph("", "", *inline(text)))
    return [nodes.paragraph("", "", *inline(head)), listed]


def section(title: str, name: str, *children: nodes.Node) -> nodes.section:
    """A section with an anchor of its name."""
    made = nodes.section("", nodes.title("", title), ids=[nodes.make_id(name)], names=[name])
    made += list(children)
    return made


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], numbers: int = 99) -> nodes.table:
    """A table; columns from the one of index `numbers` on are aligned to the right."""
    made = nodes.table(classes=["zb"])
    group = nodes.tgroup(cols=len(head))
    made += group
    for _ in head:
        group += nodes.colspec(colwidth=1)
    group += nodes.thead("", _row(head, numbers))
    group += nodes.tbody("", *(_row(row, numbers) for row in rows))
    return made


def _row(cells: Sequence[Cell], numbers: int) -> nodes.row:
    made = nodes.row()
    for place, cell in enumerate(cells):
        entry = nodes.entry(classes=["number"] if place >= numbers else [])
        content = inline(cell) if isinstance(cell, str) else [cell]
        entry += nodes.paragraph("", "", *content)
        made += entry
    return made
