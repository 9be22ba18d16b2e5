"""`zobench export --leaderboard`: coverage of the suite, and rows that never change."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from harness_tools import without_checksums
from interchange_tools import coco_folder
from verify_tools import BOARD, MINE, TINY, read, signed, write

from zobench.cli import status_of
from zobench.harness.store import FILE
from zobench.leaderboard import export as leaderboard

METHODS = ("random-search", "zo-sgd:lr=1e-2")
PAIR = (
    TINY.replace("tiny", "pair")
    + """
[[problem]]
id = "quadratic"
objective = "quadratic"
group = "functions"
settings = { dim = 3 }
targets = [8.0, 4.0]
"""
)
PART = "leaderboards/pair.csv"
GONE = """\
from zobench.core.problem import InPlaceProblem
from zobench.registry import objectives


class Gone(InPlaceProblem):
    def start(self, seed):
        raise RuntimeError("no data")


@objectives.register("gone")
def gone(size: int = 2):
    return Gone()
"""


def run(*words: str) -> None:
    assert status_of(list(words)) == 0


def test_rows_of_others_keep_every_character(board):
    rows = read(board)
    odd = {"us_per_query": "1.50", "log_area": "5e-1", "targets_hash": "0012345678901234"}
    write(board, [signed(rows[0] | odd | {"suite_version": "0", "git_sha": "00"}), *rows])
    before = board.read_text().splitlines()
    run("run", "spsa", "-s", "tiny.toml", "-j", "1", "-o", "results/more")
    run("export", "results/more", "--leaderboard", "tiny.toml", "-o", BOARD)
    after = board.read_text().splitlines()
    assert after[0] == before[0]
    assert set(before) < set(after)
    assert sorted(row["method"] for row in read(board)).count("spsa") == 2
    dimensions = [int(row["dimension"]) for row in read(board)[1:]]
    assert dimensions == sorted(dimensions)


def test_an_estimator_that_ran_again_has_one_row(board):
    about = [(row["method"], row["dimension"]) for row in read(board)]
    run("export", "--leaderboard", "tiny.toml")
    assert [(row["method"], row["dimension"]) for row in read(board)] == about
    assert len(set(about)) == 4


def test_rows_of_the_file_stay_unless_named(board, capfd):
    """Fewer runs of methods that stand there do not replace their rows without a word."""
    before = read(board)
    run("run", *METHODS, "-s", "tiny.toml", "-j", "1", "-o", "results/few", "-r", "1")
    capfd.readouterr()
    export = ("export", "results/few", "-s", "tiny.toml", "-o", BOARD)
    run(*export)
    out = capfd.readouterr().out
    assert "4 rows, 0 of them from these results" in out
    again = "--replace random-search --replace zo-sgd:lr=1e-2"
    assert (
        f"rows of random-search, zo-sgd:lr=1e-2 that the file already has; to replace them: {again}"
        in out
    )
    assert read(board) == before
    run(*export, "--replace", METHODS[1])
    after = read(board)
    assert "2 of them from these results" in capfd.readouterr().out
    assert [r for r in after if r["method"] == METHODS[0]] == [
        r for r in before if r["method"] == METHODS[0]
    ]
    assert {r["n_runs"] for r in after if r["method"] == METHODS[1]} == {"1"}
    assert status_of([*export, "--replace", "zo-sgd"]) == 2
    assert "no estimator with runs named 'zo-sgd'" in capfd.readouterr().err


def test_rows_get_their_speed_up_when_runs_are_frozen_later(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("pair.toml").write_text(PAIR)
    run("run", "random-search", "spsa", "-s", "pair.toml", "-j", "1")
    run("export", "-s", "pair.toml")
    rows = read(Path(PART))
    assert {row["baseline"] for row in rows} == {""}
    verified = {"verified": "rerun", "date": "2026-01-31"}
    write(Path(PART), [signed(row | verified) for row in rows])
    run("run", "random-search", "-s", "pair.toml", "-j", "1", "-o", "results/alone")
    capfd.readouterr()
    alone = ("export", "results/alone", "-s", "pair.toml", "-o", PART)
    run(*alone, "--freeze", "random-search")
    assert "  spsa: rows do not refer to the frozen runs yet" in capfd.readouterr().out
    run("export", "-s", "pair.toml")
    assert "not refer" not in capfd.readouterr().out
    rows = read(Path(PART))
    assert {row["baseline"] for row in rows} == {"random-search"}
    assert {(row["verified"], row["date"]) for row in rows} == {("rerun", "2026-01-31")}
    run("verify", "--form-only", PART, "-s", "pair.toml")
    capfd.readouterr()
    run("export", "-s", "pair.toml")
    assert "already" not in capfd.readouterr().out  # the same runs


def test_a_board_that_is_none_is_said_before_anything_is_frozen(board, capfd):
    frozen = board.with_name("tiny-reference.csv")
    frozen.unlink()
    whole = board.read_text()
    for text, fault in (
        ("a,b\n", "row 1: the column 'suite' is missing"),
        (whole + whole.splitlines()[-1], "row 6"),
    ):
        board.write_text(text)
        assert status_of(["export", "-s", "tiny.toml", "--freeze", "random-search"]) == 2
        assert fault in capfd.readouterr().err
        assert not frozen.exists()


def test_a_file_is_named_from_the_folder_of_the_export(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pair.toml").write_text(PAIR)
    Path("mine.py").write_text(MINE)
    run("run", f"{tmp_path}/mine.py:Mine:n=2", "-s", "pair.toml", "-j", "1", "-r", "1")
    run("export", "-s", "pair.toml")
    assert {row["method"] for row in read(Path(PART))} == {"mine.py:Mine:n=2"}
    run("verify", PART, "-s", "pair.toml", "-j", "1", "--sample", "1", "-o", "results/pair")
    before = Path(PART).read_text()
    run("run", "./mine.py:Mine:n=2", "-s", "pair.toml", "-j", "1", "-o", "results/more")
    run("export", "results/more", "-s", "pair.toml", "-o", PART)
    assert Path(PART).read_text() == before
    run("export", "results/more", "-s", "pair.toml", "-o", PART, "--replace", "mine.py:Mine:n=2")
    assert {row["n_runs"] for row in read(Path(PART))} == {"3", "6"}


def test_what_no_run_built_has_no_row(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("gone.py").write_text(GONE)
    more = '[[problem]]\nid = "gone"\nobjective = "gone.py:gone"\ntargets = [1.0]\n'
    Path("pair.toml").write_text(f"{PAIR}\n{more}")
    assert status_of(["run", "random-search", "-s", "pair.toml", "-j", "1", "-r", "1"]) == 1
    run("export", "-s", "pair.toml")
    assert "no run built its problem and recorded its dimension: random-search on" in (
        capfd.readouterr().out
    )
    assert "" not in {row["dimension"] for row in read(Path(PART))}
    run("verify", "--form-only", PART, "-s", "pair.toml")


@pytest.mark.parametrize(
    ("words", "made", "asked"),
    [
        (["-p", "sphere-d3"], 3, 6),
        (["-p", "sphere-d3", "-r", "2"], 2, 6),
        (["-r", "1"], 2, 6),
        ([], 6, 6),
    ],
)
def test_coverage_is_of_the_suites_runs(tmp_path, monkeypatch, capfd, words, made, asked):
    monkeypatch.chdir(tmp_path)
    Path("pair.toml").write_text(PAIR)
    run("run", "random-search", "-s", "pair.toml", "-j", "1", *words)
    run("export", "-s", "pair.toml")
    (row,) = (row for row in read(Path(PART)) if row["dimension"] == "3")
    assert float(row["coverage"]) == pytest.approx(made / asked, abs=1e-6)
    assert int(row["n_runs"]) == made
    capfd.readouterr()
    run("verify", "--form-only", PART, "-s", "pair.toml")
    said = f": {made} of {asked} runs" if made < asked else ""
    assert f"random-search, d=3, functions{said}\n" in capfd.readouterr().out
    write(Path(PART), [row | {"coverage": "0.9"}])
    assert status_of(["verify", "--form-only", PART, "-s", "pair.toml"]) == 1
    assert f"column coverage: 0.9, but {made} of {asked} runs" in capfd.readouterr().out


def test_groups_without_a_row_are_said(tmp_path, monkeypatch, capfd):
    """Who ran a part of a suite reads that the rest counts as not covered."""
    monkeypatch.chdir(tmp_path)
    Path("pair.toml").write_text(PAIR.replace('group = "functions"\nsettings', "settings"))
    run("run", "random-search", "-s", "pair.toml", "-j", "1", "-p", "quadratic")
    capfd.readouterr()
    run("export", "-s", "pair.toml")
    out = capfd.readouterr().out
    assert "random-search has no row yet for 2 of the suite's groups" in out
    assert "not covered: functions (d = 3), functions (d = 5)" in out
    run("run", "random-search", "-s", "pair.toml", "-j", "1")
    capfd.readouterr()
    run("export", "-s", "pair.toml")
    assert "no row yet" not in capfd.readouterr().out


def test_two_exports_at_a_time_lose_no_row(board, monkeypatch):
    """Both have read their runs before either writes: one waits until the other has written."""
    run("run", "spsa", "-s", "tiny.toml", "-j", "1", "-r", "1", "-o", "results/more")
    folders = [Path("results/tiny"), Path("results/more")]
    met, read_runs = threading.Barrier(len(folders)), leaderboard.read

    def together(*words, **more):
        found = read_runs(*words, **more)
        met.wait(60)
        return found

    monkeypatch.setattr(leaderboard, "read", together)
    out = Path("leaderboards/new.csv")
    with ThreadPoolExecutor(len(folders)) as pool:
        list(pool.map(lambda folder: leaderboard.export("tiny.toml", folder, out), folders))
    assert {row["method"] for row in read(out)} == {*METHODS, "spsa"}


def test_imported_runs_are_no_rows(board, capfd):
    before = board.read_text()
    coco_folder(Path("data"), [(0, 50, [(1, 9.0), (9, 0.5)])], "random-search")
    run("import", "data", "-o", "imported")
    capfd.readouterr()
    words = ["export", "imported", "-s", "bbob", "-o", BOARD, "--replace", "random-search"]
    assert status_of(words) == 2
    assert "imported holds imported data; a leaderboard is of runs" in capfd.readouterr().err
    assert board.read_text() == before


def test_what_contradicts_the_spelling_is_one_line(capfd):
    for more in (["--format", "coco"], ["--suite", "bbob"]):
        assert status_of(["export", "--leaderboard", "tiny.toml", *more]) == 2
        err = capfd.readouterr().err
        assert "omit --suite and --format" in err
        assert len(err.splitlines()) == 1


def test_what_a_kill_left_unmade_counts_and_is_said(tmp_path, monkeypatch, capfd):
    """Planned problems without a run belong to their dimension and group."""
    monkeypatch.chdir(tmp_path)
    Path("pair.toml").write_text(PAIR)
    run("run", "random-search", "-s", "pair.toml", "-j", "1")
    with closing(sqlite3.connect(Path("results/pair") / FILE)) as db, db:
        without_checksums(db)
        db.execute("PRAGMA foreign_keys = OFF")
        keys = "SELECT run_key FROM plans JOIN problems p ON p.id = plans.problem"
        gone = db.execute(
            f"DELETE FROM runs WHERE run_key IN ({keys} WHERE p.problem = 'quadratic')"
        )
        assert gone.rowcount == 3
    run("export", "-s", "pair.toml")
    (row,) = (row for row in read(Path(PART)) if row["dimension"] == "3")
    assert (row["coverage"], row["n_runs"]) == ("0.5", "3")
    run("verify", "--form-only", PART, "-s", "pair.toml")
    capfd.readouterr()
    for form in ("text", "md"):
        run("report", "results/pair", "--format", form, "-o", f"report.{form}")
        said = " ".join(Path(f"report.{form}").read_text().split())
        assert "3 of the 9 runs that were asked for are not there" in said
        assert "random-search reached the final target on" in said


def test_track_and_trials_are_those_of_the_rows_group(tmp_path, monkeypatch, capfd):
    """An estimator may be tuned on one group and not on another, or with other trials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zobench.harness.baseline.data_folder", lambda kind: tmp_path / kind)
    Path("pair.toml").write_text(PAIR.replace('group = "functions"\nsettings', "settings"))
    Path("baselines/pair").mkdir(parents=True)
    for name in ("spsa", "zo-sgd"):
        text = "[settings.functions]\nlr = 0.03\n[record.functions]\ntrials = 7\n"
        if name == "zo-sgd":
            text += "[settings.quadratic]\nlr = 0.02\n[record.quadratic]\ntrials = 3\n"
        Path(f"baselines/pair/{name}.toml").write_text(text)
    run("run", "spsa", "zo-sgd", "-s", "pair.toml", "-j", "1")
    run("export", "-s", "pair.toml")
    rows = read(Path(PART))
    found = {(r["method"], r["group"]): (r["track"], r["tuning_effort"]) for r in rows}
    assert found == {
        ("spsa", "functions"): ("tuned", "7"),
        ("spsa", "quadratic"): ("default", "0"),
        ("zo-sgd", "functions"): ("tuned", "7"),
        ("zo-sgd", "quadratic"): ("tuned", "3"),
    }
    run("verify", "--form-only", PART, "-s", "pair.toml")
    spoilt = [r | {"tuning_effort": "7"} if r["group"] == "quadratic" else r for r in rows]
    write(Path(PART), [r | {"track": "tuned"} for r in spoilt])
    capfd.readouterr()
    assert status_of(["verify", "--form-only", PART, "-s", "pair.toml"]) == 1
    out = capfd.readouterr().out
    assert "column track: tuned, but baselines/pair holds nothing of spsa on group 'quad" in out
    assert "column tuning_effort: 7, but the baseline says 3" in out


def test_runs_that_are_not_the_suites_are_said(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("pair.toml").write_text(PAIR)
    run("run", "random-search", "-s", "pair.toml", "-j", "1")
    run("export", "-s", "pair.toml")
    assert "omitted" not in capfd.readouterr().out
    run("run", "spsa", "-s", "pair.toml", "-j", "1", "-p", "quadratic", "-b", "30")
    run("export", "-s", "pair.toml")
    assert "not those of the suite: runs of quadratic\n" in capfd.readouterr().out
