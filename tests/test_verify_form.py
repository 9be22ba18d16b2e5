"""`zobench verify --form-only`: rows against suite, estimator, hashes and themselves."""

import contextlib
import csv
import gzip
import io
import itertools
import re
import tracemalloc
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from verify_tools import BOARD, MINE, TINY, edit, make_board, read, signed, write

import zobench
from zobench.analysis.leaderboard import COLUMNS, targets_hash
from zobench.cli import status_of
from zobench.errors import BadInput
from zobench.harness.plan import plan
from zobench.harness.suite_file import load
from zobench.leaderboard.board_file import BoardRow, read_board, read_table
from zobench.leaderboard.columns import cell_fault
from zobench.leaderboard.frozen import frozen_file, read_frozen
from zobench.leaderboard.hashes import data_hash, settings_hash
from zobench.leaderboard.releases import RELEASED, is_earlier, version_fault
from zobench.leaderboard.verify.check import BoardChecker, check
from zobench.leaderboard.verify.expected import problems_by_hash, repetitions
from zobench.results.stored import stored

METHODS = ("random-search", "zo-sgd:lr=1e-2")


@pytest.fixture
def verify(capfd):
    """Run the command with --form-only: (status, lines printed, error)."""

    def run(*files: str):
        capfd.readouterr()
        arguments = ["verify", "--form-only", *(files or (BOARD,)), "--suite", "tiny.toml"]
        status = status_of(arguments)
        out, err = capfd.readouterr()
        return status, out.splitlines(), err

    return run


def line_of(lines, row):
    (found,) = [line for line in lines if line.startswith(f"  row {row} ")]
    return found


def test_what_export_writes_fits(board, verify):
    status, lines, err = verify(BOARD, "leaderboards/tiny-reference.csv")
    assert (status, err) == (0, "")
    names = [f"{row['method']}, d={row['dimension']}, functions" for row in read(board)]
    assert len(names) == 4
    assert lines == [
        f"{BOARD}: 4 rows",
        *(f"  row {n:<4} fits       {name}" for n, name in enumerate(names, 2)),
        "  Form: 4 fit, 0 unchecked, 0 refused",
        "leaderboards/tiny-reference.csv: 6 rows of frozen runs",
        "  Form: 6 fit, 0 unchecked, 0 refused",
    ]


def test_what_says_that_it_was_verified_is_told(board, verify):
    edit(board, 3, verified="rerun")
    status, lines, _ = verify()
    assert status == 0
    assert lines[-1] == "  Verified, says row 3: a maintainer says so, never the row's own author"


