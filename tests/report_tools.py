"""Results for the tests of reports, and a browser to look at pages with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_tools import results

from zobench.analysis.frames import Frames
from zobench.report.source import Source

TARGETS = (10.0, 1.0, 0.1)
ENVIRONMENTS = {"here": {"zobench": "1", "cpu": "A chip", "gpus": [], "packages": {"numpy": "2"}}}
SETTINGS = {"settings": '{"lr": 0.1, "name": "x"}', "settings_from": '{"lr": "user"}'}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VOID = {"meta", "link", "input", "br", "hr", "img"}


def source(runs, command="zobench compare a b", **more) -> Source:
    """A Source from the plain tuples of `analysis_tools.results`; every run has a trace."""
    frames = results(runs, **({"targets": TARGETS} | more))
    return of_frames(*frames, command)


def of_frames(runs, hits, problems, command="zobench compare a b") -> Source:
    """A Source from frames of the statistics' tests, with what a store adds to them."""
    plain = {"settings": "", "settings_from": "", "scores": '{"gap": 0.5}', "environment": "here"}
    for column, value in (plain | SETTINGS | {"objective_seconds": 1e-3}).items():
        if column not in runs:
            runs[column] = value
    runs["group"] = runs["problem"].map(problems.drop_duplicates("problem").set_index("problem")
                                        ["group"])  # fmt: skip
    runs["dimension"] = 10
    problems = problems.assign(suite="s", suite_version="1", objective="o", how="by hand")
    return Source(Frames(runs, hits, traces(runs), problems), ENVIRONMENTS, command)


def traces(runs: pd.DataFrame) -> pd.DataFrame:
    """Scores that fall from 100 to the run's final one."""
    parts = [pd.DataFrame({"run_key": [], "queries": [], "seconds": [], "score": [], "best": []})]
    for row in runs.itertuples():
        queries = np.unique(np.geomspace(1, max(row.queries, 1), 12).astype(int))
        known = row.final_score if np.isfinite(row.final_score) else 50.0
        score = np.linspace(100, known, len(queries))
        score[-1] = row.final_score
        part = {"run_key": row.run_key, "queries": queries, "seconds": queries * 1e-3}
        parts.append(pd.DataFrame(part | {"score": score, "best": score}))
    return pd.concat(parts, ignore_index=True)


def two_estimators(repetitions: int = 6, problems: int = 3) -> Source:
    """`fast` needs half the queries of `slow` and reaches more."""
    rng = np.random.default_rng(0)
    runs = []
    for p in range(problems):
        for name, factor, reach in (("fast", 1, 3), ("slow", 2, 2)):
            for r in range(repetitions):
                hits = sorted(int(factor * q) for q in rng.integers(2, 45, reach))
                runs.append((f"p{p}", name, r, hits, {}))
    return source(runs, groups={"p0": "easy"})


class Page(HTMLParser):
    """A page as a reader's software sees it. Raises where elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> ends nothing"
        assert self.open.pop() == tag, f"</{tag}> ends another element"

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [facts for name, facts in self.found if name == tag]


class Browser:
    """A headless Chromium: opens a page, acts on it, says what it found."""

    def __init__(self, program: str, folder: Path) -> None:
        self.command = [
            *(program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--disable-background-networking", "--enable-logging=stderr"),
            *("--disable-extensions", "--no-first-run", f"--user-data-dir={folder / 'profile'}"),
        ]
        self.folder = folder

    def run(self, html: str, *options: str) -> tuple[str, list[str]]:
        """(stdout, lines of the console)"""
        file = self.folder / "page.html"
        file.write_text(html, encoding="utf-8")
        command = [*self.command, *options, file.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    def console(self, html: str) -> list[str]:
        """What an untouched page says on the console."""
        return self.run(html, "--virtual-time-budget=3000", "--dump-dom")[1]

    def outcome(self, html: str, script: str, *options: str, width: int = 0):
        """What the body of a function, run after the page's own script, returns (plain data).

        `width`: of a frame to show the page in, in pixels, as a window has at least 500.
        """
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
        begin, end = "@@outcome ", " outcome@@"
        driver = f"""<script>
            const told = (() => {{ {script} }})();
            const text = encodeURIComponent(JSON.stringify(told));
            parent.document.body.append("{begin}" + text + "{end}");
        </script></body>"""
        html = html.replace("</body>", driver)
        if width:
            frame = f'<iframe width="{width}" height="800" srcdoc="{escape(html)}"></iframe>'
            html = f"<!doctype html><title>a frame</title><body>{frame}</body>"
        out, console = self.run(html, "--virtual-time-budget=3000", "--dump-dom", *options)
        assert not console, console
        from urllib.parse import unquote

        parts = out.rsplit(begin, 1)
        assert len(parts) == 2, "the page's script did not come to its end"
        return json.loads(unquote(parts[1].split(end)[0]))


def browser_in(folder: Path) -> Browser:
    """Skips the test on a machine without Chromium."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    return Browser(program, folder)
