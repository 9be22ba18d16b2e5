"""The command line, end to end: what it prints, what it writes, how it ends."""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from zobench.cli import status_of

TINY = """\
name = "tiny"
version = "1"
description = "A suite of a test."
budget = 300
repetitions = 4

[[problem]]
id = "sphere-d{dim}"
objective = "sphere"
group = "spheres"
expand = { dim = [3, 5] }
settings = { shifted = true }
targets = [2.0, 1.0, 0.5]

[[problem]]
id = "valley"
objective = "rosenbrock"
settings = { dim = 2 }
targets = [3.0, 1.0]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a small suite in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


@pytest.fixture
def zobench(here, capfd):
    """Run a command in this process: (exit status, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        makes_runs = arguments[:1] in (("run",), ("compare",), ("tune",))
        one_job = ("-j", "1") if makes_runs and "-j" not in arguments else ()
        status = status_of([*arguments, *one_job])
        return status, *capfd.readouterr()

    return run


def process(*arguments: str, **options) -> subprocess.Popen:
    """The same as a process of its own."""
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-m", "zobench.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def said(error: str) -> str:
    """The one line of an error, without the lines of progress before it."""
    lines = [line for line in error.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, error
    return lines[0].removeprefix("zobench: ")


# list, new


def test_list_shows_every_kind(zobench):
    status, out, _ = zobench("list")
    assert status == 0
    for name in ("ESTIMATORS", "OBJECTIVES", "SUITES", "mezo-bcd", "sphere"):
        assert name in out


def test_a_bare_command_shows_its_help(zobench):
    for arguments in ((), ("new",), ("bench",)):
        status, out, err = zobench(*arguments)
        assert (status, err) == (0, "")
        assert out.startswith(f"Usage: {' '.join(['zobench', *arguments])}")


def test_list_shows_all_there_is_to_know_of_a_name(zobench):
    _, out, _ = zobench("list", "estimators", "mezo")
    for fact in ("2305.17333", "weight_decay", "1e-06 to 1, log", "Queries per step"):
        assert fact in out
    assert zobench("list", "estimator", "mezo")[1] == zobench("list", "mezo")[1] == out
    _, out, _ = zobench("list", "objectives", "sphere")
    assert 'objective = "sphere"' in out
    _, out, _ = zobench("list", "suites", "tiny.toml")
    assert re.search(r"valley +rosenbrock +300 +4 +2: 3 to 1", out)
    assert "at most 3,600 queries" in out


def test_a_new_estimator_runs_as_it_is(zobench, here):
    status, out, _ = zobench("new", "estimator", "my-method")
    assert status == 0
    command = re.search(r"zobench compare (\S+) mezo", out)
    assert command
    status, out, _ = zobench("run", command[1], "-s", "tiny.toml", "-p", "sphere-d3", "-r", "1")
    assert status == 0
    assert "my-method" in out
    status, _, err = zobench("new", "estimator", "my-method")
    assert (status, said(err)) == (2, "my_method.py exists; choose another name, or --out FILE")


def test_a_new_objective_runs_as_it_is(zobench, here):
    status, out, _ = zobench("new", "objective", "my-function", "--out", "deep/f.py")
    assert status == 0
    assert "--suite ./deep/f.toml" in out
    status, _, _ = zobench("run", "spsa", "--suite", "./deep/f.toml", "-r", "1")
    assert status == 0
    runs = pd.read_csv("results/my-function/runs.csv")
    assert list(runs["problem"]) == ["my-function-d5", "my-function-d20"]
    assert set(runs["status"]) <= {"budget", "target"}


@pytest.mark.parametrize(
    ("name", "why"),
    [("My Method", "small letters"), ("mezo", "already"), ("9th", "small letters")],
)
def test_a_new_name_must_be_one(zobench, name, why):
    status, _, err = zobench("new", "estimator", name)
    assert status == 2
    assert why in said(err)


# run, tune


def test_run_lists_the_runs_and_resumes(zobench, here):
    arguments = ("run", "spsa", "zo-sgd:lr=1e-2", "-s", "tiny.toml", "-r", "2")
    status, out, err = zobench(*arguments)
    assert status == 0
    assert err.count("\n") == 6  # three problems, two estimators
    assert out.count("zo-sgd:lr=1e-2") == 6
    runs = pd.read_csv("results/tiny/runs.csv")
    assert len(runs) == 12
    hits = pd.read_csv("results/tiny/hits.csv")
    assert set(hits["run_key"]) <= set(runs["run_key"])
    status, out, err = zobench(*arguments)
    assert "12 of 12 runs were already in results/tiny" in out
    assert err == ""
    status, out, err = zobench(*arguments, "--fresh")
    assert "were set aside as results/tiny/results-" in out
    again = pd.read_csv("results/tiny/runs.csv")
    same = ["run_key", "status", "queries", "final_score", "best_score", "seed"]
    pd.testing.assert_frame_equal(runs[same], again[same])


def test_tune_writes_what_compare_then_uses(zobench, here):
    arguments = ("tune", "spsa", "zo-sgd:n=2", "-s", "tiny.toml", "-n", "5", "-r", "1")
    arguments = (*arguments, "--out", "mine")
    status, out, err = zobench(*arguments, "-g", "spheres")
    assert status == 0
    limit = 2 * (5 * 480 + 5 * 600)
    assert f"2 searches of 5 trials, at most {limit:,} queries in all" in " ".join(out.split())
    assert "rounds of 5, then 4 trials" in " ".join(out.split())
    assert "[spheres, round 1 of 2: 20/20] " in err
    assert "[spheres, round 2 of 2: 20/20] " in err
    kept = tomllib.loads(Path("mine/tiny/zo-sgd.toml").read_text())
    record = kept["record"]["spheres"]
    assert (record["for"], record["trials"], len(record["tried"])) == ("final", 5, 6)
    assert record["problems"] == ["sphere-d3", "sphere-d5"]
    assert record["rounds"][0]["queries"] == {"sphere-d3": 240, "sphere-d5": 240}
    assert 0 < record["queries_made"] <= limit / 2
    assert {problem: len(counts) for problem, counts in record["reached"].items()} == {
        "sphere-d3": 3,
        "sphere-d5": 3,
    }
    assert kept["settings"]["spheres"] == record["tried"][record["chosen"]]["settings"]
    assert kept["settings"]["spheres"]["n"] == 2
    counts = [len(trial["costs"]) for trial in record["tried"]]
    assert counts[0] == 1  # the defaults, in the last round
    assert sorted(counts[1:]) == [1, 2, 2, 2, 2]
    last = [record["tried"][0], *(t for t in record["tried"] if len(t["costs"]) == 2)]
    first, second = (record["tried"][record[key]]["costs"][-1] for key in ("chosen", "runner_up"))
    assert [first, second] == sorted(trial["costs"][-1] for trial in last)[:2]
    assert f"{10**first:,.0f}" in out

    status, out, err = zobench(*arguments)  # the other group joins, the first one is kept
    assert "spheres" not in err  # no run is made again
    both = tomllib.loads(Path("mine/tiny/zo-sgd.toml").read_text())
    assert set(both["settings"]) == {"spheres", "rosenbrock"}
    assert both["settings"]["spheres"] == kept["settings"]["spheres"]

    status, _, err = zobench(*arguments[:-6], "-n", "4", "-r", "1", "--out", "mine")
    assert status == 2
    assert "of another search; --force overwrites them" in said(err)

    run = ("run", "zo-sgd", "-s", "tiny.toml", "-r", "1")
    zobench(*run, "--baselines", "mine")
    tuned = pd.read_csv("results/tiny/runs.csv")
    assert f'"lr": {kept["settings"]["spheres"]["lr"]}' in tuned["settings"][0]
    assert '"lr": "baseline"' in tuned["settings_from"][0]
    zobench(*run, "--baselines", "mine", "--defaults")
    assert '"lr": "default"' in pd.read_csv("results/tiny/runs.csv")["settings_from"][0]


def test_one_setting_for_all_problems_is_what_compare_then_uses(zobench, here):
    status, out, err = zobench(
        *("tune", "spsa", "-s", "tiny.toml", "-n", "4", "-r", "1", "--together", "--out", "one")
    )
    assert status == 0, err
    assert "1 search of 4 trials" in out
    assert re.search(r"spsa +all problems", out)
    kept = tomllib.loads(Path("one/tiny/spsa.toml").read_text())
    assert list(kept["settings"]) == ["*"]
    assert kept["record"]["*"]["problems"] == ["sphere-d3", "sphere-d5", "valley"]
    again = (*("-n", "4", "-r", "1", "--together", "--out", "two"), "--results", "elsewhere")
    zobench("tune", "spsa", "-s", "tiny.toml", *again)
    assert Path("two/tiny/spsa.toml").read_text() == Path("one/tiny/spsa.toml").read_text()
    zobench("run", "spsa", "-s", "tiny.toml", "-r", "1", "--baselines", "one")
    runs = pd.read_csv("results/tiny/runs.csv")
    assert len(runs) == 3
    assert all(f'"lr": {kept["settings"]["*"]["lr"]}' in settings for settings in runs["settings"])
    assert all('"lr": "baseline"' in origins for origins in runs["settings_from"])


def test_settings_of_a_search_by_an_earlier_zobench_are_kept_and_used(zobench, here):
    file = Path("old/tiny/spsa.toml")
    file.parent.mkdir(parents=True)
    text = (
        "[settings.spheres]\nlr = 0.03\neps = 0.01\n[record.spheres]\ntrials = 2\nrepetitions = 1\n"
        "finalists = 3\nagain = 2\nchosen = 1\ntried = [{ score = 0.1, settings = { lr = 0.01 } }, "
        "{ score = 0.2, settings = { lr = 0.03 } }]\n"
    )
    file.write_text(text)
    tune = ("tune", "spsa", "-s", "tiny.toml", "-g", "spheres", "-n", "2", "-r", "1")
    status, _, err = zobench(*tune, "--out", "old")
    assert (status, file.read_text()) == (2, text)
    assert "of another search; --force overwrites them" in said(err)
    zobench("run", "spsa", "-s", "tiny.toml", "-p", "sphere*", "-r", "1", "--baselines", "old")
    assert all('"lr": 0.03' in row for row in pd.read_csv("results/tiny/runs.csv")["settings"])
    status, _, err = zobench(*tune, "--out", "old", "--force")
    assert status == 0, err
    assert tomllib.loads(file.read_text())["record"]["spheres"]["for"] == "final"


def test_tuning_uses_no_seed_and_no_instance_that_is_scored(zobench, here):
    (here / "i.toml").write_text(
        'name = "i"\nversion = "1"\n[[problem]]\nid = "f1"\nobjective = "bbob"\nbudget = 50\n'
        'settings = { dim = 2 }\ninstances = "1-3"\ntargets = [1.0]\n'
    )
    zobench("tune", "spsa", "-s", "i.toml", "-n", "2", "-r", "2", "--out", "b", "--results", "t")
    zobench("run", "spsa", "-s", "i.toml", "--out", "scored")
    zobench("run", "spsa", "-s", "i.toml", "--out", "t", "-r", "1")
    from zobench.harness.store import Store

    with Store.open("t", write=False) as store:
        specs = [spec for spec in store.specs() if "#" in spec.estimator.text]
    scored = pd.read_csv("scored/runs.csv")
    assert len(specs) == 3 * 2  # two trials and the defaults, two repetitions
    assert not {spec.settings["instance"] for spec in specs} & set(scored["instance"])
    assert not {spec.problem_seed for spec in specs} & set(scored["seed"])


GAMBLE = """
import numpy as np
from zobench.core.directions import Dense
from zobench.core.problem import VectorProblem
from zobench.registry import estimators


def table(dim: int = 1, instance: int = 1) -> VectorProblem:
    won = 0.0 if instance == 1001 else 1.0  # the instance of the first round

    def f(x):
        return np.where(x[:, 0] == 0, 1.0, np.where(x[:, 0] < 0.5, 0.3, won))

    return VectorProblem(f, lambda rng: np.zeros(dim))


class Bettor:
    def __init__(self, stake):
        self.stake = stake

    def start(self, params, seed):
        self.params = params

    def step(self, evaluate):
        move = Dense(np.array([self.stake]) - self.params.flat())
        evaluate([(1.0, move)])
        self.params.add(1.0, move)


@estimators.register("bettor", space={"stake": (0.01, 0.99, "linear")})
def bettor(stake: float = 0.2) -> Bettor:
    return Bettor(stake)
"""


def test_tuning_does_not_choose_a_trial_that_was_lucky_once(zobench, here):
    (here / "g.py").write_text(GAMBLE)
    (here / "g.toml").write_text(
        'name = "g"\nversion = "1"\n[[problem]]\nid = "table"\nobjective = "g.py:table"\n'
        'budget = 20\ninstances = "1-3"\ntargets = [0.5, 0.1]\n'
    )
    arguments = ("g.py:bettor", "-s", "g.toml", "-n", "12", "-r", "1", "--out", "b")
    folder = ("--results", "tuned")
    status, _, err = zobench("tune", *arguments, *folder)
    assert status == 0, err
    record = tomllib.loads(next(Path("b/g").iterdir()).read_text())["record"]["table"]
    stakes = [trial["settings"]["stake"] for trial in record["tried"]]
    assert sum(stake > 0.5 for stake in stakes) >= 4  # these win the first round, by luck
    finalists = [trial for trial in record["tried"] if len(trial["costs"]) == 2]
    assert [trial["settings"]["stake"] > 0.5 for trial in finalists] == [True] * 4
    assert record["chosen"] == 0  # the defaults, as no lucky trial keeps its luck
    assert record["reached"] == {"table": [len(stakes), sum(stake > 0.5 for stake in stakes)]}

    # Another suite may have a problem of the same name, in the same folder.
    (here / "h.toml").write_text((here / "g.toml").read_text().replace('"g"', '"h"'))
    status, _, err = zobench("tune", *arguments[:1], "-s", "h.toml", *arguments[3:], *folder)
    assert status == 0, err


# compare


def test_compare_says_who_is_sooner(zobench, here):
    arguments = ("compare", "random-search:sigma=0.3", "zo-sgd:lr=1e-3", "mezo-bcd", "-s")
    status, out, _ = zobench(*arguments, "tiny.toml", "-p", "sphere*", "-r", "8", "-b", "1000")
    assert status == 0  # a skipped run is no failure
    assert re.search(
        r"random-search:sigma=0\.3 is shown to reach the targets sooner than zo-sgd:lr=1e-3 "
        r"\([\d.]+x \[[\d.]+, [\d.]+\] in queries",
        " ".join(out.split()),
    )
    assert "on 2/2 problems" in " ".join(out.split())
    assert "sphere-d3 (d = 3): target gap 0.500 by the best evaluated point" in out
    assert "16 of 48 runs were skipped:" in out
    assert re.search(r"\n  mezo-bcd +skipped: needs at least two groups of blocks", out)
    assert max(map(len, out.splitlines())) <= 100
    head, verdict = out.split("\nVerdict\n")  # it comes last, and says first what it rests on
    assert "Report: " in head
    assert (
        "This rests on 2 problems of tiny, with 8 runs per estimator on each; other problems may "
        "give another order." in " ".join(verdict.split())
    )
    assert "per query: time of one query" not in " ".join(out.split())
    _, more, _ = zobench(
        *arguments, "tiny.toml", "-p", "sphere*", "-r", "8", "-b", "1000", "--details"
    )
    assert "per query: time of one query" in " ".join(more.split())
    assert re.search(
        r"to score, per run \(medians\); \d+% and \d+% of all seconds", " ".join(more.split())
    )

    summary = pd.read_csv("results/tiny/summary.csv").set_index(["problem", "estimator"])
    runs, hits = pd.read_csv("results/tiny/runs.csv"), pd.read_csv("results/tiny/hits.csv")
    for (problem, estimator), row in summary.iterrows():
        mine = runs[(runs["problem"] == problem) & (runs["estimator"] == estimator)]
        final = hits[(hits["kind"] == "best") & (hits["target_index"] == 2)]
        spent = mine.set_index("run_key")["queries"].astype(float)
        reached = final[final["run_key"].isin(spent.index)].set_index("run_key")["queries"]
        spent.update(reached)
        if not row["runs"]:
            assert row["skipped"] == 8
            continue
        assert row["final_successes"] == len(reached)
        assert row["final_queries"] == pytest.approx(spent.sum() / len(reached))
    speedups = pd.read_csv("results/tiny/speedups.csv")
    whole = speedups[speedups["problem"].isna() & (speedups["unit"] == "queries")].iloc[0]
    ratios = [
        summary["final_queries"][p, "zo-sgd:lr=1e-3"] / summary["final_queries"][p, arguments[1]]
        for p in ("sphere-d3", "sphere-d5")
    ]
    assert whole["speedup"] == pytest.approx((ratios[0] * ratios[1]) ** 0.5)


def test_compare_shows_groups_where_problems_are_many(zobench, here):
    many = TINY.replace("[3, 5]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]").replace(
        "repetitions = 4", "repetitions = 1"
    )
    (here / "many.toml").write_text(many)
    status, out, _ = zobench("compare", "spsa", "random-search", "-s", "many.toml")
    assert status == 0
    assert "spheres (d = 9): 1 problem" in out
    assert "sphere-d9 (d = 9): target" not in out
    _, out, _ = zobench("compare", "spsa", "random-search", "-s", "many.toml", "--all")
    assert "sphere-d9 (d = 9): target" in out
    assert "20 of 20 runs were already" in out


def test_a_target_that_is_met_at_the_start_is_shown_as_such(zobench, here):
    (here / "tiny.toml").write_text(
        TINY.replace("[2.0, 1.0, 0.5]", '[1e9, 1e8]\nscored = "current"')
    )
    status, out, _ = zobench("compare", "spsa", "random-search", "-s", "tiny.toml")
    assert status == 0
    assert (
        "sphere-d3 (d = 3): target gap 1.0e+08 by the current point, within 300 queries; 8 of 8 "
        "runs meet it at the start or by the first query" in " ".join(out.split())
    )
    assert re.search(r"\n  spsa +4/4 +at start +at start ", out)
    assert (
        "Met at the start or by the first query: the final target of sphere-d3 (8/8 runs), "
        "sphere-d5 (8/8 runs)." in " ".join(out.split())
    )
    summary = pd.read_csv("results/tiny/summary.csv").set_index(["problem", "estimator"])
    assert summary["final_at_start"]["sphere-d3", "spsa"] == 4
    assert summary["final_queries"]["sphere-d3", "spsa"] == 1  # by the convention of the ERT
    assert summary["final_at_start"]["valley", "spsa"] < 4


def test_a_bound_is_told_in_words_where_no_run_reached_the_target(zobench, here):
    (here / "tiny.toml").write_text(TINY.replace("[2.0, 1.0, 0.5]", "[0.5, 1e-99]"))
    names = ("random-search:sigma=0.3", "zo-sgd:lr=1e-9")
    _, out, _ = zobench("compare", *names, "-s", "tiny.toml", "-p", "sphere-d3")
    assert "target gap 0.500" in out  # the hardest that a run reached
    assert re.search(r"\n  zo-sgd:lr=1e-9 +0/4 +missed \(over \d+\) +missed ", out)


def test_compare_tells_of_tuned_settings(zobench, here):
    (here / "b" / "tiny").mkdir(parents=True)
    (here / "b" / "tiny" / "spsa.toml").write_text("[settings.spheres]\nlr = 0.03\n")
    arguments = (
        "compare",
        "spsa",
        "zo-sgd",
        "-s",
        "tiny.toml",
        "-r",
        "1",
        "--baselines",
        "b",
        "--details",
    )
    _, out, _ = zobench(*arguments)
    assert "spsa on spheres: tuned settings (baselines) lr=0.03" in out
    assert "Not tuned, at default settings: zo-sgd, spsa (on rosenbrock)." in " ".join(out.split())
    _, out, _ = zobench(*arguments, "--defaults")
    assert "tuned settings" not in out
    assert "Not tuned, at default settings: spsa, zo-sgd." in " ".join(out.split())
    _, out, _ = zobench("compare", "spsa:lr=0.1", "zo-sgd:lr=0.1", "-s", "tiny.toml", "-r", "1")
    assert "tuned" not in out


def test_a_failed_run_is_status_1_and_is_made_again(zobench, here):
    (here / "odd.py").write_text(USER.replace("HERE", "np.full(len(x), open('switch') and 1.0)"))
    (here / "odd.toml").write_text(SUITE)
    status, out, _ = zobench("compare", "mezo", "spsa", "-s", "odd.toml")
    assert status == 1
    assert "4 of 4 runs failed:" in out
    assert "FileNotFoundError" in out
    assert "The same command makes the failed runs again." in out
    (here / "switch").write_text("")
    status, out, _ = zobench("compare", "mezo", "spsa", "-s", "odd.toml")
    assert status == 0
    assert "failed" not in out
    assert "Neither mezo nor spsa reached the final target on the problem" in " ".join(out.split())


def test_python_gives_what_the_command_line_shows(zobench, here):
    import zobench as package

    _, out, _ = zobench("compare", "spsa", "random-search", "-s", "tiny.toml", "-r", "6")
    found = package.compare(["spsa", "random-search"], "tiny.toml", repetitions=6, progress=False)
    assert found.results.counts == {"resumed": 36}
    assert " ".join(found.verdict.split()) in " ".join(out.split())
    assert len(found.runs) == 36
    assert set(found.hits["run_key"]) <= set(found.runs["run_key"])
    assert set(found.traces["run_key"]) == set(found.runs["run_key"])
    assert list(found.summary["estimator"]) == ["spsa", "random-search"] * 3
    with pytest.raises(package.errors.BadInput, match="did you mean 'spsa'"):
        package.compare(["spsaa"], "tiny.toml")
    with pytest.raises(package.errors.BadInput, match="list of names"):
        package.compare("spsa", "tiny.toml")
    assert package.make("spsa", n=3).scheme.n == 3
    with pytest.raises(AttributeError, match="no attribute 'comprae'"):
        package.comprae  # noqa: B018


# export


def test_export_keeps_a_leaderboard(zobench, here):
    status, _, err = zobench("export", "-s", "tiny.toml", "results/none")
    assert status == 2
    assert "no results in 'results/none'" in said(err)
    zobench("run", "spsa", "random-search", "-s", "tiny.toml", "-r", "2", "--out", "short")
    zobench("run", "spsa", "random-search", "-s", "tiny.toml", "-b", "50", "--out", "cheap")
    status, _, err = zobench("export", "-s", "tiny.toml", "cheap")
    assert status == 2
    assert "no runs of suite 'tiny' version 1 with its own budgets" in said(err)
    zobench("run", "random-search", "-s", "tiny.toml", "-r", "2", "-p", "valley", "--out", "part")
    zobench("export", "-s", "tiny.toml", "part", "--freeze", "random-search")
    frozen = Path("leaderboards/tiny-reference.csv").read_text()
    command = ("export", "-s", "tiny.toml", "short")
    status, _, err = zobench(*command, "--freeze", "spsa")
    assert (status, "a reference is frozen" in said(err)) == (2, True)
    status, out, _ = zobench(*command, "--freeze", "random-search")  # of the other dimensions
    assert status == 0
    assert "wrote leaderboards/tiny.csv: 6 rows, 5 of them from these results" in out
    longer = Path("leaderboards/tiny-reference.csv").read_text()
    assert longer.startswith(frozen)
    assert len(frozen.splitlines()) == 1 + 2
    assert len(longer.splitlines()) == 1 + 6
    rows = pd.read_csv("leaderboards/tiny.csv")
    assert list(rows["dimension"]) == [2, 2, 3, 3, 5, 5]
    assert set(rows["baseline"]) == {"random-search"}
    same = rows[(rows["method"] == "random-search") & (rows["success_rate"] == 1)]
    assert (same["speedup"] == 1).all()
    assert rows["cpu"].notna().all()
    status, _, err = zobench(*command, "--freeze", "random-search")
    assert (status, "a reference is frozen" in said(err)) == (2, True)

    zobench("run", "zo-sgd", "-s", "tiny.toml", "-r", "1", "--out", "other")
    zobench("export", "-s", "tiny.toml", "other")
    more = pd.read_csv("leaderboards/tiny.csv")
    assert len(more) == 9
    old = more[more["method"] != "zo-sgd"].reset_index(drop=True)
    keys = ["dimension", "method"]
    pd.testing.assert_frame_equal(
        old.sort_values(keys, ignore_index=True),
        rows.sort_values(keys, ignore_index=True),
        check_dtype=False,
    )


# bad input: one clear line, status 2


USER = """\
import numpy as np

from zobench.core.problem import VectorProblem

calls = 0


def value(x):
    global calls
    calls += len(x)
    return HERE


def odd(dim: int = 3) -> VectorProblem:
    return VectorProblem(value, lambda rng: rng.standard_normal(dim))
"""
SUITE = """\
name = "odd"
version = "1"
[[problem]]
id = "odd"
objective = "odd.py:odd"
budget = 400
repetitions = 2
targets = [1e-9]
"""


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ("run mezzo -s tiny.toml", "no estimator named 'mezzo'; did you mean 'mezo'?"),
        ("run mezo:rl=1 -s tiny.toml", "mezo: no setting named 'rl'; known: lr, eps"),
        ("run mezo:lr=fast -s tiny.toml", "setting 'lr' takes a number such as 1e-06, not 'fast'"),
        ("run mezo:lr -s tiny.toml", "'lr' is not a setting; write name=value"),
        ("run mezo mezo -s tiny.toml", "estimator 'mezo' is given twice"),
        ("run mezo -s tinny.toml", "no suite file 'tinny.toml'"),
        ("run mezo -s ./", "is a folder; a suite is one .toml file"),
        ("run mezo -s smokee", "no suite named 'smokee'; did you mean 'smoke'?"),
        ("run mezo -s tiny.toml -p cube", "no problem in suite 'tiny' named 'cube'"),
        ("run mezo -s tiny.toml -b 0", "budget must be above 0, not 0"),
        ("run mezo -s tiny.toml -r 0", "repetitions must be at least 1, not 0"),
        ("run mezo -s tiny.toml -r 99999999999", "runs are more than 1,000,000; take fewer"),
        ("run mezo -s tiny.toml -j -1", "jobs is a number of runs at the same time, or 0 for one"),
        ("tune mezo -s tiny.toml -j -1", "jobs is a number of runs at the same time, or 0 for one"),
        ("compare mezo spsa -s tiny.toml --picture no/p.svg", "there is no folder 'no'"),
        ("compare mezo spsa -s tiny.toml --picture p.png", "written as SVG: take 'p.svg'"),
        ("run zo-sgd:normalised=3 -s tiny.toml", "takes true or false, not '3'"),
        ("run mezo:n=1.5 -s tiny.toml", "'n' takes an integer such as 1, not '1.5'"),
        ("run mezo -s tiny.toml -b many", "Invalid value for '--budget'"),
        ("run mezo -s tiny.toml --bugdet 3", "No such option: --bugdet"),
        ("run ./none.py:Mine -s tiny.toml", "no file"),
        ("run -s tiny.toml", "Missing argument 'ESTIMATOR'"),
        ("ruin mezo", "No such command 'ruin'"),
        ("tune mezo -s tiny.toml -g cubes", "no group in suite 'tiny' named 'cubes'"),
        ("tune mezo -s tiny.toml -n 0", "--trials is a number of at least 1, not 0"),
        (
            "tune mezo -s tiny.toml --together -g spheres",
            "--together is one search over all groups",
        ),
        ("tune mezo -s tiny.toml --for speed", "no goal of a search named 'speed'"),
        ("tune mezo -s tiny.toml -b 0", "budget must be above 0, not 0"),
        ("list estimator mezzo", "did you mean 'mezo'?"),
        ("list mezzo", "did you mean 'mezo'?"),
        ("bench step --layers 0", "layers is a number of at least 1, not 0"),
        ("bench step --model tiny --layers 3", "'tiny' has its own"),
        ("bench step --hidden 10 --heads 3", "not a multiple of heads=3"),
        ("bench step --dtype float13", "no dtype named 'float13'; did you mean 'float32'?"),
        ("bench step --model ./no/such", "no model folder './no/such'"),
        ("bench overhead --repeats 0", "at least 1"),
    ],
)
def test_bad_input_gives_one_line_and_status_2(zobench, here, arguments, what):
    status, out, err = zobench(*arguments.split())
    if "tune" not in arguments:  # which says first what it is about to do
        assert out == ""
    assert status == 2
    assert what in said(err)
    assert not (here / "results").exists()


