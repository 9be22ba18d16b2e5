"""Exports, read by the tools they are for; and back again, without a target that moved."""

import json
import math
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interchange_tools import suite_in

from zobench.analysis.ert import ert
from zobench.analysis.runlengths import Cases, run_table
from zobench.cli import status_of
from zobench.errors import BadInput
from zobench.harness.plan import plan
from zobench.harness.result import RunResult
from zobench.harness.store import Store
from zobench.harness.suite_file import load
from zobench.interchange.curve import Curve
from zobench.interchange.curves import _trajectory
from zobench.interchange.numbering import function_numbers
from zobench.interchange.write_coco import write_coco
from zobench.interchange.write_tables import plain_cells
from zobench.results.exchange import export_as, import_folders
from zobench.results.stored import stored

TARGETS = [10.0 ** round(2 - 0.2 * k, 9) for k in range(51)]
NAMES = ("cma-es", "random-search")

MIXED = """\
name = "mixed"
version = "1"
budget = 60
repetitions = 2
[[problem]]
id = "sphere-d{dim}"
objective = "sphere"
expand = { dim = [3, 5] }
targets = [2.0, 1.0]
scored = "best"
[[problem]]
id = "below"
objective = "rosenbrock"
settings = { dim = 2 }
targets = [3.0, 0.0, -1.0]
scored = "best"
"""


