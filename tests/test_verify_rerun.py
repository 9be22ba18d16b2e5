"""`zobench verify`: rows run again, and what is said of them."""

import contextlib
import math
from dataclasses import replace

import pytest
from verify_tools import BOARD, MINE, TINY, edit, make_board, read

from zobench.cli import status_of
from zobench.errors import BadInput
from zobench.harness.environment import environment
from zobench.harness.stopping import Interrupted
from zobench.harness.suite_file import load
from zobench.leaderboard.verify.check import check
from zobench.leaderboard.verify.content import REFUSED, RowResult
from zobench.leaderboard.verify.rerun import (
    SPEEDUPS,
    again,
    choose,
    cost,
    elsewhere,
    judge,
    parse_rows,
)
from zobench.results.stored import stored
from zobench.running.making import make

MADE = ("--out", "results/tiny")  # take the runs that the board was made from
METHODS = ("random-search", "zo-sgd:lr=1e-2", "mine.py:Mine")


@pytest.fixture
def verify(capfd):
    """Run the command on the board: (status, what it printed, error)."""

    def run(*options: str):
        capfd.readouterr()
        status = status_of(["verify", BOARD, "--suite", "tiny.toml", "-j", "1", *options])
        return status, *capfd.readouterr()

    return run


def row_of(board, method, dimension=3):
    """The number of a row."""
    names = [(row["method"], row["dimension"]) for row in read(board)]
    return names.index((method, str(dimension))) + 2


def shift(board, row, by):
    """Move the scores of a row, with their intervals."""
    cells = read(board)[row - 2]
    names = ("aocc", "aocc_low", "aocc_high")
    edit(board, row, **{name: f"{min(1, float(cells[name]) + by):.6g}" for name in names})


def test_ctrl_c_says_what_is_kept(board, verify, monkeypatch, tmp_path):
    def stop(event):
        raise Interrupted("stopped: 1 of 4 runs are finished and kept; ...")

    def press(specs, folder, jobs, show):
        return make(specs, folder, jobs, lambda *_: contextlib.nullcontext(stop))

    monkeypatch.setattr("zobench.leaderboard.verify.rerun.make", press)
    status, _, err = verify()
    assert status == 130
    assert err.endswith("zobench: stopped: nothing is kept; --out FOLDER keeps the runs\n")
    assert verify("--out", "kept")[2].endswith("stopped: 1 of 4 runs are finished and kept; ...\n")


def test_every_row_reproduces_to_the_query(board, verify, tmp_path):
    status, out, err = verify("--sample", "9")
    assert (status, "took" in err) == (0, True)
    after = out.split("refused\n")[1].splitlines()
    assert after[0] == (
        "  Running again rows 2, 3, 4, 5, 6, 7: all whose form fits and that have runs"
    )
    assert len(after) == 8
    assert all(" exact " in line for line in after[1:7])
    assert all(line.endswith("agree, and every run to the query") for line in after[1:7])
    assert after[7] == "  Of 6 run again: 6 exact"
    assert (tmp_path / "executed").exists()
    assert not list(tmp_path.glob("results/tiny/*verify*"))


def test_a_changed_score_is_noise_or_a_difference(board, verify):
    row = row_of(board, "zo-sgd:lr=1e-2")
    edit(board, row, data_sha256="0" * 16)  # of other runs: else nothing but the same is right
    shift(board, row, 0.001)
    status, out, _ = verify("--rows", str(row), *MADE)
    assert (status, f"row {row}    differs " in out) == (1, True)
    assert "(same environment, where runs repeat to the query" in out
    edit(board, row, cpu="Another One", numpy="1.26.0")
    status, out, _ = verify("--rows", str(row), *MADE)
    assert status == 0
    assert f"Running again row {row}: as asked" in out
    assert f"row {row}    noise      zo-sgd:lr=1e-2" in out
    assert "(cpu, numpy not as the row's)" in out
    assert "Of 1 run again: 1 noise" in out
    assert verify("--rows", str(row), "--exact", *MADE)[0] == 1


def test_the_same_runs_have_no_noise(board, verify):
    row = row_of(board, "zo-sgd:lr=1e-2")
    shift(board, row, 0.001)
    status, out, _ = verify("--rows", str(row), *MADE)
    assert (status, f"row {row}    differs " in out) == (1, True)
    for name in ("aocc", "aocc_low"):  # every figure that is off
        assert f"{name} {read(board)[row - 2][name]}, here " in out
    assert "of the same runs to the query" in out


def test_a_hash_of_other_runs_is_a_difference_where_the_environment_is_the_same(board, verify):
    row = row_of(board, "zo-sgd:lr=1e-2")
    edit(board, row, data_sha256="0" * 16)
    status, out, _ = verify("--rows", str(row), *MADE)
    assert (status, "but data_sha256 is " in out) == (1, True)
    edit(board, row, cpu="Another One")
    status, out, _ = verify("--rows", str(row), *MADE)
    assert (status, "of other runs: data_sha256 is " in out) == (0, True)
    assert "(cpu not as the row's)" in out