def test_a_name_that_is_of_two_kinds_is_told_once(zobench):
    _, _, err = zobench("list", "zzzz")
    known = said(err).split("known: ")[1].split(", ")
    assert len(set(known)) == len(known)
    assert "bbob" in known  # an objective and a suite


def test_a_damaged_results_file_is_told_in_one_line(zobench, here):
    assert zobench("run", "spsa", "-s", "tiny.toml", "--out", "r")[0] == 0
    file = Path("r/results.sqlite")
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xab" * (len(whole) - 4096))  # the head is right
    for command in (("report", "r"), ("export", "r", "-s", "tiny.toml", "-f", "csv")):
        status, _, err = zobench(*command)
        assert (status, "r/results.sqlite is damaged: " in err) == (2, True)
        assert len(err.strip().splitlines()) == 1


def test_a_picture_asks_nothing_of_the_network(zobench, here):
    assert zobench("compare", "spsa", "gld", "-s", "tiny.toml", "--picture", "p.svg")[0] == 0
    text = Path("p.svg").read_text()
    assert "spsa" in text
    assert set(re.findall(r"https?://[^/\s\"<]*", text)) <= {"http://www.w3.org"} | {
        "https://www.textualize.io"  # a comment
    }


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("budget = 300", "budget = 300 300", "tiny.toml line 4", ""),
        ("budget = 300", "bugdet = 300", "tiny.toml line 4", "did you mean 'budget'?"),
        ("budget = 300", "budget = 0", "tiny.toml line 4", "budget must be above 0"),
        ('"rosenbrock"', '"rosenbrok"', "tiny.toml line 17", "did you mean 'rosenbrock'?"),
        ("{ dim = 2 }", "{ dims = 2 }", "tiny.toml line 18", "did you mean 'dim'?"),
        ("[3.0, 1.0]", "[]", "tiny.toml line 19", "no targets"),
        ("{ dim = 2 }", "{ dim = 2.5 }", "tiny.toml line 18", "an integer such as 10, not 2.5"),
        ("{ dim = 2 }", "{ dim = [2] }", "tiny.toml line 18", "such as 10, not the list [2]"),
        ("{ dim = 2 }", "{ dim = true }", "tiny.toml line 18", "such as 10, not true"),
    ],
)
def test_a_malformed_suite_names_the_line(zobench, here, old, new, where, what):
    (here / "tiny.toml").write_text(TINY.replace(old, new))
    status, _, err = zobench("run", "mezo", "-s", "tiny.toml")
    assert status == 2
    assert where in said(err).replace(", line", " line").replace(":", " line ", 1) or where in err
    assert what in said(err)