WRONG = [  # changed cells, what is said of the row
    ({"suite": "tinny", "seed_root": "tinny/1"}, "column suite: no suite named 'tinny'; did you"),
    ({"suite_version": "7", "seed_root": "tiny/7"}, "column suite_version: '7', but suite 'tiny'"),
    ({"dimension": "4"}, "column targets_hash"),
    ({"dimension": "1e1"}, "column dimension: a whole number from 0, not '1e1'"),
    ({"group": "function"}, "column group: no group named 'function'; did you mean 'functions'?"),
    ({"method": "random-serch"}, "column method: no estimator named 'random-serch'"),
    ({"method": "zo-sgd:lr=x"}, "column method: zo-sgd: setting 'lr' takes a number"),
    ({"method": "zo-sgd:lr=-1"}, "column method: zo-sgd: setting 'lr' must be 0 or above"),
    ({"method": "mine.py:Mine"}, "column method: there is no file 'mine.py' here"),
    ({"method": "../mine.py:Mine"}, "column method: '../mine.py': name the file from"),
    ({"method": "/mine.py:Mine"}, "column method: '/mine.py': name the file from"),
    ({"method": "x" * 290 + ".py:Mine"}, "column method: there is no file"),
    ({"version": "99.0.0"}, "column version: '99.0.0', but this is zobench"),
    ({"version": "mine"}, "column version: 'mine', but this is zobench"),
    ({"git_sha": "abc"}, "column git_sha: a commit of 40 hex digits"),
    ({"first_order": "True"}, "column first_order: False for "),
    ({"first_order": "no"}, "column first_order: one of True, False, not 'no'"),
    ({"track": "best"}, "column track: one of default, tuned, user, not 'best'"),
    ({"track": "tuned"}, "column track: tuned, but baselines/tiny holds nothing"),
    ({"tuning_effort": "3"}, "column tuning_effort: 0 on the track"),
    ({"n_problems": "2"}, "column n_problems: 2 of 1 problems"),
    ({"n_problems": "0"}, "column n_problems: 0 problems with 3 runs"),
    ({"n_problems": "9"}, "column n_runs: 3 runs on 9 problems"),
    ({"coverage": "0.5"}, "column coverage: 0.5, but 3 of 3 runs were made"),
    ({"n_runs": "4"}, "column n_runs: 4, but the suite asks for at most 3"),
    ({"n_failed": "4"}, "column n_failed: 4 of 3 runs"),
    ({"n_failed": "-1"}, "column n_failed: a whole number from 0, not '-1'"),
    ({"success_rate": "0.5"}, "column success_rate: 0.5 is not a share of 3 runs"),
    ({"success_rate": "nan"}, "column success_rate: a share from 0 to 1, not 'nan'"),
    ({"success_rate": ""}, "column success_rate: empty, though there are 3 runs"),
    ({"log_area": "1.2"}, "column log_area: a share from 0 to 1, not '1.2'"),
    ({"log_area": "0_1"}, "column log_area: a share from 0 to 1, not '0_1'"),
    ({"log_area": "٠"}, "column log_area: a share from 0 to 1"),
    ({"log_area_low": "0.9", "log_area_high": "0.95"}, "column log_area: "),
    ({"log_area_low": ""}, "column log_area_low: a value and both ends"),
    ({"log_area": "0.9", "log_area_low": "", "log_area_high": ""}, "column log_area: above aocc"),
    ({"baseline": "spsa"}, "column baseline: 'spsa', but the frozen runs are of 'random-search'"),
    ({"baseline": "", "n_speedup": "", "speedup": "", "speedup_low": "", "speedup_high": ""},
     "column baseline: empty, though runs are frozen"),
    ({"success_rate": "1", "log_area": "0", "log_area_low": "", "log_area_high": "",
      "aocc": "0", "aocc_low": "", "aocc_high": ""}, "column aocc: 0, though final targets"),
    ({"n_runs": "0", "n_problems": "0", "n_failed": "0", "coverage": "0"},
     "though there are no runs"),
    ({"success_rate": "0", "log_area": "0.85", "log_area_low": "", "log_area_high": "",
      "aocc": "0.86", "aocc_low": "", "aocc_high": "", "n_speedup": "0", "speedup": "",
      "speedup_low": "", "speedup_high": ""}, "column log_area: above 0.8, the most with that"),
    ({"success_rate": "1", "log_area": "0.59", "log_area_low": "", "log_area_high": "",
      "aocc": "1", "aocc_low": "", "aocc_high": ""}, "column log_area: below 0.9999"),
    ({"success_rate": "1", "log_area": "0", "log_area_low": "", "log_area_high": "",
      "aocc": "0.92", "aocc_low": "", "aocc_high": ""}, "column log_area: below 0.5"),
    ({"success_rate": "1", "log_area": "0", "log_area_low": "", "log_area_high": "",
      "aocc": "0.003", "aocc_low": "", "aocc_high": ""},
     "column aocc: below 0.00333333, the least with that success_rate and budget"),
    ({"success_rate": "0", "n_speedup": "1", "speedup": "2"}, "column success_rate: 0, though"),
    ({"n_speedup": "2"}, "column n_speedup: 2 of 1 problems"),
    ({"n_speedup": "1", "speedup": "", "speedup_low": "", "speedup_high": ""},
     "column n_speedup: 1, though there is no speedup"),
    ({"threads": "-3"}, "column threads: a number from 1"),
    ({"us_per_query": "-1"}, "column us_per_query: a number from 0.001 to 1e12, not '-1'"),
    ({"peak_rss_mb": "inf"}, "column peak_rss_mb: a finite number from 0, not 'inf'"),
    ({"targets_hash": "0" * 16}, "column targets_hash: 0000000000000000 fits no problems"),
    ({"targets_hash": "xyz"}, "column targets_hash: 16 hex digits, not 'xyz'"),
    ({"settings_hash": "0" * 16}, "column settings_hash: 0000000000000000, but "),
    ({"settings_hash": ""}, "column settings_hash: empty"),
    ({"speedup": "5000", "speedup_low": "4000", "speedup_high": "6000"},
     "column speedup: 5000, but no target of the frozen runs costs over "),
    ({"baseline_sha256": "0" * 16}, "column baseline_sha256: 0000000000000000, but "),
    ({"baseline_sha256": ""}, "column baseline_sha256: empty, but "),
    ({"data_sha256": "ABCDEF0123456789"}, "column data_sha256: 16 hex digits"),
    ({"seed_root": "tiny/2"}, "column seed_root: tiny/1 by the other columns"),
    ({"date": "2026-02-30"}, "column date: a day such as"),
    ({"date": "2999-01-01"}, "column date: a day such as"),
    ({"git_sha": ""}, "column git_sha: empty"),
    ({"cpu": ""}, "column cpu: empty"),
    ({"os": "AMD EPYC"}, "column os: a system and its release"),
    ({"python": "2.4.6"}, "column python: a version such as 3.11.7"),
    ({"numpy": ""}, "column numpy: empty"),
    ({"packages": ""}, "column packages: empty"),
    ({"packages": "cma 4.5.0; a"}, "column packages: such as 'gymnasium 1.0.0; mujoco 3.3.7'"),
    ({"packages": "scipy 1.0; cma 4.5.0"}, "in the order of names"),
    ({"packages": "cma 4.5.0 | 4.6; scipy 1.0"}, None),
    ({"us_per_query": "1e-320"}, "column us_per_query: a number from 0.001 to 1e12"),
    ({"us_per_query": "0"}, "column us_per_query: a number from 0.001 to 1e12"),
    ({"peak_rss_mb": "30"}, None),  # of a traced repetition, where runs share a process
    ({"cpu": "2.4.6"}, "column cpu: the name of a processor"),
    ({"cpu": "AMD EPYC (family x)"}, "column cpu: the name of a processor"),
    ({"cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz (family 6, model 79, AVX2) | x86_64"}, None),
    ({"us_per_query": ""}, "column us_per_query: empty, though there are runs"),
    ({"verified": "yes"}, "column verified: one of none, self, rerun, not 'yes'"),
    ({"cpu": "=cmd|' /C calc'!A0"}, 'column cpu: "=cmd|\' /C calc\'!A0" is a formula'),
    ({"method": "@SUM(1)"}, "column method: '@SUM(1)' is a formula"),
    ({"os": "a\x00b"}, "column os: the character '\\x00', which no cell may hold"),
    ({"os": "\x1b[2J"}, "column os: the character '\\x1b'"),
    ({"cpu": "x" * 5000}, "column cpu: 5,000 characters, of at most 300"),
    ({"cpu": "x" * 3_000_000}, "characters, most of them in cell "),
    ({"cpu": 'Intel 1,2 "'}, None),  # quoted by CSV: nothing wrong
]  # fmt: skip


