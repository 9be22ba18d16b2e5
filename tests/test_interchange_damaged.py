"""Data of stopped experiments and damaged files: whole runs are read, and the rest is told."""

import json
import shutil

import numpy as np
import pytest
from interchange_tools import HEAD, coco_folder, ioh_folder

from zobench.errors import BadInput
from zobench.interchange.read import read_folders
from zobench.results.exchange import import_folders
from zobench.results.stored import stored

RUNS = [
    (1, 60, [(1, 36.728946), (3, 0.5137), (38, 0.25), (60, 0.231787)]),
    (2, 60, [(1, 10.293569), (5, 0.619344), (60, 0.619344)]),
    (3, 45, [(1, 19.5), (13, 6.921826), (44, 1.25), (45, 1.186476)]),
]
MORE = [(1, 9, [(1, 5.0), (9, 2e-9)]), (2, 7, [(1, 5.0), (7, 3.0)])]  # of another function


def facts(curves) -> dict:
    return {
        (c.function, c.instance): (c.queries.tolist(), c.gaps.tolist(), c.length) for c in curves
    }


def stopped(folder, rows, header):
    """Append a run that was being made when the process ended."""
    with folder.open("a") as file:
        file.write(header + rows)


@pytest.mark.parametrize("cut", ["1 0 9.5 1 1\n3 0 2.25 1 1\n", "1 0 9.5 1 1\n3 0 2.2", ""])
def test_a_stopped_coco_experiment_gives_its_finished_runs(tmp_path, cut):
    folder = coco_folder(tmp_path / "a", RUNS)
    coco_folder(folder, MORE, function=2)
    whole = facts(read_folders([folder])[0])
    stopped(folder / "data" / "f1_DIM2.dat", cut, HEAD)
    curves, notes = read_folders([folder])
    assert facts(curves) == whole
    assert len(notes) == (1 if cut else 0)
    assert all("1 run that f1.info does not list left out" in note for note in notes)


@pytest.mark.parametrize("cut", ["1 9.5\n3 2.25\n", "1 9.5\n3 2.2", "1 9.5", ""])
def test_a_stopped_ioh_experiment_gives_its_finished_runs(tmp_path, cut):
    """The same of a logger that was detached and not closed: it lists one run fewer."""
    folder = ioh_folder(tmp_path / "a", RUNS)
    whole = facts(read_folders([folder])[0])
    stopped(folder / "data.dat", cut, "evaluations raw_y\n")
    curves, notes = read_folders([folder])
    assert facts(curves) == whole
    assert len(notes) == (1 if cut else 0)
    assert all("1 run that IOHprofiler_f1_MyFun.json does not list" in note for note in notes)


@pytest.mark.parametrize("make", [coco_folder, ioh_folder])
@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_file_cut_at_any_byte_gives_no_wrong_run(tmp_path, make, ending):
    """Every run that is read is a true one, and a run that is not read is told of."""
    folder = make(tmp_path / "a", RUNS)
    true = facts(read_folders([folder])[0])
    kept, refused = [], []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        for length in range(len(content)):
            path.write_bytes(content[:length] + ending.encode())
            try:
                curves, notes = read_folders([folder])
            except BadInput as error:
                refused.append(str(error))
                continue
            found = facts(curves)
            doubtful = any("rows may be missing" in note for note in notes)
            assert notes or found == true, (path, length)
            assert doubtful or found.items() <= true.items(), (path, length, notes)
            kept.append(len(found))
        path.write_bytes(content)
    assert {1, 2} <= set(kept)
    assert all(len(error.splitlines()) == 1 for error in refused)


def test_rows_that_disagree_with_what_is_listed_are_told(tmp_path):
    folder = coco_folder(tmp_path / "a", RUNS)
    file = folder / "data" / "f1_DIM2.dat"
    rows = file.read_text()
    file.write_text(rows.replace("38 0 0.25 0.25 0.25\n60 0 0.231787 0.231787 0.231787\n", ""))
    curves, notes = read_folders([folder])
    assert [c.instance for c in curves] == [2, 3]
    assert notes == [
        f"not read: {folder}/f1.info line 3: instance 1 has 60 evaluations and a lowest gap of "
        "0.23, but f1_DIM2.dat ends at 3 and 0.5137"
    ]
    # a lost last row that is no new best changes no hit
    file.write_text(rows.replace("5 0 0.619344 0.619344 0.619344\n60", "5"))
    curves, notes = read_folders([folder])
    assert [(c.instance, c.length) for c in curves] == [(1, 60), (2, 60), (3, 45)]
    assert "1 run without a row at the last evaluation: rows may be missing" in notes[0]
    file.write_text(rows.replace("\n3 0", "\n77 0"))
    assert [c.instance for c in read_folders([folder])[0]] == [2, 3]