def tool(code: str, *arguments: object, home: Path) -> str:
    """What Python code prints in a process of its own, which may write nowhere but to `home`."""
    environment = dict(os.environ) | {"HOME": str(home), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        capture_output=True, text=True, env=environment, cwd=home, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def needs(package: str):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Results of three estimators on four BBOB problems."""
    folder = tmp_path_factory.mktemp("made")
    suite_in(folder)
    where = ("--suite", str(folder / "t.toml"), "--out", str(folder / "res"), "-j", "1")
    assert status_of(["run", *NAMES, *where]) == 0
    return folder


@pytest.fixture(scope="module")
def lengths(made):
    results = stored(made / "res")
    return Cases(run_table(results.runs, results.hits, results.problems))


DETERT = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()):
    import cocopp
    sets = {a: cocopp.load(a) for a in sys.argv[2:]}
targets = json.loads(sys.argv[1])
print(json.dumps([
    [d.algId, d.funcId, d.dim, list(map(float, d.detERT(targets))), list(d.instancenumbers)]
    for found in sets.values() for d in found]))
"""


@needs("cocopp")
def test_cocopp_finds_the_same_erts_to_the_last_bit(made, lengths):
    written = export_as("coco", "t", made / "res", made / "coco")
    assert (sorted(written.names), written.runs, written.notes) == (sorted(NAMES), 24, [])
    folders = [made / "coco" / name for name in written.names]
    found = json.loads(tool(DETERT, json.dumps(TARGETS), *folders, home=made))
    assert len(found) == 8
    finite = 0
    for name, function, dimension, theirs, instances in found:
        assert instances == [1, 2, 3]
        ours = [lengths[f"f{function}-d{dimension}", k, name] for k in range(51)]
        assert theirs == [ert(r.length, r.success) for r in ours]
        finite += np.isfinite(theirs).sum()
    assert 100 < finite < 8 * 51  # both kinds are there


LOADED = """
import json, sys
import iohinspector
manager = iohinspector.DataManager()
manager.add_folder(sys.argv[1])
o = manager.overview
rows = manager.load(monotonic=True, include_meta_data=True)
first = {}
for r in rows.iter_rows(named=True):
    for t in json.loads(sys.argv[2]):
        if r["raw_y"] <= t:
            first.setdefault(f"{r['algorithm_name']}|{r['function_id']}|{r['dimension']}|"
                             f"{r['instance']}|{t!r}", r["evaluations"])
print(json.dumps([o.select("algorithm_name", "suite", "evals").rows(), first]))
"""


@needs("iohinspector")
def test_iohinspector_finds_the_same_hits(made):
    export_as("ioh", "t", made / "res", made / "ioh")
    runs, first = json.loads(tool(LOADED, made / "ioh", json.dumps(TARGETS), home=made))
    results = stored(made / "res")
    assert len(runs) == 24
    assert {(name, suite) for name, suite, _ in runs} == {(name, "bbob") for name in NAMES}
    assert sorted(n for _, _, n in runs) == sorted(results.runs["queries"])
    hits = results.hits[results.hits["kind"] == "best"].merge(results.runs, on="run_key")
    ours = {}
    for h in hits.itertuples():
        function, dimension = h.problem.removeprefix("f").split("-d")
        ours[f"{h.estimator}|{function}|{dimension}|{int(h.instance)}|{h.target!r}"] = h.queries_x
    assert first == ours


@pytest.mark.parametrize("format", ["coco", "ioh"])
def test_and_back_again(made, lengths, format, tmp_path):
    out = tmp_path / "out"
    export_as(format, "t", made / "res", out)
    found = import_folders([out], str(made / "t.toml"), tmp_path / "back")
    assert (found.runs, found.notes) == (24, [])
    results = stored(tmp_path / "back")
    again = Cases(run_table(results.runs, results.hits, results.problems))
    assert again.keys() == lengths.keys()
    for key, runs in lengths.items():
        for name in ("length", "success", "instance"):
            assert np.array_equal(getattr(runs, name), getattr(again[key], name)), key
    seconds = run_table(results.runs, results.hits, results.problems, "seconds")
    assert seconds["length"].isna().all()


OBSERVED = """
import json, sys
import cocoex, numpy as np
suite = cocoex.Suite("bbob", "instances:1-3", "dimensions:2,5 function_indices:1,8")
observer = cocoex.Observer("bbob", "result_folder: real")
found = {}
for n, problem in enumerate(suite):
    problem.observe_with(observer)
    f, d, i = problem.id_function, problem.dimension, problem.id_instance
    bare = cocoex.BareProblem("bbob", f, d, i)
    rng = np.random.default_rng(n)
    gaps = []
    for _ in range(250):
        x = rng.uniform(-5, 5, d)
        problem(x)
        gaps.append(float(bare(x) - bare.best_value()))
    found[f"f{f}-d{d}|{i}"] = np.minimum.accumulate(gaps).tolist()
del problem, observer
print("data:" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """(a folder with data of COCO's observer in exdata, the true lowest gaps after each query)."""
    folder = tmp_path_factory.mktemp("observed")
    suite_in(folder)
    return folder, json.loads(tool(OBSERVED, home=folder).partition("data:")[2])


@needs("cocoex")
def test_data_of_the_real_observer_have_the_true_run_lengths(observed):
    folder, true = observed
    found = import_folders([folder / "exdata"], str(folder / "t.toml"), folder / "back")
    assert (found.runs, found.problems, len(found.estimators)) == (12, 4, 1)
    results = stored(folder / "back")
    hits = results.hits.merge(results.runs[["run_key", "problem", "instance"]], on="run_key")
    ours = {(h.problem, int(h.instance), h.target): h.queries for h in hits.itertuples()}
    theirs = {}
    for name, gaps in true.items():
        problem, instance = name.split("|")
        for target in TARGETS:
            reached = [n for n, gap in enumerate(gaps, 1) if gap <= target]
            if reached:
                theirs[problem, int(instance), target] = reached[0]
    assert ours == theirs
    assert set(results.runs["queries"]) == {250}


@needs("cocopp")
@needs("cocoex")
def test_cocopp_agrees_on_data_of_the_real_observer(observed):
    folder, _ = observed
    import_folders([folder / "exdata"], str(folder / "t.toml"), folder / "here")
    results = stored(folder / "here")
    table = Cases(run_table(results.runs, results.hits, results.problems))
    (name,) = set(results.runs["estimator"])
    found = json.loads(tool(DETERT, json.dumps(TARGETS), folder / "exdata" / "real", home=folder))
    assert len(found) == 4
    for _, function, dimension, theirs, _ in found:
        runs = [table[f"f{function}-d{dimension}", k, name] for k in range(51)]
        assert theirs == [ert(r.length, r.success) for r in runs]


@needs("cocopp")
def test_cocopp_counts_gaps_a_little_above_a_target_and_zobench_does_not(tmp_path):
    """If this fails, cocopp has changed, and the docstring of harness/targets.py has to follow."""
    suite_in(tmp_path)
    for name, above, theirs in (
        ("at", 0.0, 50.0),
        ("near", 5e-13, 50.0),
        ("over", 5e-12, math.inf),
    ):
        curves = [
            Curve(
                estimator="A",
                suite="bbob",
                function=1,
                name="f1",
                dimension=2,
                instance=k,
                queries=np.array([1, 50]),
                gaps=np.array([300.0, 1e-3 + above]),
                length=100,
            )
            for k in (1, 2, 3)
        ]
        write_coco(curves, tmp_path / name, "0")
        found = json.loads(tool(DETERT, "[0.001]", tmp_path / name / "A", home=tmp_path))
        assert found[0][3] == [theirs]
        import_folders([tmp_path / name], str(tmp_path / "t.toml"), tmp_path / f"{name}-back")
        hits = stored(tmp_path / f"{name}-back").hits
        assert (hits["target"] == 1e-3).any() == (above == 0.0)


def test_problems_of_other_objectives_are_counted_and_named(tmp_path):
    file = tmp_path / "mixed.toml"
    file.write_text(MIXED)
    where = ("--suite", str(file), "--out", str(tmp_path / "res"), "-j", "1")
    assert status_of(["run", "random-search:sigma=3", *where]) == 0
    numbers = function_numbers(load(file).problems)
    assert [n.function for n in numbers.values()] == [1, 1, 2]
    assert numbers["below"].offset == pytest.approx(-1 - 1e-8)
    written = export_as("coco", "mixed", tmp_path / "res", tmp_path / "coco")
    assert written.names == ["random-search_sigma_3"]
    assert "as BBOB's: see problems.txt" in written.notes[0]
    assert "less an offset" in written.notes[1]
    said = json.loads((tmp_path / "coco" / "problems.txt").read_text())
    assert said["problems"]["below"]["function"] == 2
    # their numbers are not those of BBOB functions, and are not taken for them
    with pytest.raises(BadInput, match="sphere-d3 in 3 dimensions is not in the suite"):
        import_folders([tmp_path / "coco"], "bbob", tmp_path / "no")
    found = import_folders([tmp_path / "coco"], str(file), tmp_path / "back")
    assert (found.problems, found.runs) == (3, 6)
    export_as("ioh", "mixed", tmp_path / "res", tmp_path / "ioh")
    found = import_folders([tmp_path / "ioh"], str(file), tmp_path / "back2")
    assert (found.estimators, found.problems) == (["random-search:sigma=3"], 3)


FAMILIES = """\
name = "families"
version = "1"
budget = 50
repetitions = 2
targets = [100.0, 1.0]
scored = "best"
[[problem]]
id = "sphere-d{dim}"
objective = "sphere"
expand = { dim = [5, 10] }
[[problem]]
id = "other-dimension"
objective = "bbob"
settings = { function = 8, dim = 7 }
[[problem]]
id = "mine-{dim}-f{function}"
objective = "bbob"
expand = { dim = [5, 10], function = [8, 1] }
[[problem]]
id = "again"
objective = "bbob"
settings = { function = 1, dim = 5 }
targets = [10.0]
[[problem]]
id = "noisy"
objective = "bbob"
settings = { function = 1, dim = 2, noise = "additive" }
"""


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """A suite of BBOB functions and others: its file is in the folder, its results in res."""
    folder = tmp_path_factory.mktemp("families")
    (folder / "f.toml").write_text(FAMILIES)
    where = ("--suite", str(folder / "f.toml"), "--out", str(folder / "res"), "-j", "1")
    assert status_of(["run", *NAMES, *where]) == 0
    export_as("coco", "", folder / "res", folder / "exdata")
    export_as("ioh", "", folder / "res", folder / "ioh")
    return folder


def test_functions_of_bbob_keep_their_numbers_beside_others(families):
    numbers = function_numbers(load(families / "f.toml").problems)
    assert {name: (n.suite, n.function) for name, n in numbers.items()} == {
        "sphere-d5": ("zobench", 201), "sphere-d10": ("zobench", 201),
        "other-dimension": ("bbob", 8),
        "mine-5-f8": ("bbob", 8), "mine-10-f8": ("bbob", 8),
        "mine-5-f1": ("bbob", 1), "mine-10-f1": ("bbob", 1),
        "again": ("zobench", 202), "noisy": ("zobench", 203),
    }  # fmt: skip
    said = json.loads((families / "exdata" / "problems.txt").read_text())["problems"]
    assert {name: s["function"] for name, s in said.items()} == {
        name: n.function for name, n in numbers.items()
    }
    # what the report of cocopp would stop at lies beside what it shows
    for home, functions in (("exdata", {1, 8}), ("exdata-others", {8, 201, 202, 203})):
        infos = (families / home).glob("*/*.info")
        assert {int(p.stem.partition("_f")[2]) for p in infos} == functions
    with pytest.raises(BadInput, match="exdata-others exists"):
        (families / "new").mkdir()
        (families / "exdata").rename(families / "new" / "exdata")
        try:
            export_as("coco", "", families / "res", families / "exdata")
        finally:
            (families / "new" / "exdata").rename(families / "exdata")


def test_a_suite_of_several_families_comes_back_whole(families, tmp_path):
    for folders in ([families / "exdata", families / "exdata-others"], [families / "ioh"]):
        out = tmp_path / folders[0].name
        found = import_folders(folders, str(families / "f.toml"), out)
        assert (found.notes, found.runs, found.problems) == ([], 36, 9)
        tables = [
            Cases(run_table(results.runs, results.hits, results.problems))
            for results in (stored(out), stored(families / "res"))
        ]
        assert tables[0].keys() == tables[1].keys()
        for key, runs in tables[1].items():
            assert np.array_equal(runs.length, tables[0][key].length), key


@needs("iohinspector")
def test_iohinspector_names_the_functions_of_several_families(families):
    code = (
        "import sys, json, iohinspector; m = iohinspector.DataManager(); m.add_folder(sys.argv[1]);"
        "print(json.dumps(m.overview.select('suite', 'function_id', 'function_name').rows()))"
    )
    found = json.loads(tool(code, families / "ioh", home=families))
    assert {tuple(row) for row in found} == {
        ("families", 201, "sphere-d5"), ("families", 201, "sphere-d10"),
        ("bbob", 8, "other-dimension"),
        ("bbob", 8, "mine-5-f8"), ("bbob", 8, "mine-10-f8"),
        ("bbob", 1, "mine-5-f1"), ("bbob", 1, "mine-10-f1"),
        ("families", 202, "again"), ("families", 203, "noisy"),
    }  # fmt: skip


@pytest.mark.slow
@needs("cocopp")
def test_the_report_of_cocopp_shows_the_bbob_functions_of_a_suite(families):
    folders = sorted(str(p) for p in (families / "exdata").iterdir() if p.is_dir())
    code = "import sys, cocopp; cocopp.main(['-o', 'ppdata', *sys.argv[1:]])"
    tool(code, *folders, home=families)
    assert (families / "ppdata" / "index.html").is_file()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_trajectory_says_exactly_what_hits_and_traces_do(data):
    """Against every query of a random run, of which only hits and some points are kept."""
    n = data.draw(st.integers(1, 40))
    gaps = np.minimum.accumulate(data.draw(st.lists(st.floats(1e-6, 1e3), min_size=n, max_size=n)))
    targets = (100.0, 1.0, 0.01)
    hits = [(int(np.argmax(gaps <= t)) + 1, t) for t in targets if (gaps <= t).any()]
    seen = sorted(data.draw(st.sets(st.integers(1, n), max_size=6)))
    trace = pd.DataFrame(
        [(0, 50.0, np.nan)] + [(q, 50.0, gaps[q - 1]) for q in seen],
        columns=["queries", "score", "best"],
    )
    queries, low = _trajectory(hits, trace, "best", targets, 0.0, n)
    assert queries[0] == 1
    assert queries[-1] == n
    assert (np.diff(queries) > 0).all()
    assert (np.diff(low) <= 0).all()
    reached = {t: q for q, t in hits}
    for target in targets:
        at = np.flatnonzero(low <= target)
        assert (int(queries[at[0]]) if len(at) else None) == reached.get(target)
    for q in seen:
        assert low[np.searchsorted(queries, q, side="right") - 1] == pytest.approx(gaps[q - 1])


def test_tables_and_what_a_spreadsheet_would_run(made, tmp_path):
    written = export_as("csv", "t", made / "res", tmp_path / "csv")
    assert written.names == ["runs.csv", "hits.csv", "traces.csv", "problems.csv"]
    runs = pd.read_csv(tmp_path / "csv" / "runs.csv")
    assert runs["queries"].tolist() == stored(made / "res").runs["queries"].tolist()
    nasty = pd.DataFrame({"a": ["=1+1", "@x", "+2", "-3", "\t=1", "ok", None], "b": [-1.0] * 7})
    assert plain_cells(nasty)["a"].tolist()[:6] == ["'=1+1", "'@x", "'+2", "'-3", "'\t=1", "ok"]
    assert plain_cells(nasty)["b"].tolist() == [-1.0] * 7


@needs("pyarrow")
def test_parquet_holds_the_same(made, tmp_path):
    export_as("parquet", "t", made / "res", tmp_path / "p")
    for name in ("runs", "hits", "traces", "problems"):
        ours = getattr(stored(made / "res"), name)
        ours = ours.astype(dict.fromkeys(ours.select_dtypes("category"), "str"))
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "p" / f"{name}.parquet"), ours, check_dtype=False
        )