@pytest.mark.parametrize(("cells", "said"), WRONG, ids=lambda v: str(v)[:40])
def test_a_wrong_cell_is_told_with_row_and_column(board, verify, cells, said):
    edit(board, 3, **cells)
    status, lines, err = verify()
    assert err == ""
    assert len(lines) == 6
    refused = [line for line in lines[1:-1] if "refused" in line]
    if said is None:
        assert (status, refused) == (0, [])
        return
    assert status == 1
    assert refused == [line_of(lines, 3)]
    assert said in refused[0]
    assert len(refused[0]) < 400 + len(cells.get("method", ""))
    assert lines[-1] == "  Form: 3 fit, 0 unchecked, 1 refused"


def test_a_row_that_is_there_twice(board, verify):
    rows = read(board)
    write(board, [*rows, rows[1]])
    status, lines, _ = verify()
    assert status == 1
    assert "the same estimator, dimension and group as row 3" in line_of(lines, 6)


def test_broken_lines_are_told_and_the_others_still_checked(board, verify):
    lines = board.read_text().splitlines()
    broken = [lines[1] + ",more", lines[2].replace(",", ',"', 1), "x", lines[4]]
    board.write_text("\r\n".join([lines[0], *broken, "", ""]))
    status, lines, _ = verify()
    assert status == 1
    assert "cells, but there are" in line_of(lines, 2)
    assert "row 3    refused    cannot be read: no CSV" in line_of(lines, 3)
    assert "1 cells, but there are" in line_of(lines, 4)
    assert "fits" in line_of(lines, 5)
    assert lines[-1] == "  Form: 1 fit, 0 unchecked, 3 refused"