@pytest.mark.parametrize(
    ("body", "status", "outcome", "why"),
    [
        ("np.full(len(x), np.nan)", 0, "diverged", "nan"),
        ("np.full(len(x), 1.0 / (calls < 100))", 1, "failed", "ZeroDivisionError"),
    ],
)
def test_a_broken_objective_is_an_outcome(zobench, here, body, status, outcome, why):
    (here / "odd.py").write_text(USER.replace("HERE", body))
    (here / "odd.toml").write_text(SUITE)
    got, out, _ = zobench("run", "mezo", "-s", "odd.toml")
    assert got == status
    runs = pd.read_csv("results/odd/runs.csv")
    assert list(runs["status"]) == [outcome] * 2
    assert why in runs["reason"][0]
    assert runs["reason"][0] in " ".join(out.split())
    assert "odd.py" in runs["reason"][0] or outcome == "diverged"


def test_an_estimator_with_a_syntax_error_names_the_line(zobench, here):
    (here / "bad.py").write_text("x = 1\ndef broken(:\n")
    status, _, err = zobench("run", "bad.py:Mine", "-s", "tiny.toml")
    assert status == 2
    assert "bad.py line 2: SyntaxError" in said(err)


IMPOSSIBLE = {  # objective, settings as TOML lines, the line that is named, what is said
    "here": ("sphere", "blocks = 2\ndim = -3", 11, "dim is a number >= 1, not -3"),
    "apart": ("quadratic", 'dim = 10\nspectrum = "power"\nexponent = -1.0', 12, "exponent is"),
    "by-value": ("bbob", "function = 3\ndim = 41", 11, "2 to 40 variables, not 41"),
    "task": ("llm", 'batch = 4\ntask = "sentimnt"', 11, "no task named 'sentimnt'; did you mean"),
    "model": ("llm", 'batch = 4\nmodel = "./no/such"', 11, "no model folder './no/such'"),
    "data": ("llm", 'task = "sst2"\ndata = "csv"', 11, "column"),
}