def test_without_pyarrow_one_line_says_what_to_install(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match="parquet needs the package pyarrow: pip install"):
        export_as("parquet", "t", made / "res", tmp_path / "p")


def test_what_cannot_be_exported_is_said_in_one_line(made, tmp_path, capsys):
    export_as("coco", "t", made / "res", tmp_path / "x")
    for arguments, said in (
        ((made / "res", "--format", "cocoo"), "did you mean 'coco'?"),
        ((made / "res", "--format", "csv", "--suite", "bbob"), "no suite in"),
        ((made / "res", "--format", "coco", "--out", tmp_path / "x"), "choose another folder"),
        ((tmp_path, "--format", "ioh"), "no results in"),
        (
            (made / "res", "--format", "ioh", "--freeze", "spsa"),
            "--freeze and --replace are for leaderboards",
        ),
    ):
        capsys.readouterr()
        assert status_of(["export", *map(str, arguments)]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "format", ["coco", "ioh", "csv", pytest.param("parquet", marks=needs("pyarrow"))]
)
def test_a_full_disk_leaves_no_part(made, tmp_path, monkeypatch, format):
    """What is there is whole, and the same command works once there is room."""
    module = import_module(
        f"zobench.interchange.write_{format if format in ('coco', 'ioh') else 'tables'}"
    )
    name = f"write_{format}"
    write = getattr(module, name)

    def full(*words):
        write(*words)
        raise OSError(28, "No space left on device")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(module, name, full)
        with pytest.raises(BadInput, match="out': No space left on device"):
            export_as(format, "t", made / "res", out)
    assert not out.exists()
    assert export_as(format, "t", made / "res", out).names


def test_runs_without_a_query_are_left_out_and_named(tmp_path):
    suite = suite_in(tmp_path)
    specs = plan(suite.pick(["f1-d2"]), ["spsa"])
    results = [RunResult(specs[0].key, "failed", "boom"), RunResult(specs[1].key, "skipped")]
    results.append(
        RunResult(
            specs[2].key, "timeout", queries=7, dimension=2, scored="best", trace=[(0, 0, 9, 9)]
        )
    )
    with Store.open(tmp_path / "res") as store:
        store.begin(specs, {})
        store.add(results)
    written = export_as("ioh", "t", tmp_path / "res", tmp_path / "ioh")
    assert written.runs == 1
    assert written.notes == ["left out, without a query: 1 x spsa on f1-d2 (failed)",
                             "left out, without a query: 1 x spsa on f1-d2 (skipped)"]  # fmt: skip