def head(change):
    def spoil(text: str) -> bytes:
        first, _, rest = text.partition("\n")
        return f"{change(first)}\n{rest}".encode()

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (head(lambda h: h.replace("log_area,", "")), "row 1: the column 'log_area' is missing"),
        (head(lambda h: h + ",rank"), "row 1: no column named 'rank'"),
        (head(lambda h: h + ",cpu"), "row 1, column "),
        (head(lambda h: h.replace("cpu", "c\x00pu")), "the character '\\x00'"),
        (head(lambda h: h.replace("cpu", '"cpu')), "row 1: no CSV"),
        (lambda text: b"", "row 1: no names of columns"),
        (lambda text: text.encode() + b"\xff\xfe", "row 6: no UTF-8 text"),
        (lambda text: b"\0" * 1000, "row 1, column 1: 1,000 characters"),
        (lambda text: b"PK\x03\x04" + bytes(range(256)), "no UTF-8 text"),
        (lambda text: b"x" * 20_000_001, "has more than 20,000,000 bytes"),
    ],
)
def test_what_is_no_leaderboard_is_one_line(board, verify, spoil, said):
    board.write_bytes(spoil(board.read_text()))
    status, lines, err = verify()
    assert (status, lines) == (2, [])
    assert said in err
    assert BOARD in err
    assert len(err.splitlines()) == 1


def test_spoilt_bytes_never_break_the_check(board):
    """Any file is a leaderboard with faults, or none at all: BadInput, and nothing else."""
    rng, good, suite = np.random.default_rng(0), board.read_bytes(), load("tiny.toml")
    pieces = [
        b",",
        b'"',
        b"\n",
        b"\r",
        b"\0",
        b"=",
        b"-",
        b"9" * 30,
        b"nan",
        b":",
        b".py:",
        b"\xff",
    ]
    pieces += ["\u202e".encode(), b"1e999", b"../", b"[", b"%", b"|", b" "]
    known, refusals = 0, []
    for _ in range(300):
        spoilt = bytearray(good)
        for _ in range(rng.integers(1, 6)):
            at, cut = rng.integers(len(spoilt)), rng.integers(0, 12)
            spoilt[at : at + cut] = pieces[rng.integers(len(pieces))] * rng.integers(0, 3)
        board.write_bytes(bytes(spoilt))
        try:
            rows = check(board, suite).rows
        except BadInput as error:
            refusals.append(str(error))
            continue
        known += 1
        assert all(found.note for found in rows if found.status == "refused")
        assert all(line.isprintable() for found in rows for line in (found.note, found.name))
    assert known > 50
    assert len(refusals) > 20
    assert all(len(text.splitlines()) == 1 for text in refusals)


def test_files_that_are_not_there(board, verify):
    status, _, err = verify("leaderboards/none.csv")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "cannot read leaderboards/none.csv: No such file" in err
    assert "Is a directory" in verify("leaderboards")[2]