@pytest.mark.parametrize(
    ("objective", "settings", "line", "what"), IMPOSSIBLE.values(), ids=IMPOSSIBLE
)
def test_what_an_objective_refuses_is_found_before_anything_runs(
    zobench, here, objective, settings, line, what
):
    (here / "odd.toml").write_text(
        'name = "odd"\nversion = "1"\nbudget = 10\ntargets = [0.1]\nrepetitions = 1\n'
        f'[[problem]]\nid = "p"\nobjective = "{objective}"\n[problem.settings]\n{settings}\n'
        '[[problem]]\nid = "fine"\nobjective = "sphere"\n'
    )
    (here / "csv" / "SST-2").mkdir(parents=True)
    for name in ("train", "dev"):
        (here / "csv" / "SST-2" / f"{name}.tsv").write_text("text\tstars\nfine\t5\n")
    status, _, err = zobench("run", "mezo", "-s", "odd.toml")
    assert status == 2
    assert f"odd.toml line {line}: problem 'p': " in said(err)
    assert what in said(err)
    assert not (here / "results").exists()
    assert zobench("run", "mezo", "-s", "odd.toml", "-p", "fine")[0] == 0


CHATTY = """\
from zobench.errors import BadInput
from zobench.registry import objectives


@objectives.register("chatty", in_worker=("json",))  # so it is built in a process of its own
def chatty(size: int = 1):
    print("building")
    raise BadInput(f"size is 0, not {size}")
"""