def test_ioh_rows_that_lack_the_best_are_told(tmp_path):
    folder = ioh_folder(tmp_path / "a", RUNS)
    file = folder / "data.dat"
    file.write_text(file.read_text().replace("44 1.25\n45 1.186476\n", "45 1.25\n"))
    curves, notes = read_folders([folder])
    assert [c.instance for c in curves] == [1, 2]
    assert "a lowest gap of 1.18648, but data.dat ends at 45 and 1.25" in notes[0]


def test_runs_without_an_evaluation_and_unfinished_ones_are_left_out(tmp_path):
    folder = coco_folder(tmp_path / "a", RUNS)
    info = folder / "f1.info"
    text = info.read_text()
    for more, said in (
        (", 4:0|inf", "1 run of 0 evaluations left out"),
        (", 4", "1 run that did not finish left out"),
        (", 4:7", "1 run that did not finish left out"),
        (", 4:7|", "1 run that did not finish left out"),
        (", 4:7|1.0", "1 run without rows in f1_DIM2.dat left out"),
        (", ", None),
    ):
        info.write_text(text + more)
        curves, notes = read_folders([folder])
        assert [c.instance for c in curves] == [1, 2, 3]
        assert len(notes) == (said is not None)
        assert said is None or said in notes[0]
    info.write_text(text.replace("1:60", "4:0|inf, 1:60"))
    assert [c.instance for c in read_folders([folder])[0]] == [1, 2, 3]
    info.write_text(text.replace(", 2:60|6.2e-01", ", 2"))  # its rows are there
    assert [c.instance for c in read_folders([folder])[0]] == [1, 3]


def test_a_fault_in_a_block_leaves_the_others(tmp_path):
    folder = coco_folder(tmp_path / "a", RUNS)
    coco_folder(folder, MORE, function=2)
    info = folder / "f1.info"
    text = info.read_text()
    for other, said in (
        ("funcId = x, DIM = 2\n% c\nd.dat, 1:2|3\n", "line 1: funcId is a whole number"),
        ("funcId = 1, DIM = 2\n% c\nd.dat, 1:2|3\n", "line 3: there is no data file 'd.dat'"),
        ("funcId = 1, DIM = 2\n% c\nd.dat, 1:2|x\n", "line 3: the gap to the optimum"),
        ("indicator = 'h'\n% c\nd.dat, 1:2|x\n", "line 1: data of several objectives"),
    ):
        info.write_text(other + text)
        curves, notes = read_folders([folder])
        assert len(curves) == 5
        assert len(notes) == 1
        assert said in notes[0]
    info.write_text("funcId = 1, DIM = 3\n% c\n")  # stopped before the first run
    curves, notes = read_folders([folder])
    assert (len(curves), "line 2: the file ends before" in notes[0]) == (2, True)
    # no line end between two blocks
    info.write_text(text + text)
    curves, notes = read_folders([folder])
    assert len(curves) == 2
    assert "f1.info line 3: the gap to the optimum is a number" in notes[0]


def test_lists_as_other_programs_write_them(tmp_path):
    folder = coco_folder(tmp_path / "a", RUNS)
    true = facts(read_folders([folder])[0])
    info = folder / "f1.info"
    text = info.read_text()
    for other in (
        text.replace("1:60", "1:60.0"),
        text.replace("data/", "data\\"),
        text.replace("\n", "\r\n"),
        text + ",\n\n",
        text.replace("2.3e-01", "0.231787"),
        text.replace("Precision = 1.000e-08, ", ""),
    ):
        info.write_bytes(other.encode())
        curves, notes = read_folders([folder])
        assert (facts(curves), notes) == (true, [])
    # before 2015, the gap was listed without the precision
    coco_folder(tmp_path / "b", [(1, 9, [(1, 5.0), (9, 2e-9)]), (2, 9, [(1, 5.0), (9, 3e-8)])])
    old = (tmp_path / "b" / "f1.info").read_text()
    old = old.replace("2.0e-09", "-8.0e-09").replace("3.0e-08", "2.0e-08")
    (tmp_path / "b" / "f1.info").write_text(old)
    curves, notes = read_folders([tmp_path / "b"])
    assert (len(curves), notes) == (2, [])