def test_a_false_row_does_not_reproduce(board, verify):
    row = row_of(board, "mine.py:Mine", 5)
    better = {"log_area": "0.8", "log_area_low": "0.75", "log_area_high": "0.85"}
    better |= {"aocc": "0.9", "aocc_low": "0.85", "aocc_high": "0.95"}
    edit(board, row, success_rate="1", **better)
    status, out, _ = verify("--rows", f"{row}-{row}", *MADE)
    assert status == 1
    assert (
        f"row {row}    differs    mine.py:Mine, d=5, functions: 3 runs: success_rate 1, here 0;"
        in out
    )


def test_another_file_of_the_same_name_is_found(board, verify, tmp_path):
    row = row_of(board, "mine.py:Mine")
    (tmp_path / "mine.py").write_text(MINE + "# changed\n")
    status, out, _ = verify("--rows", str(row))
    assert (status, "differs" in out, "settings_hash is" in out) == (1, True, True)
    (tmp_path / "mine.py").write_text("1 / 0")
    status, out, _ = verify("--rows", str(row))
    assert (status, "unjudged" in out, "ZeroDivisionError" in out) == (1, True, True)


def test_a_machine_that_is_too_slow_judges_nothing(board, verify, tmp_path):
    limit = TINY.replace("time_limit = 20", "time_limit = 0.03")
    (tmp_path / "tiny.toml").write_text(limit)
    status, out, _ = verify("--rows", str(row_of(board, "mine.py:Mine")))
    assert status == 1
    assert "unjudged" in out
    assert "3 of 3 runs exceed time or memory here" in out


def test_fewer_repetitions_are_rerun_as_many(board, tmp_path):
    (tmp_path / "few").mkdir()
    few = make_board(tmp_path / "few", "random-search", "--repetitions", "2")
    checked = check(few, load(tmp_path / "few" / "tiny.toml"))
    assert [found.note for found in checked.rows] == ["2 of 3 runs"] * 2
    judged = list(again(checked, checked.rows[:1], out=tmp_path / "few" / "results" / "tiny"))
    assert [(j.status, j.note[:6]) for j in judged] == [("exact", "2 runs")]


def test_the_runs_can_be_kept(board, verify, tmp_path):
    row = row_of(board, "random-search")
    started = []
    for _ in range(2):
        assert verify("--rows", str(row), "--out", "kept")[0] == 0
        kept = stored(tmp_path / "kept").runs
        assert len(kept) == 3
        started.append(list(kept["started"]))
    assert started[0] == started[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rows", "x"], "--rows takes row numbers such as 2,5-7, not 'x'"),
        (["--rows", "99"], "there is no row 99; they go from 2 to 7"),
        (["--rows", "1"], "there is no row 1"),
        (["--sample", "0"], "--sample takes a number of rows from 1, not 0"),
        (["--rows", "2", "--sample", "2"], "give one of --form-only, --rows and --sample"),
        (["--form-only", "--seed", "2"], "give one of --form-only"),
        (["--tolerance", "2"], "--tolerance is a share from 0 to 1, not 2.0"),
        (["--suite", "none.toml"], "no suite file 'none.toml'"),
        (["leaderboards/tiny.csv", "--rows", "2"], "--rows refers to one file"),
    ],
)
def test_bad_options_are_one_line(board, verify, options, said):
    status, _, err = verify(*options)
    assert (status, len(err.splitlines())) == (2, 1)
    assert said in err


def test_refused_rows_are_not_run(board, verify):
    edit(board, 2, coverage="0.5")
    status, _, err = verify("--rows", "2")
    assert status == 2
    assert "row 2 cannot be run again: column coverage: 0.5" in err
    status, out, _ = verify("--sample", "1", "--seed", "3", *MADE)
    assert (status, "Of 1 run again: 1 exact" in out) == (1, True)  # a row is refused


# the sample


def rows_of(*microseconds):
    problem = load("smoke").problems[0]
    cells = {"n_runs": "3", "dimension": "10", "method": "m", "group": "g"}
    return [
        RowResult(n, cells | {"us_per_query": text}, problems=(problem,))
        for n, text in enumerate(microseconds, 2)
    ]


def test_the_sample_is_the_cheapest_or_seeded():
    rows = rows_of("5", "1", "9", "", "3")
    assert [cost(r) for r in rows][:2] == pytest.approx([3000 * 5.1e-6, 3000 * 1.1e-6])
    chosen, why = choose(rows, 2, None, None)
    assert [r.number for r in chosen] == [3, 6]
    assert why.startswith("the 2 cheapest of 5")
    drawn = {seed: [r.number for r in choose(rows, 2, seed, None)[0]] for seed in range(20)}
    assert drawn[3] == [r.number for r in choose(rows, 2, 3, None)[0]]
    assert {row for found in drawn.values() for row in found} == {2, 3, 4, 5, 6}
    assert all(found == sorted(set(found)) and len(found) == 2 for found in drawn.values())
    assert choose(rows, 2, 7, None)[1] == "2 of 5 at random, seed 7"
    rows[1].status = REFUSED
    assert [r.number for r in choose(rows, 2, None, None)[0]] == [2, 6]
    assert choose([], 2, None, None)[0] == []
    assert [r.number for r in choose(rows, 2, None, [6, 2])[0]] == [6, 2]