def test_form_executes_no_submitted_file(board, verify, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    rows = read(board)
    mine = {"method": "mine.py:Mine"}
    write(board, [signed(row | mine) if row["method"] == METHODS[1] else row for row in rows])
    status, lines, _ = verify()
    assert (status, "fits" in line_of(lines, 3)) == (0, True)
    assert "the file's settings are checked when it is run" in line_of(lines, 3)
    assert not (tmp_path / "executed").exists()


def test_rows_of_earlier_versions_are_unchecked(board, verify, tmp_path):
    edit(board, 2, version="0.1.0", settings_hash="0" * 16)
    edit(board, 3, version="0.1.0")
    status, lines, _ = verify()
    assert status == 0
    assert "unchecked" in line_of(lines, 2)
    assert "of zobench 0.1.0; now: column settings_hash" in line_of(lines, 2)
    assert "fits" in line_of(lines, 3)
    (tmp_path / "tiny.toml").write_text(TINY.replace('version = "1"', 'version = "2"'))
    status, lines, _ = verify()
    assert status == 0
    assert "row 3    unchecked" in line_of(lines, 3)
    assert "of suite tiny version 1; here is version 2" in line_of(lines, 3)


def test_a_suite_that_changed_under_its_version_is_found(board, verify, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY.replace("budget = 60", "budget = 50"))
    status, lines, _ = verify()
    assert status == 1
    assert all("column targets_hash" in line for line in lines[1:-1])
    (tmp_path / "tiny.toml").write_text(
        TINY.replace("\ntargets", "\nsettings = { blocks = 3 }\ntargets")
    )
    status, lines, _ = verify()
    assert status == 1
    assert all("column settings_hash" in line for line in lines[1:-1])


def test_frozen_runs_are_held_against_the_suite(board, verify):
    file = board.with_name("tiny-reference.csv")
    good = list(csv.DictReader(io.StringIO(file.read_text())))
    for cells, said in (
        ({"run_key": "0" * 24}, "is not a run of random-search on suite tiny version 1"),
        ({"estimator": "spsa"}, "column estimator"),
        ({"seed": "1"}, "column seed: '1', but "),
        ({"target": "3"}, "column target: '3', but "),
        (good[0], "for the second time"),
        ({"length": "61"}, "column length: from 1 to 60 queries, not '61'"),
        ({"length": "x"}, "column length: a number, not 'x'"),
        ({"success": "yes"}, "column success: 'yes', but True by its run"),
        ({"kind": "=1+1"}, "column kind: '=1+1' is a formula"),
        ({"dimension": "4"}, "column dimension: '4', but 3 for sphere-d3"),
        ({"at_start": "True", "length": "9"}, "column at_start: 'True', but False by length"),
    ):
        rows = [dict(row) for row in good]
        rows[1] |= cells
        write(file, rows)
        status, lines, _ = verify("leaderboards/tiny-reference.csv")
        assert status == 1
        assert said in line_of(lines, 3)
    write(file, [good[0] | {"target_index": "0", "target": "8"}, *good[1:]])
    status, lines, _ = verify("leaderboards/tiny-reference.csv")
    assert (status, "the final one" in lines[1]) == (1, True)


def test_other_frozen_runs_than_the_rows_say_are_found(board, verify):
    """A longer run of the baseline would make every speed-up look better."""
    file = board.with_name("tiny-reference.csv")
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    write(file, [row | {"length": "60"} for row in rows])
    assert verify("leaderboards/tiny-reference.csv")[0] == 0  # they could be runs of the suite
    status, lines, _ = verify()
    assert status == 1
    assert sum("column baseline_sha256: " in line for line in lines) == 4
    write(file, [row | {"length": "x"} for row in rows])
    status, _, err = verify()
    assert (status, "holds no frozen runs" in err) == (2, True)


# hashes


def test_the_settings_hash_is_of_what_defines_the_runs(made):
    suite = load(made / "tiny.toml")
    specs = plan(suite, ["zo-sgd"])
    digest = settings_hash(specs)
    assert len(digest) == 16
    assert settings_hash([]) == ""
    same = [
        [s for s in reversed(specs) if s.repetition == 1],
        [replace(s, problem=replace(s.problem, time_limit=1.0, how="x")) for s in specs],
        [replace(s, estimator=replace(s.estimator, text="mine")) for s in specs],
    ]
    assert {settings_hash(other) for other in same} == {digest}
    first, rest = specs[0], specs[1:]
    problem, estimator = first.problem, first.estimator
    others = [
        rest[3:],  # one problem fewer
        *(
            [replace(first, problem=replace(problem, **change)), *rest]
            for change in (
                {"budget": 61}, {"targets": (1.0,)}, {"version": "9"}, {"scored": "current"},
                {"settings": problem.settings | {"dim": 7}}, {"instances": (1, 2, 3)}, {"id": "p"},
                {"objective": "bbob"},
            )
        ),
        *(
            [replace(first, estimator=replace(estimator, **change)), *rest]
            for change in (
                {"settings": estimator.settings | {"lr": 3.0}}, {"version": "9"}, {"entry": "spsa"},
            )
        ),
        [replace(s, suite_version="2") for s in specs],
        [replace(s, suite="other") for s in specs],
    ]  # fmt: skip
    assert len({digest, *map(settings_hash, others)}) == 1 + len(others)


def test_the_data_hash_is_of_the_rows_own_runs(made):
    found = stored(made / "results" / "tiny")
    rows = read(made / BOARD)
    assert len({row["data_sha256"] for row in rows}) == len(rows)
    mine = found.runs[found.runs["dimension"] == 3]
    mine = mine[mine["estimator"] == rows[0]["method"]]
    (row,) = [r for r in rows if (r["dimension"], r["method"]) == ("3", rows[0]["method"])]
    assert data_hash(mine, found.hits) == row["data_sha256"]
    assert data_hash(mine.iloc[::-1], found.hits.iloc[::-1]) == row["data_sha256"]
    slower = mine.assign(seconds=9.0, estimator_seconds=9.0, peak_memory=1)
    assert data_hash(slower, found.hits) == row["data_sha256"]
    later = mine.assign(queries=mine["queries"] + 1)
    assert data_hash(later, found.hits) != row["data_sha256"]
    own = found.hits["run_key"].isin(list(mine["run_key"]))
    assert data_hash(mine, found.hits[~own]) != row["data_sha256"]


def test_the_hash_of_targets_tells_which_problems_a_row_is_about():
    suite = load("llm-tiny")
    chosen = [p for p in suite.problems if p.group == "tiny"][1:3]
    listed = [
        {"problem": p.id, "target_index": i, "target": t, "kind": p.scored, "budget": p.budget}
        for p in chosen
        for i, t in enumerate(p.targets)
    ]
    found = problems_by_hash(suite, "tiny", 0)
    assert found[targets_hash(pd.DataFrame(listed))] == tuple(chosen)
    assert max(found.values(), key=len) == tuple(p for p in suite.problems if p.group == "tiny")


def test_numbers_of_repetitions():
    problems = load("smoke").problems  # 3, 3, 3 and 2 repetitions
    assert [repetitions(problems, n) for n in (0, 4, 5, 8, 11)] == [None, 1, None, 2, 3]


def test_every_column_is_known_to_be_text_or_checked():
    assert cell_fault("cpu", "any words") == ""
    assert cell_fault("log_area", "1e-05") == ""
    assert cell_fault("speedup", "1e400") != ""
    assert cell_fault("speedup_high", "inf") == ""
    assert cell_fault("git_sha", f"{'a' * 40} | {'b' * 40}+") == ""


BOARD_OF_ALL = Path(__file__).parents[1] / "leaderboards" / "bbob.csv"
MADE_UP = ("-1", "0.0.0", "-0", "00", "0", "0.1", "00.1.0", "0.1.0.0", "0.1.0 | 0.0.1", "")


@pytest.mark.parametrize("version", MADE_UP)
def test_a_version_that_was_never_released_is_refused(board, verify, tmp_path, version):
    """It would leave settings that do not fit unchecked."""
    edit(board, 2, version=version, settings_hash="0" * 16)
    status, lines, _ = verify()
    assert status == 1
    assert "column version: " in line_of(lines, 2)
    (tmp_path / "tiny.toml").write_text(TINY.replace('version = "1"', 'version = "2"'))
    status, lines, _ = verify()  # nor is it unchecked as a row of an earlier suite
    assert status == 1
    assert "column version: " in line_of(lines, 2)


@pytest.mark.parametrize("version", ["0", "00", "01", "²", "-1"])
def test_a_version_that_no_suite_had_is_refused(board, verify, tmp_path, version):
    (tmp_path / "tiny.toml").write_text(TINY.replace('version = "1"', 'version = "2"'))
    edit(board, 2, suite_version=version, seed_root=f"tiny/{version}")
    status, lines, _ = verify()
    assert status == 1
    assert "column suite_version: " in line_of(lines, 2)


def test_released_versions_are_those_of_the_changelog():
    text = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
    assert list(RELEASED) == re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.M)[::-1]
    assert not version_fault(zobench.__version__)
    assert not version_fault(" | ".join(RELEASED))
    assert version_fault("0.1.0 | 0.1.0")
    assert is_earlier("0.1.0")
    assert not is_earlier(zobench.__version__)
    assert not is_earlier("0.0.1")