def test_what_objectives_print_is_not_shown_and_slow_ones_are_left_to_the_run(
    zobench, here, monkeypatch
):
    (here / "chatty.py").write_text(CHATTY)
    (here / "odd.toml").write_text(
        'name = "odd"\nversion = "1"\nbudget = 10\ntargets = [0.1]\nrepetitions = 1\n'
        '[[problem]]\nid = "p"\nobjective = "chatty.py:chatty"\nsettings = { size = 3 }\n'
    )
    status, out, err = zobench("run", "mezo", "-s", "odd.toml")
    assert (status, out) == (2, "")
    assert said(err) == "odd.toml line 9: problem 'p': chatty: size is 0, not 3"
    monkeypatch.setattr("zobench.running.building.BUILD_SECONDS", 0.01)
    status, out, _ = zobench("run", "mezo", "-s", "odd.toml")
    assert status == 1
    assert "failed: chatty: size is 0, not 3" in out


def test_an_instance_that_an_objective_refuses_is_found(zobench, here):
    (here / "odd.toml").write_text(
        'name = "odd"\nversion = "1"\nbudget = 10\ntargets = [0.1]\ninstances = "0-3"\n'
        '[[problem]]\nid = "f{function}"\nobjective = "bbob"\nexpand = { function = "1-24" }\n'
    )
    status, _, err = zobench("run", "mezo", "-s", "odd.toml")
    assert status == 2
    assert "odd.toml line 5: problem 'f1': bbob: " in said(err)
    assert "instances are numbers from 1, not 0" in said(err)


