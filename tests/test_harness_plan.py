"""Plans: keys and seeds that depend on what they should, and settings with their origin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from harness_tools import ELEMENTS, element, specs_of, suite_of

from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.estimator_spec import identity, parse_estimator, settled
from zobench.harness.plan import RunSpec, plan
from zobench.harness.run import execute
from zobench.harness.suite_file import load

WALK = element("walk")


def test_settings_are_typed_and_checked():
    spec = parse_estimator(f"{WALK}:n=3,size=1e-2")
    assert spec.settings == {"n": 3, "size": 0.01}
    assert spec.settings_from == {"n": "user", "size": "user"}
    assert spec.text == f"{WALK}:n=3,size=1e-2"
    assert identity(spec.entry) == "harness_elements.py:walk"
    assert parse_estimator("mezo").entry == "mezo"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mezoo", "did you mean 'mezo'"),
        ("mezo:lrr=1", "did you mean 'lr'"),
        ("mezo:lr=fast", "takes a number"),
        ("mezo:lr", "write name=value"),
        ("mezo:", "no setting after the colon; write mezo:name=value"),
        (":", "no estimator named ''"),
        ("mezo:lr=1,lr=2", "given twice"),
        (str(ELEMENTS), "which estimator of the file"),
        (element("wlak"), "has no estimator 'wlak'"),
        ("no/such.py:walk", "no file"),
    ],
)
def test_a_wrong_estimator_is_one_line(text, words):
    with pytest.raises(BadInput, match=words) as caught:
        parse_estimator(text)
    assert "\n" not in str(caught.value)


def test_baselines_lie_below_the_users_settings(tmp_path):
    (tmp_path / "t").mkdir()
    file = tmp_path / "t" / "harness_elements-walk.toml"
    file.write_text("trials = 3\n[settings.bowl]\nsize = 0.7\nn = 4\n[settings.other]\nn = 9\n")
    user = parse_estimator(f"{WALK}:n=2")

    def tuned(group):
        return settled(user, read_baseline("t", user.entry, tmp_path), group)

    spec = tuned("bowl")
    assert spec.settings == {"size": 0.7, "n": 2}
    assert spec.settings_from == {"size": "baseline", "n": "user"}
    spec = tuned("absent")
    assert spec.settings == {"size": 0.3, "n": 2}
    assert spec.settings_from == {"size": "default", "n": "user"}
    assert settled(user, None, "bowl").settings["size"] == 0.3
    file.write_text("[settings.bowl]\nsize = 0.7\nm = 4\n")
    with pytest.raises(BadInput, match=r"walk.toml line 1: .*no setting named 'm'"):
        tuned("bowl")


def test_a_problem_may_take_the_settings_that_were_tuned_on_another_suite(tmp_path):
    for name, size in (("t", 0.7), ("quick", 0.9)):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "harness_elements-walk.toml"
        file.write_text(f"[settings.bowl]\nsize = {size}\n")
    suite = suite_of(tmp_path)
    own = suite.problems[0]
    both = replace(suite, problems=(own, replace(own, id="q", tuned_on="quick")))
    specs = plan(both, [WALK], repetitions=1, baselines_folder=tmp_path)
    assert [s.estimator.settings["size"] for s in specs] == [0.7, 0.9]


def test_a_suite_gives_settings_that_users_and_baselines_may_replace(tmp_path):
    suite = suite_of(tmp_path)
    file = tmp_path / "t.toml"
    file.write_text(file.read_text() + f'[estimators."{WALK}"]\nsize = 0.6\nn = 3\n')
    suite = load(str(file))
    (spec,) = plan(suite, [WALK], repetitions=1)
    assert (spec.estimator.settings["size"], spec.estimator.settings["n"]) == (0.6, 3)
    assert spec.estimator.settings_from == {"size": "suite", "n": "suite"}
    (spec,) = plan(suite, [f"{WALK}:n=2"], repetitions=1)
    assert spec.estimator.settings == {"size": 0.6, "n": 2}
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "harness_elements-walk.toml").write_text("[settings.bowl]\nsize = 0.7\n")
    (spec,) = plan(suite, [WALK], repetitions=1, baselines_folder=tmp_path)
    assert spec.estimator.settings == {"size": 0.7, "n": 3}
    assert spec.estimator.settings_from == {"size": "baseline", "n": "suite"}


def test_a_schedule_of_a_suite_reaches_the_estimator(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(
        'name = "s"\nversion = "1"\n[estimators.mezo]\nlr = "cosine(1e-3)"\n'
        '[[problem]]\nid = "p"\nobjective = "sphere"\nbudget = 10\ntargets = [1.0]\n'
    )
    (spec,) = plan(load(str(file)), ["mezo"], repetitions=1)
    assert spec.estimator.settings["lr"] == "cosine(1e-3)"
    assert execute(spec).status == "budget"


def test_runs_come_problem_by_problem_with_estimators_in_turn(tmp_path):
    specs = specs_of(tmp_path, "walk", "walk:n=2", repetitions=3)
    order = [(s.repetition, s.estimator.settings["n"]) for s in specs]
    assert order == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_spec_survives_json(tmp_path):
    for spec in specs_of(tmp_path, "walk:n=2", instances='"1-3"', repetitions=3):
        again = RunSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
        assert again == spec
        assert again.key == spec.key
        assert again.settings["instance"] == spec.repetition + 1


def test_a_key_names_what_defines_the_result(tmp_path):
    (spec,) = specs_of(tmp_path, "walk", repetitions=1)
    p, e = spec.problem, spec.estimator
    assert len(spec.key) == 24
    same = [
        replace(spec, problem=replace(p, time_limit=5.0, memory_limit=9.0, group="g", how="h")),
        replace(spec, problem=replace(p, repetitions=50)),
        replace(spec, problem=replace(p, tuned_on="quick")),
        replace(spec, problem=replace(p, objective=f"/elsewhere/{identity(p.objective)}")),
        replace(spec, estimator=replace(e, text="other", settings_from={})),
        replace(spec, estimator=replace(e, settings=dict(reversed(e.settings.items())))),
    ]
    other = [
        replace(spec, suite="u"),
        replace(spec, suite_version="2"),
        replace(spec, repetition=1),
        replace(spec, problem=replace(p, id="q")),
        replace(spec, problem=replace(p, version="2")),
        replace(spec, problem=replace(p, budget=p.budget + 1)),
        replace(spec, problem=replace(p, settings=p.settings | {"dim": 5})),
        replace(spec, problem=replace(p, instances=(7,))),
        replace(spec, problem=replace(p, targets=(1.0,))),
        replace(spec, problem=replace(p, scored="current")),
        replace(spec, problem=replace(p, score_ratio=1.5)),
        replace(spec, estimator=replace(e, version="2")),
        replace(spec, estimator=replace(e, entry=element("typo"))),
        replace(spec, estimator=replace(e, settings=e.settings | {"n": 2})),
    ]
    assert {s.key for s in same} == {spec.key}
    assert len({s.key for s in [spec, *other]}) == len(other) + 1


def test_keys_and_seeds_are_frozen(tmp_path):
    """The seeds of these names must never change: stored results would lose their meaning."""
    suite = suite_of(tmp_path)
    spec = plan(suite, ["random-search"], repetitions=[3])[0]
    spec = replace(spec, suite="bbob-small", suite_version="1.0")
    assert spec.problem_seed == 4453968859374139108
    assert spec.estimator_seed == 1063952819344215621


def test_adding_a_problem_or_an_estimator_changes_no_other_run(tmp_path):
    few = specs_of(tmp_path, "walk")
    many = specs_of(tmp_path, "walk:n=2", "walk", repetitions=4)
    keys = {s.key: (s.problem_seed, s.estimator_seed) for s in many}
    assert all(keys[s.key] == (s.problem_seed, s.estimator_seed) for s in few)
    suite = suite_of(tmp_path)
    more = replace(suite, problems=(replace(suite.problems[0], id="new"), *suite.problems))
    assert {s.key for s in few} < {s.key for s in plan(more, [WALK])}


def test_seeds_are_shared_where_they_should_be(tmp_path):
    a, b, c, d = specs_of(tmp_path, "walk", "typo")
    assert a.problem_seed == b.problem_seed != c.problem_seed
    assert len({s.estimator_seed for s in (a, b, c, d)}) == 4
    far = plan(suite_of(tmp_path), [WALK], repetitions=range(1000, 1003))
    assert [s.repetition for s in far] == [1000, 1001, 1002]


@pytest.mark.parametrize(
    "wrong", [{"budget": 0}, {"repetitions": 0}, {"time_limit": -1.0}, {"memory_limit": 0.0}]
)
def test_a_plan_refuses_limits_that_cannot_be(tmp_path, wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        plan(suite_of(tmp_path), [WALK], **wrong)
    with pytest.raises(BadInput, match="given twice"):
        plan(suite_of(tmp_path), [WALK, WALK])


def test_a_moved_file_keeps_its_results(tmp_path):
    copy = tmp_path / "harness_elements.py"
    copy.write_bytes(Path(ELEMENTS).read_bytes())
    suite = suite_of(tmp_path)
    (here,) = plan(suite, [WALK], repetitions=1)
    (there,) = plan(suite, [f"{copy}:walk"], repetitions=1)
    assert here.key == there.key
    assert here.estimator_seed == there.estimator_seed