def test_row_numbers():
    assert parse_rows("2, 5-7,5") == [2, 5, 6, 7]
    for text in ("", "2,", "-3", "4-2", "1-9999999999", "two", "²"):
        with pytest.raises(BadInput, match="row numbers such as"):
            parse_rows(text)


# the judgement

CLAIMED = {
    **{"n_problems": "1", "n_runs": "4", "n_failed": "0", "success_rate": "0.5", "coverage": "1"},
    **{"log_area": "0.2", "log_area_low": "0.1", "log_area_high": "0.3"},
    **{"aocc": "0.4", "aocc_low": "0.3", "aocc_high": "0.5"},
    **dict.fromkeys(SPEEDUPS, ""),
}
HERE = {name: float(text or "nan") for name, text in CLAIMED.items()}
OWN = {"n_speedup": 1.0, "speedup": 2.0, "speedup_low": 1.0, "speedup_high": 4.0}


@pytest.mark.parametrize(
    ("claimed", "here", "status"),
    [
        ({}, {}, "exact"),
        ({"log_area": "0.200001"}, {"log_area": 0.20000123456}, "exact"),
        ({"log_area": "0.299"}, {}, "noise"),  # the half-width here is 0.1
        ({"log_area": "0.301"}, {}, "differs"),
        ({"log_area_low": "0", "log_area_high": "1", "log_area": "0.25"}, {}, "differs"),
        ({"aocc": "0.52"}, {"aocc_low": 0.399, "aocc_high": 0.401}, "differs"),
        ({"aocc": "0.41", "aocc_low": "0.39", "aocc_high": "0.41"},
         {"aocc_low": 0.399, "aocc_high": 0.401}, "noise"),  # the tolerance
        ({"aocc": "0.41", "aocc_low": "", "aocc_high": ""},
         {"aocc_low": math.nan, "aocc_high": math.nan}, "noise"),
        ({"aocc_low": "", "aocc_high": ""}, {"aocc_low": math.nan, "aocc_high": math.nan}, "exact"),
        ({"success_rate": "0.75"}, {}, "noise"),  # 0.5 / sqrt(4) = 0.25
        ({"success_rate": "1"}, {}, "differs"),
        ({"n_runs": "5"}, {}, "differs"),
        ({"n_failed": "1"}, {}, "noise"),
        ({"n_failed": "2"}, {}, "differs"),
        ({"coverage": "0.5"}, {}, "differs"),
        ({"log_area_low": "0.19"}, {}, "noise"),
        ({"log_area_high": "0.41"}, {}, "differs"),
        ({"log_area_low": "", "log_area_high": ""}, {}, "differs"),
        ({"log_area": ""}, {}, "differs"),
        ({}, {"aocc": math.nan}, "differs"),
        ({"n_speedup": "1", "speedup": "2", "speedup_low": "1", "speedup_high": "inf"},
         OWN | {"speedup_high": math.inf}, "exact"),
        ({"n_speedup": "1", "speedup": "9", "speedup_low": "1", "speedup_high": "inf"},
         OWN, "differs"),
        ({"n_speedup": "1", "speedup": "3", "speedup_low": "1", "speedup_high": "inf"},
         OWN, "noise"),
        ({"n_speedup": "1", "speedup": "9", "speedup_low": "1", "speedup_high": "inf"},
         {}, "differs"),
        ({}, OWN, "differs"),  # what is unfavourable may not be left out
        ({"n_speedup": "0"}, OWN, "differs"),
        ({"n_speedup": "3", "speedup": "2", "speedup_low": "1", "speedup_high": "4"},
         OWN, "differs"),
        ({"n_speedup": "2", "speedup": "2", "speedup_low": "1", "speedup_high": "4"},
         OWN, "noise"),
    ],
)  # fmt: skip
def test_judge(claimed, here, status):
    assert judge(CLAIMED | claimed, HERE | here, 0.02)[0] == status


def test_what_is_not_as_it_was():
    here = environment(threads=1)
    row = {"cpu": here["cpu"], "threads": "1", "python": here["python"],
           "numpy": here["packages"]["numpy"], "version": here["zobench"]}  # fmt: skip
    assert elsewhere(row, here) == []
    assert elsewhere(row | {"threads": "4", "version": "0.0.1"}, here) == ["threads", "zobench"]


def test_rows_know_their_suite(board):
    checked = check(board, load("tiny.toml"))
    found = checked.rows[0]
    assert found.suite is not None
    assert [p.id for p in found.problems] == ["sphere-d3"]
    other = replace(found.problems[0], budget=10)
    assert cost(RowResult(2, found.cells, problems=(other,))) < cost(found)
