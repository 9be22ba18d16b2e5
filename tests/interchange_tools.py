"""Data folders as other suites write them, small and by hand."""

import json
from pathlib import Path

import numpy as np

from zobench.harness.suite_file import load

SUITE = """\
name = "t"
version = "1"
budget = 300
instances = "1-3"
targets = { log10 = [2, -8], step = -0.2 }
scored = "best"
[[problem]]
id = "f{function}-d{dim}"
objective = "bbob"
expand = { function = [1, 8], dim = [2, 5] }
"""

HEAD = "% f evaluations | g evaluations | best noise-free fitness - Fopt | measured | best | x1\n"


def suite_in(folder: Path, text: str = SUITE):
    file = folder / "t.toml"
    file.write_text(text)
    return load(file)


def coco_folder(folder: Path, runs, algorithm="CMA", function=1, dimension=2, head=None) -> Path:
    """`runs`: (instance, evaluations, [(queries, gap), ...])."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(f"{i}:{n}|{np.nanmin([g for _, g in rows]):.1e}" for i, n, rows in runs)
    name = f"data/f{function}_DIM{dimension}.dat"
    (folder / "data").mkdir(exist_ok=True)
    (folder / name).write_text(
        "".join(HEAD + "".join(f"{q} 0 {g} {g} {g}\n" for q, g in rows) for _, _, rows in runs)
    )
    head = head or (
        f"suite = 'bbob', funcId = {function}, DIM = {dimension}, Precision = 1.000e-08, "
        f"algId = '{algorithm}', coco_version = '2.8.2', logger = 'bbob', "
        "data_format = 'bbob-new2', settings = ''"
    )
    (folder / f"f{function}.info").write_text(f"{head}\n% comment\n{name}, {listed}")
    return folder


def ioh_folder(folder: Path, runs, **changes) -> Path:
    """`runs`: (instance, evaluations, [(queries, gap), ...])."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join("evaluations raw_y\n" + "".join(f"{q} {g}\n" for q, g in r) for _, _, r in runs)
    (folder / "data.dat").write_text(rows)
    listed = [
        {"instance": i, "evals": n, "best": {"evals": 1, "y": min(g for _, g in rows), "x": []}}
        for i, n, rows in runs
    ]
    data = {
        "version": "0.3.22", "suite": "mine", "function_id": 1, "function_name": "MyFun",
        "maximization": False, "algorithm": {"name": "alg", "info": "x"},
        "attributes": ["evaluations", "raw_y"],
        "scenarios": [{"dimension": 4, "path": "data.dat", "runs": listed}],
    } | changes  # fmt: skip
    (folder / "IOHprofiler_f1_MyFun.json").write_text(json.dumps(data, indent=1))
    return folder
