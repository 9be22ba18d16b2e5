"""What many stored runs cost: tables are read once, unchanged files are not written again."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from harness_tools import element, suite_of

from zobench.cli import status_of
from zobench.harness import tables
from zobench.harness.plan import plan
from zobench.interchange.write_tables import plain_cells, save_csv
from zobench.results.files import RECORD


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """(words that run a suite of one problem, the results folder), after a first run."""
    monkeypatch.chdir(tmp_path)
    suite = suite_of(tmp_path).file
    words = ["run", element("walk"), element("walk:n=2"), "--suite", suite, "--out", "r"]
    assert status_of(words) == 0
    return words, tmp_path / "r"


def counted(monkeypatch, *names):
    """How often each table is read from now on."""
    counts = dict.fromkeys(names, 0)
    originals = {name: getattr(tables, name) for name in names}

    def reader(name, *args):
        counts[name] += 1
        return originals[name](*args)

    for name in names:
        monkeypatch.setattr(tables, name, partial(reader, name))
    return counts


def states(folder):
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("*.csv")}


def test_with_nothing_to_do_no_file_is_written_and_no_large_table_read(stored, monkeypatch, capsys):
    words, folder = stored
    before = states(folder)
    counts = counted(monkeypatch, "runs", "hits", "traces")
    assert status_of(words) == 0
    assert states(folder) == before
    assert counts == {"runs": 1, "hits": 0, "traces": 0}
    assert "4 of 4 runs were already in r" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["runs.csv", "hits.csv"])
@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_table_that_was_changed_is_written_again(stored, name, change):
    words, folder = stored
    before = states(folder)[name][1]
    if change == "edit":
        (folder / name).write_bytes(before.replace(b"1", b"2", 1))
    else:
        (folder / name).unlink()
    assert status_of(words) == 0
    assert states(folder)[name][1] == before


def test_tables_follow_what_is_asked_for_and_what_is_stored(stored):
    words, folder = stored
    both = (folder / "runs.csv").read_text()
    assert status_of([*words[:2], *words[3:]]) == 0  # one of the two estimators
    assert len((folder / "runs.csv").read_text().splitlines()) == 3
    assert status_of(words) == 0
    assert (folder / "runs.csv").read_text() == both
    assert status_of([*words, "--repetitions", "3"]) == 0
    assert len((folder / "runs.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_record_that_cannot_be_read_costs_a_second_writing(stored, text):
    words, folder = stored
    before = states(folder)
    (folder / RECORD).write_text(text)
    assert status_of(words) == 0
    after = states(folder)
    assert {name: data for name, (_, data) in after.items()} == {
        name: data for name, (_, data) in before.items()
    }
    assert after["runs.csv"][0] > before["runs.csv"][0]


def test_a_report_reads_each_table_once(stored, monkeypatch):
    _, folder = stored
    counts = counted(monkeypatch, "runs", "hits", "traces")
    assert status_of(["report", str(folder)]) == 0
    assert counts == {"runs": 1, "hits": 1, "traces": 1}


def test_keys_computed_together_are_those_computed_alone(tmp_path):
    suite = suite_of(tmp_path, instances=[3, 1])
    problem = suite.problems[0]
    other = replace(problem, id="q", threads=2, budget=100)
    specs = plan(replace(suite, problems=(problem, other)), [element("walk"), element("walk:n=2")])
    alone = [replace(spec).key for spec in specs]
    assert [spec.key for spec in specs] == alone
    assert len(set(alone)) == len(specs)


def test_tables_are_written_as_pandas_writes_them(tmp_path):
    rng, rows = np.random.default_rng(0), 25_000
    texts = ["", "a", 'a "b"', "a,b", "a\nb", "a\rb", "ä", "=1+1", " x ", None]
    frame = pd.DataFrame(
        {
            "text": pd.Series([texts[i] for i in rng.integers(0, len(texts), rows)], dtype="str"),
            "kind": pd.Categorical(["current", "best"] * (rows // 2)),
            "whole": rng.integers(-5, 2**62, rows),
            "number": np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(0, 90, rows)),
            "ends": rng.choice([np.inf, -np.inf, 0.0, -0.0, 1e22, 1e-7], rows),
            "flag": rng.random(rows) < 0.5,
        }
    )
    for part in (frame, frame[:0], frame[["text"]], frame.astype({"text": object})):
        save_csv(part, tmp_path / "a.csv")
        plain_cells(part).to_csv(tmp_path / "b.csv", index=False)
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
