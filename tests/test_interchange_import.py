"""Importing: what is read, what it means here, and one line for whatever is wrong."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange_tools import HEAD, coco_folder, ioh_folder, suite_in

from zobench.errors import BadInput
from zobench.harness.suite_file import load
from zobench.interchange.curve import Curve, distinct_names, file_name
from zobench.interchange.read import read_folders
from zobench.interchange.read_coco import pairs
from zobench.interchange.to_results import TARGETS, to_results
from zobench.report.html import page
from zobench.report.write import source
from zobench.results.exchange import import_folders
from zobench.results.stored import stored

RUNS = [(1, 90, [(1, 50.0), (7, 0.5), (90, 0.5)]), (2, 400, [(1, 9.0), (30, 1e-9), (400, 1e-10)])]


def test_coco_data_are_judged_by_the_suite(tmp_path):
    suite = suite_in(tmp_path)
    found = to_results(read_folders([coco_folder(tmp_path / "a", RUNS)])[0], suite)
    one, two = found.results
    assert [s.estimator.text for s in found.specs] == ["CMA", "CMA"]
    assert [s.problem.instance(s.repetition) for s in found.specs] == [1, 2]
    # one: 90 queries, no last target. two: stops at the last target, as runs here do
    assert (one.status, one.queries, two.status, two.queries) == ("ok", 90, "target", 30)
    hits = {h[2]: h[3] for h in one.hits}
    assert hits == {t: (1 if t >= 50 else 7) for t in TARGETS if t >= 0.5}
    assert (one.best_score, two.best_score) == (0.5, 1e-9)
    assert len(two.hits) == 51


def test_runs_are_cut_at_the_budget(tmp_path):
    runs = [(1, 900, [(1, 50.0), (299, 2.0), (301, 0.5), (900, 1e-9)])]
    found = to_results(read_folders([coco_folder(tmp_path / "a", runs)])[0], suite_in(tmp_path))
    (run,) = found.results
    assert (run.status, run.queries, run.best_score) == ("budget", 300, 2.0)
    assert {h[3] for h in run.hits} == {1, 299}
    assert run.trace[-1] == (300, pytest.approx(np.nan, nan_ok=True), run.trace[-1][2], 2.0)


def test_several_algorithms_instances_and_repeats(tmp_path):
    row = [(1, 1.0), (50, 1.0)]
    coco_folder(tmp_path / "x" / "a", [(1, 50, row), (1, 50, row), (3, 50, row)], "A")
    coco_folder(tmp_path / "x" / "b", [(3, 50, row), (9, 50, row)], "B")
    found = to_results(read_folders([tmp_path / "x"])[0], suite_in(tmp_path))
    cells = {
        (s.estimator.text, s.repetition, s.problem.instance(s.repetition)) for s in found.specs
    }
    assert cells == {("A", 0, 1), ("A", 1, 1), ("A", 2, 3), ("B", 2, 3), ("B", 3, 9)}
    # two folders of the same algorithm are told apart, the same folder twice is refused
    shutil.copytree(tmp_path / "x" / "b", tmp_path / "again")
    names = {c.estimator for c in read_folders([tmp_path / "x" / "b", tmp_path / "again"])[0]}
    assert names == {"B", "B (again)"}
    with pytest.raises(BadInput, match="same runs of 'B"):
        read_folders([tmp_path / "again"] * 3)


def test_an_infinite_gap_is_no_gap(tmp_path):
    rows = [(1, math.inf), (5, 2.0), (9, math.nan)]
    ((curve,), _) = read_folders([coco_folder(tmp_path / "a", [(1, 50, rows)])])
    assert (curve.queries.tolist(), curve.gaps.tolist()) == ([1, 5], [math.inf, 2.0])
    import_folders([coco_folder(tmp_path / "b", [(1, 50, [(1, math.inf)])])], "", tmp_path / "out")
    assert stored(tmp_path / "out").runs["best_score"].isna().all()
    assert "</html>" in page(source(stored(tmp_path / "out")))


def test_old_layouts_backslashes_and_unfinished_runs(tmp_path):
    folder = tmp_path / "old"
    (folder / "data_f1").mkdir(parents=True)
    (folder / "data_f1" / "b.dat").write_text(
        "% function evaluation | noise-free fitness - Fopt | best | measured | best | x1\n"
        "1 +5.0e+00 +5.0e+00 +8e+00 +8e+00 1 2\n9 +1.0e+00 +1.0e+00 4 4 1 2\n"
    )
    (folder / "i.info").write_text(
        "\nfuncId = 1, DIM = 2, Precision = 1.000e-08, algId = 'old, one'\n% c\n"
        "data_f1\\b.dat, 1:9|1.0e+00, 2\n"
    )
    ((curve,), _) = read_folders([folder])
    assert (curve.estimator, curve.suite, curve.length) == ("old, one", "bbob", 9)
    assert curve.gaps.tolist() == [5, 1]


def test_ioh_data_become_a_suite_of_their_own(tmp_path):
    out = tmp_path / "out"
    runs = [(1, 80, [(1, 3.0), (5, 0.09), (80, 0.01)]), (2, 200, [(1, 30.0)])]
    found = import_folders([ioh_folder(tmp_path / "a", runs)], "", out)
    assert (found.suite, found.estimators, found.problems, found.runs) == ("mine", ["alg"], 1, 2)
    assert not found.is_runnable
    results = stored(out)
    assert set(results.problems["budget"]) == {200}
    assert results.runs["best_score"].tolist() == [0.01, 30]
    assert results.runs["queries"].tolist() == [80, 200]
    assert results.runs["status"].tolist() == ["ok", "budget"]
    with pytest.raises(BadInput, match="holds results already"):
        import_folders([tmp_path / "a"], "", out)


@pytest.mark.parametrize(
    "changes",
    [{"suite": "BBOB"}, {"suite": "unknown_suite", "function_name": "sphere"}, {"suite": "bbob"}],
)
def test_ioh_data_of_bbob_stand_beside_coco_data(tmp_path, changes):
    """ioh names the suite in its experiments only; its functions are COCO's."""
    scenario = {"dimension": 2, "path": "data.dat"}
    runs = [(1, 9, [(1, 80.0), (9, 1.0)])]
    listed = [{"instance": 1, "evals": 9, "best": {"evals": 9, "y": 1.0, "x": []}}]
    theirs = ioh_folder(tmp_path / "a", runs, scenarios=[scenario | {"runs": listed}], **changes)
    coco = coco_folder(tmp_path / "b", runs)
    curves, _ = read_folders([theirs, coco], "t")
    assert {(c.suite, c.function, c.name) for c in curves} == {("bbob", 1, "f1")}
    found = to_results(curves, suite_in(tmp_path))
    assert {spec.problem.id for spec in found.specs} == {"f1-d2"}
    assert len({r.key for r in found.specs}) == 2