def test_the_layout_before_ioh_0_3_3_is_refused_in_a_sentence(tmp_path):
    old = '"function evaluation" "current f(x)" "best-so-far f(x)"\n1 5 5\n9 4 4\n'
    coco = coco_folder(tmp_path / "a", [(1, 9, [(1, 5), (9, 4)])])
    (coco / "data" / "f1_DIM2.dat").write_text(old)
    ioh = ioh_folder(tmp_path / "b", [(1, 9, [(1, 5), (9, 4)])])
    (ioh / "data.dat").write_text(old)
    for folder in (coco, ioh):
        with pytest.raises(BadInput, match=r"dat line 1: columns of IOHprofiler before 0\.3\.3"):
            read_folders([folder])


def sbox(folder):
    """As ioh writes BBOB's functions, and those of SBOX: the files do not tell which."""
    best = {"evals": 9, "y": 1.0, "x": []}
    scenario = {"dimension": 2, "path": "data.dat",
                "runs": [{"instance": 1, "evals": 9, "best": best}]}  # fmt: skip
    runs = [(1, 9, [(1, 80.0), (9, 1.0)])]
    changes = {"suite": "unknown_suite", "function_name": "Sphere", "scenarios": [scenario]}
    return ioh_folder(folder, runs, **changes)


def test_what_may_be_sbox_is_bbob_only_where_the_user_says_so(tmp_path):
    folder = sbox(tmp_path / "a")
    found = import_folders([folder], "", tmp_path / "out")
    assert (found.suite, found.is_runnable) == ("unknown_suite", False)
    assert set(stored(tmp_path / "out").runs["problem"]) == {"Sphere"}
    assert found.notes == [
        f"{folder}: not taken as functions of BBOB; if they are, say so with --suite bbob (ioh "
        "gives the other functions of SBOX the same names, and no suite)"
    ]
    said = import_folders([folder], "bbob", tmp_path / "said")
    assert (said.suite, said.runs) == ("bbob", 1)
    assert said.notes[0].startswith(f"{folder}: taken as functions of BBOB, as --suite bbob says")
    # beside data that are BBOB's, they stay what they are
    coco = coco_folder(tmp_path / "b", [(1, 9, [(1, 80.0), (9, 1.0)])])
    both = import_folders([coco, folder], "", tmp_path / "both")
    assert (both.suite, both.runs) == ("bbob", 1)
    assert any("Sphere in 2 dimensions is not in the suite" in note for note in both.notes)
    with pytest.raises(BadInput, match="data of 2 suites"):
        import_folders([folder, coco], "", tmp_path / "turned")


def test_numbers_of_a_json_that_are_none(tmp_path):
    folder = ioh_folder(tmp_path / "a", RUNS)
    file = folder / "IOHprofiler_f1_MyFun.json"
    good = file.read_text()
    data = json.loads(good)
    for value, runs in ((10**400, 0), ("x", 0), (True, 0), ([], 0), (None, 3), (np.nan, 3)):
        data["scenarios"][0]["runs"][0]["best"]["y"] = value
        file.write_text(json.dumps(data))
        if runs:
            assert len(read_folders([folder])[0]) == runs
            continue
        with pytest.raises(BadInput, match=r"json line \d+: best y is a number"):
            read_folders([folder])


@pytest.mark.parametrize("make", [coco_folder, ioh_folder])
@pytest.mark.parametrize("whole", [True, False])
def test_a_copy_within_the_folder_counts_once_and_is_told(tmp_path, make, whole):
    folder = make(tmp_path / "a" / "exdata", RUNS)
    make(tmp_path / "a" / "backup", RUNS if whole else RUNS[:2])  # read first
    curves, notes = read_folders([tmp_path / "a"])
    assert sorted(c.instance for c in curves) == [1, 2, 3]
    (note,) = notes
    assert note.startswith(f"{3 if whole else 2} runs that other data files hold as well, and ")
    assert "exdata" in note
    assert "backup" in note
    make(tmp_path / "a" / "third", RUNS)
    assert len(read_folders([tmp_path / "a"])[0]) == 3
    shutil.rmtree(tmp_path / "a" / "third")
    again = [(i, n, [(q, g * 2) for q, g in rows]) for i, n, rows in RUNS]
    make(folder, again)  # other runs of the same instances
    curves, notes = read_folders([tmp_path / "a"])
    assert (len(curves), notes) == (6 if whole else 5, [])


def test_a_block_that_stands_twice_counts_once(tmp_path):
    folder = coco_folder(tmp_path / "a", [*RUNS, RUNS[0]])  # a method without chance, run twice
    assert len(read_folders([folder])[0]) == 4
    info = folder / "f1.info"
    info.write_text(info.read_text() + "\n" + info.read_text())
    curves, notes = read_folders([folder])
    assert (len(curves), len(notes)) == (4, 1)
    (folder / "f1 (copy).info").write_text(info.read_text())
    assert len(read_folders([folder])[0]) == 4
