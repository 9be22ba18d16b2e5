"""`zobench report`, and the page at the end of `zobench compare`."""

import contextlib
import io
import json
import re
import shlex
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from harness_tools import without_checksums
from report_tools import Page

from zobench.analysis.frames import Frames
from zobench.cli import status_of
from zobench.harness.plan import plan
from zobench.harness.suite_file import load
from zobench.results.command import command_of
from zobench.results.results import Results
from zobench.results.stored import stored

TINY = """\
name = "tiny"
version = "1"
budget = 60
repetitions = 2

[[problem]]
id = "sphere-d{dim}"
objective = "sphere"
expand = { dim = [3, 5] }
targets = [2.0, 1.0, 0.5]
"""


@pytest.fixture
def zobench(tmp_path, monkeypatch, capfd):
    """Run a command in this process, in a folder with a small suite: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return status_of(list(arguments)), *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """(what `zobench compare` printed of two estimators, the folder it left)"""
    folder, out = tmp_path_factory.mktemp("once"), io.StringIO()
    (folder / "tiny.toml").write_text(TINY)
    arguments = ["compare", "random-search", "zo-sgd:lr=1e-2", "-s", "tiny.toml", "-j", "1"]
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        assert status_of(arguments) == 0
    return out.getvalue(), folder / "results"


@pytest.fixture
def compared(zobench, once, tmp_path):
    """Two estimators were compared, here: what was printed."""
    printed, results = once
    shutil.copytree(results, tmp_path / "results")
    return printed


def test_compare_writes_the_page(compared, tmp_path):
    file = tmp_path / "results" / "tiny" / "report.html"
    assert "Report: results/tiny/report.html" in compared
    text = Page(file.read_text()).text
    assert "random-search and zo-sgd:lr=1e-2 on tiny" in text
    assert "zobench compare random-search zo-sgd:lr=1e-2 --suite tiny.toml" in text
    verdict = compared.split("Verdict\n")[1].split("\n\n")[0]
    said, not_tuned, names = " ".join(verdict.split()).partition("Not tuned")
    assert said.strip() in text
    assert (not_tuned + names).replace("`", "") in text  # there it is set as code


def test_compare_puts_the_page_where_asked(zobench, tmp_path):
    arguments = ("compare", "random-search", "-s", "tiny.toml", "-r", "1", "-j", "1", "--report")
    status, out, _ = zobench(*arguments, "deep/er.html")
    assert status == 0
    assert "Report: deep/er.html" in out
    assert "It takes two estimators" in Page((tmp_path / "deep" / "er.html").read_text()).text
    status, _, err = zobench(*arguments, "deep")
    assert status == 2
    assert "cannot write the report 'deep': that is a folder" in err


@pytest.mark.parametrize(("form", "name"), [("html", "report.html"), ("md", "report.md")])
def test_report_writes_beside_the_results(zobench, compared, tmp_path, form, name):
    status, out, _ = zobench("report", "results/tiny", "--format", form)
    assert (status, out) == (0, f"wrote results/tiny/{name}\n")
    assert "zo-sgd:lr=1e-2" in (tmp_path / "results" / "tiny" / name).read_text()


def test_report_shows_what_compare_showed(zobench, compared):
    status, out, _ = zobench("report", "-s", "tiny", "-f", "text")
    assert status == 0
    about_files = re.compile(r"^(Data|Report): .*\n", re.MULTILINE)
    assert out == re.sub(r"\n\n\nVerdict", "\n\nVerdict", about_files.sub("", compared))


def test_report_writes_csv_on_request(zobench, compared, tmp_path):
    status, out, _ = zobench("report", "-s", "tiny", "-o", "a.html", "--csv", "numbers")
    assert status == 0
    assert "wrote a.html" in out
    names = {file.stem for file in (tmp_path / "numbers").iterdir()}
    curves = {"data-profiles", "more-wild", "restarts", "performance-profiles"}
    assert names >= {"results", "ecdf", "run-lengths", "traces", "speedups"} | curves
    for name in curves:
        share = pd.read_csv(tmp_path / "numbers" / f"{name}.csv")["share"]
        assert 0.0 < share.max() <= 1.0


@pytest.mark.parametrize("command", ["report", "export"])
def test_results_are_found_by_the_suite_file(zobench, compared, command):
    status, out, err = zobench(command, "-s", "tiny.toml")
    assert (status, err) == (0, "")
    assert out.startswith("wrote ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere"),
        (["results/tiny", "-s", "tini"], "did you mean 'tiny'"),
        (["results/tiny", "-o", "tiny.toml/x.html"], "is a file"),
        (["results/tiny", "-f", "pdf"], "html"),
        (["--leaderboards", "nowhere"], "there is no folder"),
        (["--leaderboards", "results"], "holds no leaderboard"),
        (["--leaderboards", "."], "holds no leaderboard"),
        (["results/tiny", "--leaderboards", "results"], "combine it only with --out"),
    ],
)
def test_bad_input_is_one_line(zobench, compared, arguments, said):
    status, out, err = zobench("report", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_the_leaderboard_page_is_of_the_export(zobench, compared, tmp_path):
    zobench("export", "-s", "tiny.toml", "--freeze", "random-search")
    status, out, _ = zobench("report", "--leaderboards", "leaderboards", "-o", "index.html")
    assert (status, out) == (0, "wrote index.html: 4 rows\n")
    text = Page((tmp_path / "index.html").read_text()).text
    assert "2 methods · 4 rows · suites tiny 1" in text
    (tmp_path / "leaderboards" / "other.csv").write_text("a,b\n1,2\n")
    status, _, err = zobench("report", "--leaderboards", "leaderboards")
    assert status == 2
    assert "other.csv row 1: the column 'suite' is missing" in err
    (tmp_path / "leaderboards" / "other.csv").unlink()
    file = tmp_path / "leaderboards" / "tiny.csv"
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    rows["log_area"] = ["0.1", "abc", "0.2", ""]
    rows.to_csv(file, index=False)
    status, _, err = zobench("report", "--leaderboards", "leaderboards")
    assert (status, "tiny.csv row 3: column log_area: a share from 0 to 1, not 'abc'" in err) == (
        2,
        True,
    )


def asked_for(specs, folder):
    return Results(specs, folder, {}, Frames(*[pd.DataFrame()] * 4))


def test_a_report_takes_the_frozen_runs_of_its_leaderboard(zobench, compared, tmp_path):
    def references(folder: str) -> set[str]:
        status, _, err = zobench("report", "-s", "tiny.toml", "--csv", folder)
        assert (status, err) == (0, "")
        curves = pd.read_csv(tmp_path / folder / "performance-profiles.csv")
        return set(curves.loc[curves["unit"] == "queries", "reference"])

    assert len(references("before")) == 1
    assert not any("frozen" in name for name in references("before"))
    zobench("export", "-s", "tiny.toml", "--freeze", "zo-sgd:lr=1e-2")
    assert references("after") == {"zo-sgd:lr=1e-2 (frozen)"}
    file = tmp_path / "leaderboards" / "tiny-reference.csv"
    frozen = pd.read_csv(file)
    frozen.assign(target=frozen["target"] * 2).to_csv(file, index=False)  # of other targets
    assert references("other") == references("before")
    file.write_text("a,b\n1,2\n")
    status, _, err = zobench("report", "-s", "tiny.toml")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "holds no frozen runs: row 1: the column 'run_key' is missing" in err


@pytest.mark.parametrize("spoil", [
    lambda text: b"",
    lambda text: b"\xff\xfe\x00\x01" * 9,
    lambda text: text.replace(b"True", b"maybe", 1),
    lambda text: re.sub(rb",[^,]*,(True|False)", rb",soon,\1", text),
    lambda text: re.sub(rb",[^,]*,(True|False)", rb",0,True", text),
])  # fmt: skip
def test_a_broken_frozen_reference_is_one_clear_line(zobench, compared, spoil, tmp_path):
    zobench("export", "-s", "tiny.toml", "--freeze", "zo-sgd:lr=1e-2")
    file = tmp_path / "leaderboards" / "tiny-reference.csv"
    file.write_bytes(spoil(file.read_bytes()))
    for words in (["report", "-s", "tiny.toml", "--csv", "numbers"], ["export", "-s", "tiny.toml"]):
        status, _, err = zobench(*words)
        assert (status, len(err.splitlines())) == (2, 1)
        assert "tiny-reference.csv holds no frozen runs: " in err
    file.unlink()
    file.with_name("tiny.csv").write_bytes(b"")
    status, _, err = zobench("export", "-s", "tiny.toml")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "leaderboards/tiny.csv row 1: no names of columns" in err


def test_results_without_a_run_are_one_clear_line(zobench, compared, tmp_path):
    with sqlite3.connect(tmp_path / "results" / "tiny" / "results.sqlite") as db:
        without_checksums(db)
        db.execute("PRAGMA foreign_keys = ON")
        for table in ("hits", "traces", "runs"):
            db.execute(f"DELETE FROM {table}")
    for words in (
        ["report"],
        ["report", "--format", "text"],
        ["export"],
        ["export", "--format", "csv"],
        ["compare", "random-search", "--out", "new", "--against", "results/tiny"],
    ):
        status, _, err = zobench(*words, "-s", "tiny.toml")
        assert (status, err) == (2, "zobench: no results in 'results/tiny': no run was made yet\n")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("form", ["html", "md", "text"])
def test_a_comparison_that_was_stopped_is_reported(zobench, compared, tmp_path, form):
    """One of two estimators has not run yet: every form says what is there and what is not."""
    with sqlite3.connect(tmp_path / "results" / "tiny" / "results.sqlite") as db:
        without_checksums(db)
        db.execute("PRAGMA foreign_keys = OFF")
        (name,) = db.execute("SELECT estimator FROM plans ORDER BY id DESC LIMIT 1").fetchone()
        plans = "SELECT run_key FROM plans WHERE estimator = ?"
        db.execute(f"DELETE FROM runs WHERE run_key IN ({plans})", (name,))
    status, _, err = zobench("report", "-s", "tiny.toml", "-f", form, "-o", "made")
    assert (status, err) == (0, "")
    said = " ".join(Path("made").read_text().split())
    assert "runs that were asked for are not there" in said
    assert "It takes two estimators to say which is sooner" in said


def test_the_command_makes_the_same_runs(zobench, compared, tmp_path):
    suite = load("tiny.toml")
    asked = {"repetitions": 3, "budget": 50, "baselines": False}
    specs = plan(suite.pick(["sphere-d5"]), ["random-search", "zo-sgd:lr=1e-2"], **asked)
    folder = tmp_path / "a folder"
    words = shlex.split(command_of(asked_for(specs, folder), "tiny.toml"))
    assert words[:4] == ["zobench", "compare", "random-search", "zo-sgd:lr=1e-2"]
    options = dict(zip(words[4::2], words[5::2]))
    assert options == {"--suite": "tiny.toml", "--problem": "sphere-d5", "--budget": "50",
                       "--repetitions": "3", "--out": str(folder)}  # fmt: skip
    assert zobench(*words[1:], "-j", "1")[0] == 0
    assert {s.key for s in stored(folder).specs} == {s.key for s in specs}


def test_settings_of_baselines_are_left_aside_where_they_were():
    suite = load("quick").pick(["bbob*"])
    for baselines, there in ((False, True), (True, False)):
        specs = plan(suite, ["mezo"], baselines=baselines)
        origins = json.dumps([s.estimator.settings_from for s in specs])
        assert ("baseline" in origins) == baselines
        command = command_of(asked_for(specs, Path("results") / "quick"))
        assert ("--defaults" in command) == there