def test_other_functions_of_ioh_are_not_bbobs(tmp_path):
    runs = [(1, 9, [(1, 80.0), (9, 1.0)])]
    folder = ioh_folder(tmp_path / "a", runs, suite="unknown_suite", function_name="OneMax")
    ((curve,), _) = read_folders([folder])
    assert (curve.suite, curve.name) == ("unknown_suite", "OneMax")


def test_coco_data_of_other_dimensions_become_a_suite_of_their_own(tmp_path):
    folder = coco_folder(tmp_path / "a", RUNS, dimension=7)
    found = import_folders([folder], "", tmp_path / "out")
    assert (found.is_runnable, found.problems) == (False, 1)
    with pytest.raises(BadInput, match=r"no run fits suite 'bbob': .*without --suite, one is made"):
        import_folders([folder], "bbob", tmp_path / "other")


def test_a_function_of_the_other_suite_of_coco_is_named_with_its_suite(tmp_path):
    """Both have f1 in 20 dimensions, and they are different functions."""
    runs = [(1, 9, [(1, 80.0), (9, 1.0)])]
    large = (
        "suite = 'bbob-largescale', funcId = 1, DIM = {d}, algId = 'A', data_format = 'bbob-new2'"
    )
    mine = coco_folder(tmp_path / "a", runs, dimension=20)
    theirs = coco_folder(tmp_path / "b", runs, dimension=20, head=large.format(d=20))
    found = import_folders([mine, theirs], "bbob", tmp_path / "out")
    assert (found.runs, found.notes) == (
        1, ["left out 1 run: f1 of bbob-largescale in 20 dimensions is not in the suite"]
    )  # fmt: skip
    suite = load("bbob")
    noisy = [replace(p, settings=p.settings | {"noise": "gauss"}) for p in suite.problems]
    with pytest.raises(BadInput, match="f1 of bbob in 20 dimensions is in the suite with noise"):
        to_results(read_folders([mine])[0], replace(suite, problems=tuple(noisy)))