@pytest.mark.parametrize(
    ("estimator", "what"),
    [
        ("mezo:lr=-1", "mezo: setting 'lr' must be 0 or above, not -1.0"),
        ("mezo:eps=0", "mezo: setting 'eps' must be above 0, not 0.0"),
        ("mezo:n=0", "mezo: n is a number of directions of at least 1, not 0"),
        ("random-search:sigma=0", "random-search: setting 'sigma' must be above 0, not 0.0"),
        ("zo-adam:b1=1", "zo-adam: b1 must be 0 or above and below 1, not 1.0"),
        ("zo-sgd:clip=-1", "zo-sgd: clip must be 0 or above, not -1.0"),
        ("mezo-bcd:dwell=0", "mezo-bcd: dwell is a number of steps of at least 1, not 0"),
        ("ars:keep=9", "ars: keep must be between 1 and n = 8, not 9"),
        ("spsa:offset=-1", "spsa: offset must be 0 or above, not -1.0"),
    ],
)
def test_settings_that_cannot_be_are_found_before_anything_runs(zobench, here, estimator, what):
    status, _, err = zobench("run", estimator, "mezo", "-s", "tiny.toml")
    assert (status, said(err)) == (2, what)
    assert not (here / "results").exists()


def test_a_tuned_setting_that_cannot_be_names_its_file(zobench, here):
    (here / "mine" / "tiny").mkdir(parents=True)
    (here / "mine" / "tiny" / "spsa.toml").write_text("[settings.spheres]\nlr = 0.1\neps = -1\n")
    status, _, err = zobench("run", "spsa", "-s", "tiny.toml", "--baselines", "mine")
    assert status == 2
    assert "spsa.toml line 1: spsa: setting 'eps' must be above 0, not -1.0" in said(err)