OWN = [  # changed cells of the row of the frozen method, the column at fault
    ({"success_rate": "0.666667", "log_area": "0.5", "log_area_low": "", "log_area_high": "",
      "aocc": "0.6", "aocc_low": "", "aocc_high": ""}, "success_rate"),
    ({"speedup": "0.9"}, "speedup"),
    ({"speedup": "1.5", "speedup_low": "1.2"}, "speedup"),
    ({"speedup": "0", "speedup_low": "0"}, "speedup"),
    ({"speedup_low": "0.987"}, "speedup_low"),
    ({"speedup_high": "1.234"}, "speedup_high"),
    ({"n_runs": "2", "coverage": f"{2 / 3:.6g}"}, "n_runs"),
]  # fmt: skip


@pytest.fixture(scope="module")
def reached(tmp_path_factory):
    """A leaderboard whose frozen runs reach the final target in 3 of 3 runs, and its texts."""
    easy = TINY.replace("[8.0, 4.0, 2.0, 1.0, 0.5]", "[8.0, 7.0, 6.0]")
    board = make_board(tmp_path_factory.mktemp("reached"), *METHODS, suite=easy)
    return board, board.read_text()


@pytest.mark.parametrize(("cells", "column"), OWN, ids=lambda v: str(v)[:40])
def test_the_row_of_the_frozen_method_is_that_of_its_frozen_runs(reached, cells, column):
    board, text = reached
    board.write_text(text)
    suite = load(board.parents[1] / "tiny.toml")
    assert check(board, suite).is_good
    at = next(i for i, row in enumerate(read(board), 2)
              if row["method"] == "random-search" and row["speedup"])  # fmt: skip
    edit(board, at, **cells)
    row = check(board, suite).rows[at - 2]
    assert row.status == "refused"
    assert row.note.startswith(f"column {column}: ")