def test_data_of_another_suite_do_not_fit(tmp_path):
    suite = suite_in(tmp_path)
    curves, _ = read_folders([coco_folder(tmp_path / "a", RUNS, function=3)])
    with pytest.raises(BadInput, match="no run fits suite 't': f3 of bbob in 2 dimensions"):
        to_results(curves, suite)
    current = suite_in(tmp_path, (tmp_path / "t.toml").read_text().replace('"best"', '"current"'))
    with pytest.raises(BadInput, match="judged by its current point"):
        to_results(read_folders([coco_folder(tmp_path / "b", RUNS)])[0], current)


INFO = "suite = 'bbob', funcId = 1, DIM = 2, algId = 'x'\n% c\n"
BROKEN = {
    "no comment": ("i.info", "funcId = 1\nnothing\n\n", "i.info line 2: the line after a header"),
    "no end": ("i.info", "funcId = 1\n% c\n", "i.info line 2: the file ends before"),
    "objectives": (
        "i.info",
        "indicator = 'hyp'\n% c\nx, 1\n",
        "line 1: data of several objectives",
    ),
    "best": (
        "i.info",
        INFO.replace("% c", "% Combination of A, B") + "d.dat, 0:9|1\n",
        "i.info line 2: a combination of algorithms",
    ),
    "no function": ("i.info", "DIM = 2\n% c\nd.dat, 1:9|1\n", "i.info line 1: the header lacks f"),
    "code": (
        "i.info",
        INFO.replace("= 1", "= __import__('os')") + "d.dat, 1:9|1\n",
        "line 1: funcId",
    ),
    "negative": (
        "i.info",
        INFO.replace("= 2", "= -2") + "d.dat, 1:9|1\n",
        "line 1: DIM is a whole",
    ),
    "far": ("i.info", INFO + "../../../etc/hosts.dat, 1:9|1\n", "line 3: there is no data file"),
    "absolute": ("i.info", INFO + "/etc/hosts.dat, 1:9|1\n", "line 3: there is no data file"),
    "instance": ("i.info", INFO + "d.dat, one:9|1\n", "i.info line 3: an instance is a whole"),
    "first": ("i.info", INFO + "1:9|1, d.dat\n", "i.info line 3: a data file is named first"),
    "other file": (
        "i.info",
        INFO + "e.dat, 1:9|1\n",
        "line 3: there is no data file 'e.dat'",
    ),
    "text": ("d.dat", HEAD + "1 0 five\n", "d.dat line 2: the gap to the optimum is a number"),
    "short": ("d.dat", HEAD + "1 0\n", "d.dat line 2: 2 columns, and 3 or more"),
    "falls": (
        "d.dat",
        HEAD + "1 0 5\n9 0 4\n3 0 4\n",
        "d.dat line 4: evaluations fall from 9 to 3",
    ),
    "zero": ("d.dat", HEAD + "0 0 5\n", "d.dat line 2: the number of evaluations is a whole"),
    "endless": ("d.dat", HEAD + "inf 0 5\n", "d.dat line 2: the number of evaluations is a whole"),
    "huge": ("d.dat", HEAD + "9" * 400 + " 0 5\n", "d.dat line 2: the number of evaluations"),
    "long": ("d.dat", "1" * (2**20 + 9), "d.dat line 1: a line of more than"),
    "underscore": ("d.dat", HEAD + "1_0 0 5\n", "d.dat line 2: the number of evaluations"),
    "spaces": ("i.info", " " * 500_000 + "x\n% c\nd.dat, 1:9|1\n", "line 1: the header lacks"),
    "no equals": ("i.info", "a" * 500_000 + "\n% c\nd.dat, 1:9|1\n", "line 1: the header lacks"),
    "quotes": ("i.info", "a='b," * 99_999 + "\n% c\nd.dat, 1:9|1\n", "line 1: the header lacks"),
    "binary": ("d.dat", "\x00\x01\x02", "d.dat line 1: 0 columns"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_coco_data_give_one_line(tmp_path, name):
    file, text, said = BROKEN[name]
    (tmp_path / "d.dat").write_text(HEAD + "1 0 5\n9 0 4\n")
    (tmp_path / "i.info").write_text(INFO + "d.dat, 1:9|4.0\n")
    assert len(read_folders([tmp_path])[0]) == 1
    (tmp_path / file).write_text(text)
    with pytest.raises(BadInput) as error:
        read_folders([tmp_path])
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"maximization": True}, "line 6: data of a maximization"),
        ({"algorithm": "x"}, "line 7: 'algorithm' is of another type"),
        ({"function_id": "1; import os"}, "line 4: function_id is a whole number"),
        ({"function_id": True}, "function_id is a whole number"),
        ({"scenarios": [{"dimension": 2}]}, "'path' is missing"),
        (
            {"scenarios": [{"dimension": 2, "path": "../x.dat", "runs": []}]},
            "there is no data file",
        ),
        (
            {"scenarios": [{"dimension": 2, "path": "data.dat", "runs": []}]},
            "no runs: 1 run that IOHprofiler_f1_MyFun.json does not list",
        ),
        (
            {"scenarios": [{"dimension": 2, "path": "data.dat", "runs": [{"instance": 1}]}]},
            "'evals' is missing",
        ),
        ({"scenarios": [3]}, "'path' is missing"),
        ({"suite": None}, "'suite' is of another type"),
    ],
)
def test_broken_ioh_data_give_one_line(tmp_path, changes, said):
    folder = ioh_folder(tmp_path / "a", [(1, 9, [(1, 2.0), (9, 1.0)])], **changes)
    with pytest.raises(BadInput) as error:
        read_folders([folder])
    assert said in str(error.value)
    assert "IOHprofiler_f1_MyFun.json " in str(error.value)


