"""Peak memory of a run on a model, against evaluation only, measured by the harness itself."""

import shutil
from pathlib import Path

import pytest

from zobench.harness.plan import plan
from zobench.harness.pool import run_all
from zobench.harness.store import Store
from zobench.harness.suite_file import load

SUITE = """
name = "memory"
version = "1"
budget = 4
repetitions = 1

[[problem]]
id = "opt"
objective = "llm"
settings = { model = "MODEL", batch = 16 }
targets = [0.0]
"""


@pytest.mark.slow
def test_mezo_needs_the_memory_of_evaluation(tmp_path):
    """A random OPT of 98 million parameters, fp32: base-subtracted peaks of the same process."""
    from zobench.objectives.llm import models

    folder = tmp_path / "opt-100m"
    net = models.random_opt(12, 768, 16384, 12, max_positions=128)
    assert sum(p.numel() for p in net.parameters()) > 95e6
    net.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(models.__file__).parent / "models" / "tiny" / name, folder / name)
    del net
    (tmp_path / "memory.toml").write_text(SUITE.replace("MODEL", str(folder)))
    specs = plan(load(str(tmp_path / "memory.toml")), ["mezo", "zo-adam"])
    with Store.open(tmp_path / "results") as store:
        run_all(specs, store)
        runs = store.runs().set_index("estimator")
    assert set(runs["status"]) == {"budget"}, runs["reason"].tolist()
    assert runs.loc["mezo", "memory_ratio"] < 1.1, runs["memory_ratio"].to_dict()
    print(runs[["peak_memory", "memory_ratio"]])
    assert runs.loc["zo-adam", "memory_ratio"] > 1.8  # two moments: the meter does see memory