def test_no_speedup_is_slower_than_the_budget_allows(reached):
    board, text = reached
    board.write_text(text)
    at = next(i for i, row in enumerate(read(board), 2)
              if row["method"] != "random-search" and row["speedup"])  # fmt: skip
    for value in ("0", "1e-9"):
        edit(board, at, speedup=value, speedup_low="0")
        row = check(board, load(board.parents[1] / "tiny.toml")).rows[at - 2]
        assert (row.status, row.note[:16]) == ("refused", "column speedup: ")


# What only a rerun of the row can tell: meters, and figures that the frozen runs do not tie down.
RERUN = {
    "us_per_query", "peak_rss_mb", "speedup", "speedup_low", "speedup_high",
    "aocc", "aocc_low", "aocc_high", "log_area", "log_area_low", "log_area_high",
}  # fmt: skip


def row_fits(cells: dict[str, str]) -> bool:
    """Is a row of the board of the whole registry accepted, with these cells?"""
    checker = BoardChecker(None, frozen_runs_of_all())
    return checker.check(BoardRow(2, cells)).status != "refused"


@cache
def frozen_runs_of_all():
    return read_frozen(frozen_file(BOARD_OF_ALL))


@pytest.mark.skipif(not BOARD_OF_ALL.is_file(), reason="no leaderboards here")
@pytest.mark.parametrize("place", [1, 45])
def test_no_cell_of_a_real_board_can_be_emptied_swapped_or_changed_unseen(place, monkeypatch):
    monkeypatch.chdir(BOARD_OF_ALL.parents[1])
    # as if this version had made it: what does not fit in a row of an earlier one is unchecked
    cells = read_table(BOARD_OF_ALL).rows[place].cells | {"version": zobench.__version__}
    assert row_fits(signed(cells))
    names = [name for name in cells if name != "verified"]
    for name, other in itertools.product(names, names):
        new = {name: cells[other], other: cells[name]}
        assert cells[name] == cells[other] or not row_fits(signed(cells) | new)
        assert not cells[name] or not row_fits(signed(cells) | {name: ""})


@pytest.mark.skipif(not BOARD_OF_ALL.is_file(), reason="no leaderboards here")
@pytest.mark.parametrize("place", [1, 45])
def test_a_forged_cell_of_a_real_board_is_found_but_for_what_only_a_rerun_can_tell(
    place, monkeypatch
):
    """The forger gives the row the hash of its new cells."""
    monkeypatch.chdir(BOARD_OF_ALL.parents[1])
    cells = read_table(BOARD_OF_ALL).rows[place].cells | {"version": zobench.__version__}

    def fits(cells: dict[str, str]) -> bool:
        return row_fits(signed(cells))

    assert fits(cells)
    emptied = {k for k in cells if cells[k] and fits(cells | {k: ""})}
    assert emptied <= {"peak_rss_mb"}
    changed = set()
    for k in cells:
        with contextlib.suppress(ValueError):
            more = f"{float(cells[k]) * 1.02:.6g}"
            changed |= {k} if more != cells[k] and fits(cells | {k: more}) else set()
    assert changed <= RERUN
    for name in ("log_area", "aocc"):  # the middle of an interval that is not cut
        ends = {f"{name}_low", f"{name}_high"}
        if not {cells[end] for end in ends} & {"", "0", "1"}:
            assert not changed & {name, *ends}
    swapped = {
        (a, b)
        for a, b in itertools.combinations(cells, 2)
        if cells[a] != cells[b] and fits(cells | {a: cells[b], b: cells[a]})
    }
    assert len(swapped) <= 4
    assert all({a, b} <= RERUN | {"threads", "n_failed", "n_speedup"} for a, b in swapped)