def test_ioh_files_that_are_none(tmp_path):
    folder = ioh_folder(tmp_path / "a", [(1, 9, [(1, 2.0), (9, 1.0)])])
    for text in ("{", "[" * 100_000, "[]", '"x"', "{}"):
        (folder / "IOHprofiler_f1_MyFun.json").write_text(text)
        with pytest.raises(BadInput, match=r"MyFun\.json line 1: "):
            read_folders([folder])
    folder = ioh_folder(tmp_path / "b", [(1, 9, [(1, 2.0), (9, 1.0)])])
    (folder / "data.dat").write_text("evaluations y\n1 2\n")
    with pytest.raises(BadInput, match=r"data\.dat line 1: no column raw_y"):
        read_folders([folder])
    (folder / "data.dat").write_text("1 2\n")
    with pytest.raises(BadInput, match=r"data\.dat line 1: rows begin before"):
        read_folders([folder])


def test_folders_that_hold_nothing_or_both(tmp_path):
    with pytest.raises(BadInput, match="no runs in"):
        read_folders([tmp_path])
    with pytest.raises(BadInput, match="is not a folder"):
        read_folders([tmp_path / "none"])
    coco_folder(tmp_path / "a", RUNS)
    with pytest.raises(BadInput, match="unpack an archive first"):
        read_folders([tmp_path / "a" / "f1.info"])
    ioh_folder(tmp_path / "b", RUNS)
    with pytest.raises(BadInput, match="holds both"):
        read_folders([tmp_path])


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = coco_folder(tmp_path / "a", RUNS)
    file = folder / "data" / "f1_DIM2.dat"
    file.rename(tmp_path / "outside.dat")
    file.symlink_to(tmp_path / "outside.dat")
    with pytest.raises(BadInput, match="there is no data file"):
        read_folders([folder])


def test_a_file_that_is_a_link_out_of_the_folder_is_not_read(tmp_path):
    folder = coco_folder(tmp_path / "a", RUNS)
    (folder / "f1.info").rename(tmp_path / "outside.info")
    (folder / "f1.info").symlink_to(tmp_path / "outside.info")
    with pytest.raises(BadInput, match=r"f1\.info is a link out of"):
        read_folders([folder])
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "IOHprofiler_x.json").symlink_to(tmp_path / "secret")
    with pytest.raises(BadInput, match=r"IOHprofiler_x\.json is a link out of"):
        read_folders([tmp_path / "b"])


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("a = 'x, y', b = 2", {"a": "x, y", "b": "2"}),
        ("a=\"x=1\", b=''", {"a": "x=1", "b": ""}),
        ("funcId = 1,DIM=2 , c = 1.0e-08", {"funcId": "1", "DIM": "2", "c": "1.0e-08"}),
        ("a = 'open, b = 2", {"a": "open", "b": "2"}),
        ("a = 'it's me', b = 2", {"a": "it's me", "b": "2"}),
        ("a = 'A's b, c'", {"a": "A's b, c"}),
        ("a = , b", {"a": ""}),
        ("nothing, at all", {}),
        ("", {}),
    ],
)
def test_headers(head, found):
    assert pairs(head) == found


