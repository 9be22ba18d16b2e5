"""The report as one HTML file with its own style, script and data, which needs no network.

Figures are drawn by scripts of this package (page/*.js, 45 kB). Plotly 7.1 was compared in headless
Chromium on two cores: its script adds 4.8 MB to each page, and one figure of eight curves was drawn
after 1.4 to 2.5 s. This page, with three figures and all tables, was drawn after 0.3 to 0.5 s.
Plotly also has no labels that avoid each other, and no figures that a keyboard can read.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from zobench.analysis import words
from zobench.harness.memory import give_back
from zobench.report import marks, tables
from zobench.report.data import page_data
from zobench.report.encode import embedded
from zobench.report.source import Source

PAGE = Path(__file__).parent / "page"
SCRIPTS = (
    "core", "table", "codes", "axis", "chart", "ecdf", "converge", "meters", "pareto", "tuning",
    "ranks", "ranksum", "runs", "main",
)  # fmt: skip


def page(source: Source) -> str:
    """Return the report as HTML."""
    pairs, ranking = tables.pairs(source), tables.ranking(source)
    return rendered(
        "report.html.j2",
        SCRIPTS,
        {
            "source": source,
            "lines": source.lines(),
            "ranking": ranking,
            "highest": marks.upper(ranking),
            "pairs": pairs,
            "widest": marks.widest(pairs),
            "results": tables.results(source),
            "trouble": words.trouble(source.runs),
            "troubles": tables.troubles(source),
            "counts": tables.counts(source),
            "targets": tables.targets(source),
            "settings": list(tables.settings(source)),
            "environments": tables.environments(source),
        },
        page_data(source),
    )


def rendered(template: str, scripts: Sequence[str], values: dict[str, Any], data: Any) -> str:
    """Render a template of page/ with its style, its scripts joined, and `data` as embedded JSON.

    The page's security policy allows this style and this script, by their hashes, and no
    connection.
    """
    text, style = embedded(data), _file("style.css")
    del data  # it may be large
    give_back()
    script = '"use strict";\n(() => {\n' + "\n".join(_file(f"{n}.js") for n in scripts) + "\n})();"
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=Markup(style),
            script=Markup(script),
            data=Markup(text),
            style_hash=_hash(style),
            script_hash=_hash(script),
            written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "number": words.number,
        "quantity": words.quantity,
        "with_code": _commands,
        "interval": marks.interval,
        "ratio": marks.ratio,
    }
    return environment


def _commands(line: str) -> Markup:
    """Return a sentence as HTML, with its commands, such as `zobench tune`, as code."""
    return Markup(re.sub(r"`(zobench [a-z]+)`", r"<code>\1</code>", str(escape(line))))


@cache
def _file(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