def test_frozen_runs_of_an_earlier_version_are_unchecked_but_for_their_suite(board, verify):
    file = board.with_name("tiny-reference.csv")
    name = str(file.relative_to(board.parents[1]))
    rows = read(file)
    assert {row["version"] for row in rows} == {zobench.__version__}

    def told(**cells):
        write(file, [row | {"run_key": row["run_key"][::-1]} | cells for row in rows])
        status, lines, _ = verify(name)
        return status, lines[-1]

    assert told() == (1, f"  Form: 0 fit, 0 unchecked, {len(rows)} refused")
    assert told(version="0.1.0") == (0, f"  Form: 0 fit, {len(rows)} unchecked, 0 refused")
    assert told(version="0.1.0", target="7")[0] == 1
    assert told(version="0.1.0", seed="7")[0] == 1
    assert told(version="soon")[0] == 1
    for key in ("", "zzz", "0" * 23, "0" * 25, "A" * 24):
        write(file, [rows[0] | {"run_key": key, "version": "0.1.0"}, *rows[1:]])
        status, lines, _ = verify(name)
        assert (status, "column run_key" in line_of(lines, 2)) == (1, True)
    older = [{k: v for k, v in row.items() if k != "version"} for row in rows]
    write(file, [row | {"run_key": row["run_key"][::-1]} for row in older])
    assert verify(name)[0] == 0


def test_a_board_without_a_row_or_rows_is_no_good(board, verify):
    rows = read(board)
    for gone in range(len(rows)):
        write(board, rows[:gone] + rows[gone + 1 :])
        status, lines, _ = verify()
        assert (status, [line for line in lines if "missing" in line]) == (
            1,
            [f"  missing    {rows[gone]['method']} has no row for functions "
             f"(d = {rows[gone]['dimension']})"],
        )  # fmt: skip
    # a method that has no row at all may never have been run, but for that of the frozen runs
    for method, status in ((METHODS[1], 0), ("random-search", 1)):
        write(board, [row for row in rows if row["method"] != method])
        assert verify()[0] == status
    # whose rows may have been withdrawn where an earlier zobench froze them
    frozen = board.with_name("tiny-reference.csv")
    write(frozen, [row | {"version": "0.1.0"} for row in read(frozen)])
    assert verify()[0] == 0
    for file in (board, frozen):
        head = file.read_text().splitlines()[0]
        file.write_text(f"{head}\n")
        assert verify(str(file.relative_to(board.parents[1])))[0] == 1


def test_columns_in_another_order_are_no_leaderboard(board, verify):
    rows = read(board)
    names = list(rows[0])
    names[5], names[6] = names[6], names[5]
    write(board, [{name: row[name] for name in names} for row in rows])
    status, _, err = verify()
    assert (status, "row 1: the column 'git_sha' where 'version' belongs" in err) == (2, True)


def test_a_file_older_than_a_column_still_fits(board, verify):
    rows = read(board)
    assert {row["packages"] for row in rows} == {"none"}
    rows = [{k: v for k, v in row.items() if k != "packages"} for row in rows]
    write(board, [signed(row) for row in rows])
    assert verify()[0] == 0
    held = read_board(board)
    assert list(held.columns) == list(COLUMNS)
    assert set(held["packages"]) == {"unknown"}


def test_a_row_without_its_hash_is_of_an_earlier_version(board, verify):
    rows = [{k: v for k, v in row.items() if k != "row_sha256"} for row in read(board)]
    write(board, rows)
    status, lines, _ = verify()
    assert (status, "column row_sha256: unknown, but rows have one since" in lines[1]) == (1, True)
    with pytest.raises(BadInput, match="row_sha256"):
        read_board(board)
    write(board, [row | {"version": "0.1.0"} for row in rows])
    assert verify()[0] == 0
    assert set(read_board(board)["row_sha256"]) == {"unknown"}


def test_a_cell_that_was_changed_by_hand_is_refused(board, verify):
    edit(board, 2, is_signed=False, verified="rerun")  # a maintainer's word
    assert verify()[0] == 0
    edit(board, 3, is_signed=False, us_per_query="123.4")
    status, lines, _ = verify()
    assert (status, "one was changed after the export" in line_of(lines, 3)) == (1, True)


def test_an_unknown_suite_file_is_bad_input(board):
    with pytest.raises(BadInput, match="no suite file"):
        load("none.toml")


@pytest.mark.parametrize("name", ["board.csv.gz", "board-reference.csv.gz"])
def test_no_board_is_unpacked_whatever_its_name(tmp_path, name):
    """A small file may unpack to more than the memory holds."""
    bomb = tmp_path / name
    bomb.write_bytes(gzip.compress(b"0," * 10_000_000, 1))
    tracemalloc.start()
    try:
        for read in (read_board, read_frozen, read_table):
            with pytest.raises(BadInput) as why:
                read(bomb)
            assert name in str(why.value)
            assert "\n" not in str(why.value)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