def test_a_folder_that_cannot_be_written_is_one_line(zobench, here):
    (here / "file").write_text("")
    status, _, err = zobench("run", "mezo", "-s", "tiny.toml", "--out", "file/results")
    assert status == 2
    assert "cannot write results to 'file/results'" in said(err)


def test_an_error_of_ours_shows_no_traceback_unless_asked(zobench, monkeypatch):
    import zobench.display.catalogue as catalogue

    monkeypatch.setattr(catalogue, "catalogue", lambda *_: 1 / 0)
    status, _, err = zobench("list")
    assert status == 1
    assert "this is a fault of zobench: ZeroDivisionError" in said(err)
    monkeypatch.setenv("ZOBENCH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        zobench("list")


# processes


@pytest.mark.parametrize("arguments", [("--help",), ("list",)])
def test_help_and_list_load_nothing_heavy(arguments):
    """So they answer at once; how long that is depends on the machine."""
    words = [sys.executable, "-X", "importtime", "-m", "zobench", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "zobench" in done.stdout
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "zobench.cli" in loaded
    assert not loaded & {"torch", "pandas", "scipy", "transformers", "numba", "gymnasium", "cma"}


def test_ctrl_c_says_how_to_go_on(here):
    slow = TINY.replace("budget = 300", "budget = 40_000_000").replace(
        "targets = [", "targets = [-1, "
    )
    (here / "slow.toml").write_text(slow)
    child = process("run", "spsa", "-s", "slow.toml", cwd=here)
    deadline = time.monotonic() + 120
    while not (here / "results" / "tiny" / "workers.log").exists():  # the first worker's
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130
    assert out == ""
    assert re.fullmatch(r"zobench: stopped: 0 of 12 runs are finished and kept; "
                        r"the same command goes on from there\n", err)  # fmt: skip


def test_a_closed_pipe_is_no_error():
    with process("list") as child:
        assert child.stdout is not None
        child.stdout.close()
        _, err = child.communicate(timeout=120)
    assert (child.returncode, err) == (0, "")
