"""A page: one HTML file that holds its style, script and data, and asks nothing of a network.

Figures are drawn by a script of our own (page/*.js, 45 kB). Measured against Plotly 7.1, the usual
choice, in headless Chromium on two cores: Plotly's script alone is 4.8 MB of every page, and one
figure of eight curves was there after 1.4 to 2.5 s; the whole of ours, three figures and all
tables, after 0.3 to 0.5 s. Plotly also has neither labels that keep clear of each other nor
figures that a keyboard can read.
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
    "core", "table", "codes", "axis", "chart", "ecdf", "converge", "meters", "pareto", "ranks",
    "ranksum", "runs", "main",
)  # fmt: skip


def page(source: Source) -> str:
    """The report as HTML."""
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
    """A template of page/ with its style, its scripts in one, and `data` as embedded JSON.

    The page's security policy allows exactly this style and this script, by their hashes, and no
    connection at all.
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
        "some": words.some,
        "said": _commands,
        "interval": marks.interval,
        "ratio": marks.ratio,
    }
    return environment


def _commands(line: str) -> Markup:
    """A sentence with the commands in it, as `zobench tune`, set as code."""
    return Markup(re.sub(r"`(zobench [a-z]+)`", r"<code>\1</code>", str(escape(line))))


@cache
def _file(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