def test_names_are_made_harmless(tmp_path):
    nasty = "a\x1b[31m\u2028<script>alert(1)</script>" + "x" * 200
    folder = ioh_folder(tmp_path / "a", [(1, 9, [(1, 2.0)])], algorithm={"name": nasty, "info": ""})
    ((curve,), _) = read_folders([folder])
    assert curve.estimator.isprintable()
    assert len(curve.estimator) == 80
    assert file_name("../../x y:lr=1") == "x_y_lr_1"
    assert file_name("...") == "unnamed"
    assert distinct_names(["a:1", "a=1", "A_1", "a:1"]) == {
        "a:1": "a_1",
        "a=1": "a_1-2",
        "A_1": "A_1-3",
    }


@given(st.lists(st.floats(1e-12, 1e6), min_size=1, max_size=9), st.floats(1e-12, 1e6))
def test_reached_by_brute_force(values, target):
    gaps = np.minimum.accumulate(values)
    queries = np.arange(1, len(gaps) + 1) * 3 - 2
    curve = Curve(
        estimator="a",
        suite="s",
        function=1,
        name="f",
        dimension=2,
        instance=1,
        queries=queries,
        gaps=gaps,
        length=99,
    )
    met = [int(q) for q, g in zip(queries, gaps) if g <= target]
    assert curve.queries_to(target) == (met[0] if met else None)
    for q in (1, 2, 4, 50):
        assert curve.gaps_at(np.array([q]))[0] == min(g for at, g in zip(queries, gaps) if at <= q)


def test_infinite_and_missing_gaps_count_for_nothing(tmp_path):
    runs = [(1, 9, [(1, np.inf), (3, np.nan), (9, 2.0)]), (2, 9, [(5, np.nan), (9, np.inf)])]
    found = to_results(read_folders([coco_folder(tmp_path / "a", runs)])[0], suite_in(tmp_path))
    assert {h[3] for h in found.results[0].hits} == {9}
    assert found.results[1].hits == []
    assert json.loads(found.results[1].to_json())["queries"] == 9


def test_a_byte_order_mark_changes_nothing(tmp_path):
    """Some editors put one in front; it is no part of the first key."""
    head = "suite = 'bbob-largescale', funcId = 1, DIM = 40, algId = 'A', data_format = 'bbob-new2'"
    coco = coco_folder(tmp_path / "a", RUNS, head=head)
    ioh = ioh_folder(tmp_path / "b", [(1, 80, [(1, 3.0)])])
    files = [
        *coco.glob("*.info"),
        *coco.glob("data/*.dat"),
        *ioh.glob("*.json"),
        *ioh.glob("*.dat"),
    ]
    assert len(files) == 4
    plain, _ = read_folders([coco, ioh])
    for file in files:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    marked, _ = read_folders([coco, ioh])
    assert {c.suite for c in marked} == {"bbob-largescale", "mine"}
    for one, other in zip(plain, marked, strict=True):
        assert one.suite == other.suite
        np.testing.assert_array_equal(one.gaps, other.gaps)


def test_a_point_that_the_data_do_not_hold_is_not_judged(tmp_path):
    """What is judged by its current point, by the objective's own word, is left out and named."""
    text = """\
name = "t"
version = "1"
budget = 90
repetitions = 1
[[problem]]
id = "MyFun"
objective = "logistic"
settings = { batch = 5 }
targets = [0.5]
[[problem]]
id = "Other"
objective = "sphere"
targets = [0.5]
"""
    suite_in(tmp_path, text)
    runs = [(1, 80, [(1, 3.0), (80, 3.0)])]
    mine, other = (
        ioh_folder(tmp_path / "a", runs),
        ioh_folder(tmp_path / "b", runs, function_name="Other"),
    )
    found = import_folders([mine, other], str(tmp_path / "t.toml"), tmp_path / "out")
    assert (found.problems, found.runs) == (1, 1)
    assert found.notes == [
        "left out 1 run: MyFun is judged by its current point, which such data do not hold"
    ]
