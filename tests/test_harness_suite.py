"""Suite files: what they may say, and how their faults are told."""

from __future__ import annotations

import json
import re

import pytest
from harness_tools import element

from zobench.errors import BadInput
from zobench.harness.estimator_spec import parse_estimator
from zobench.harness.plan import RunSpec
from zobench.harness.suite_file import load, suite_files
from zobench.registry import objectives

HEAD = 'name = "s"\nversion = "1"\nbudget = 100\ntargets = [1.0]\n'
PROBLEM = f'[[problem]]\nid = "p"\nobjective = "{element("bowl")}"\n'


def read(folder, text):
    file = folder / "s.toml"
    file.write_text(text)
    return load(file)


def test_a_suite_as_written(tmp_path):
    suite = read(
        tmp_path,
        HEAD
        + 'time_limit = 2.5\ndescription = "d"\n'
        + PROBLEM
        + "settings = { dim = 2, noisy = true }\nrepetitions = 3\nbudget = 1e3\n"
        + 'scored = "current"\nmemory_limit = 64\ngroup = "g"\n',
    )
    (p,) = suite.problems
    assert (suite.name, suite.version, suite.description) == ("s", "1", "d")
    assert (p.id, p.group, p.scored, p.budget, p.repetitions) == ("p", "g", "current", 1000, 3)
    assert p.settings == {"dim": 2, "noisy": True, "instance": 1, "pause": 0.0, "spread": 1.0}
    assert (p.time_limit, p.memory_limit, p.targets) == (2.5, 64, (1.0,))


def test_an_estimator_with_control_characters_is_refused():
    with pytest.raises(BadInput, match="an estimator holds characters that do not print"):
        parse_estimator("mezo\x1b[31m")


def test_expand_makes_every_combination(tmp_path):
    text = HEAD + '[[problem]]\nid = "b{dim}-{instance}"\n' + PROBLEM.partition('"p"\n')[2]
    suite = read(tmp_path, text + 'group = "d{dim}"\nexpand = { instance = "1-2,7", dim = [2, 5] }')
    assert [p.id for p in suite.problems] == ["b2-1", "b5-1", "b2-2", "b5-2", "b2-7", "b5-7"]
    assert suite.problem("b5-7").settings["dim"] == 5
    assert suite.problem("b5-7").settings["instance"] == 7
    assert suite.problem("b5-7").group == "d5"


def test_instances_go_with_repetitions(tmp_path):
    (p,) = read(tmp_path, HEAD + PROBLEM + 'instances = "1-2,71-72"').problems
    assert p.repetitions == 4
    assert [p.instance(r) for r in range(4)] == [1, 2, 71, 72]
    assert "instance" not in p.settings
    beyond = {p.instance(r) for r in range(1000, 1100)}
    assert len(beyond) == 100
    assert not beyond & {1, 2, 71, 72}


def test_the_three_forms_of_targets(tmp_path):
    def targets(form):
        return read(tmp_path, HEAD.replace("[1.0]", form) + PROBLEM).problems[0]

    assert targets("[0.5, 3]").targets == (3.0, 0.5)
    coco = targets("{ log10 = [2, -8], step = -0.2 }").targets
    assert len(coco) == 51
    assert (coco[0], coco[10], coco[-1]) == (100.0, 1.0, 1e-8)
    part = targets('{ start = 0.8, reference = 0.4, fractions = [0.5, 1], how = "best of 3" }')
    assert part.targets == pytest.approx((0.6, 0.4))
    assert part.how == "best of 3"


def test_pick_takes_globs(tmp_path):
    text = HEAD + PROBLEM.replace('"p"', '"a{dim}"') + "expand = { dim = [2, 3, 10] }"
    suite = read(tmp_path, text)
    assert [p.id for p in suite.pick(["a1*", "a2"]).problems] == ["a2", "a10"]
    assert suite.pick([]) is suite
    with pytest.raises(BadInput, match="did you mean 'a10'"):
        suite.pick(["a1x"])
    with pytest.raises(BadInput, match="did you mean 'a2'"):
        suite.problem("a22")


def test_an_objective_file_is_found_beside_the_suite(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from zobench.core.problem import VectorProblem\n"
        "def cup(dim: int = 2):\n"
        "    return VectorProblem(lambda x: (x**2).sum(1), lambda rng: rng.normal(size=dim))\n"
    )
    text = HEAD + '[[problem]]\nid = "p"\nobjective = "mine.py:cup"\n'
    (p,) = read(tmp_path, text).problems
    assert p.objective == f"{tmp_path / 'mine.py'}:cup"
    assert p.group == "cup"
    assert p.version not in ("", "1")


FAULTS = [  # what is added or replaced, the line of the fault, words of the message
    (HEAD + PROBLEM + "budget = \n", 8, "no TOML: Invalid value: 'budget ='"),
    (HEAD + PROBLEM.replace('"p"', '"p\\u001b[31m"'), 6, "characters that do not print in 'p"),
    (HEAD + PROBLEM.replace('"p"', '""'), 6, "a problem's id is a word, not ''"),
    (HEAD + PROBLEM.replace('"p"', '"  "'), 6, "a problem's id is a word, not '  '"),
    (HEAD + PROBLEM.replace('"p"', '"a\\nb"'), 6, "characters that do not print in 'a"),
    (HEAD + PROBLEM + 'group = "@g"\n', 8, "'@g' is a formula to a spreadsheet"),
    (HEAD + 'description = "a\\u0007"\n' + PROBLEM, 5, "characters that do not print"),
    (HEAD + PROBLEM + 'id = "q"\n', 8, "Cannot overwrite"),
    (HEAD + "budgett = 3\n" + PROBLEM, 5, "did you mean 'budget'"),
    (HEAD.replace('name = "', 'name = "../../') + PROBLEM, 1, "name has letters, digits"),
    (HEAD + PROBLEM + "repetition = 3\n", 8, "did you mean 'repetitions'"),
    (HEAD + PROBLEM + "\n\nsettings = { dmi = 3 }\n", 10, "did you mean 'dim'"),
    (HEAD + PROBLEM + "[problem.settings]\nnoisy = true\ndim = 2.5\n", 10, "takes an integer"),
    (HEAD + '[[problem]]\nid = "a"\nobjective = "spheer"\n', 7, "did you mean 'sphere'"),
    (HEAD + '[[problem]]\nid = "a"\n', 5, "lacks 'objective'"),
    (HEAD + '[[problem]]\nobjective = "sphere"\n', 5, "lacks 'id'"),
    (HEAD.replace("budget = 100\n", "") + PROBLEM, 4, "lacks 'budget'"),
    (HEAD.replace("targets = [1.0]\n", "") + PROBLEM, 4, "lacks 'targets'"),
    (HEAD.replace('version = "1"\n', "") + PROBLEM, 1, "lacks 'version'"),
    (HEAD.replace('"1"', "1") + PROBLEM, 2, "version must be text"),
    (HEAD + PROBLEM + "\n" + PROBLEM, 10, "two problems have the id 'p'"),
    (HEAD.replace("100", "0") + PROBLEM, 3, "budget must be above 0"),
    (HEAD + PROBLEM + "# budget\nbudget = 1.5\n", 9, "whole number"),
    (HEAD + PROBLEM + "budget = true\n", 8, "whole number"),
    (HEAD + PROBLEM + "time_limit = -1\n", 8, "above 0"),
    (HEAD + "score_ratio = 1\n" + PROBLEM, 5, "score_ratio must be above 1, not 1"),
    (HEAD + PROBLEM + "score_ratio = 0.5\n", 8, "score_ratio must be above 1, not 0.5"),
    (HEAD + PROBLEM + 'score_ratio = "x"\n', 8, "number"),
    (HEAD + PROBLEM + 'tuned_on = "quik"\n', 8, "did you mean 'quick'"),
    (HEAD.replace("[1.0]", "[]") + PROBLEM, 4, "no targets"),
    (HEAD.replace("[1.0]", "[1, 1]") + PROBLEM, 4, "twice"),
    (HEAD.replace("[1.0]", "[nan]") + PROBLEM, 4, "not finite"),
    (HEAD.replace("[1.0]", "3.0") + PROBLEM, 4, "targets are a list"),
    (HEAD.replace("[1.0]", "{ log10 = [2, -8], step = 1 }") + PROBLEM, 4, "do not lead"),
    (HEAD.replace("[1.0]", "{ start = 1, fractions = [1] }") + PROBLEM, 4, "lack 'reference'"),
    (HEAD + PROBLEM + 'scored = "final"\n', 8, "'current' or 'best'"),
    (HEAD + PROBLEM + 'instances = "5-1"\n', 8, "not a list of numbers"),
    (HEAD + PROBLEM + "instances = [1]\nrepetitions = 2\n", 9, "2 repetitions, but 1 instances"),
    (HEAD + PROBLEM + 'group = "{size}"\n', 8, "does not fit expand"),
    (HEAD + PROBLEM + "expand = { dim = [] }\n", 8, "needs values"),
    (HEAD + PROBLEM + "expand = { dim = [2, 3] }\n", 6, "two problems have the id"),
    (HEAD + "problem = 3\n", 5, "problem must be a list"),
    (HEAD + PROBLEM + "[estimators.mezzo]\nlr = 1\n", 8, "did you mean 'mezo'"),
    (HEAD + PROBLEM + "[estimators.mezo]\nlr = 1\nepz = 1\n", 10, "did you mean 'eps'"),
    (HEAD + PROBLEM + '[estimators.mezo]\nlr = "cosin(1)"\n', 9, "cosin"),
    ('description = """\nbudgett = 1\n"""\n' + HEAD + "budgett = 3\n" + PROBLEM, 8, "budget"),
]


@pytest.mark.parametrize(("text", "line", "words"), FAULTS, ids=[f[2] for f in FAULTS])
def test_a_fault_is_one_line_that_names_file_and_line(tmp_path, text, line, words):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 's.toml'} line {line}: ")
    assert words in message
    assert "\n" not in message


def test_files_that_are_not_there_or_no_text(tmp_path):
    with pytest.raises(BadInput, match="no suite file"):
        load(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="no suite named 'no-such-suite'"):
        load("no-such-suite")
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="no UTF-8"):
        load(tmp_path / "s.toml")


def test_every_shipped_suite_loads():
    for name, path in suite_files().items():
        suite = load(name)
        assert suite.name == path.stem
        assert re.fullmatch(r"\d+(\.\d+)*", suite.version)
        assert suite.description


def test_every_shipped_problem_equals_itself_after_it_was_stored():
    """Else its runs would not be those of the suite, and no leaderboard would have them."""
    estimator = parse_estimator("spsa")
    for name in suite_files():
        for problem in load(name).problems:
            spec = RunSpec(
                suite=name,
                suite_version="1",
                problem=problem,
                estimator=estimator,
                repetition=0,
            )
            assert RunSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_every_shipped_problem_can_be_built():
    """So that a command need not try, before its runs, what ships with it."""
    for name in suite_files():
        for problem in load(name).problems:
            entry = objectives[problem.objective]
            for instance in problem.instances or (None,):
                own = {} if instance is None else {"instance": instance}
                entry.build(problem.settings | own)


EXPAND = (
    '[[problem]]\nid = "b{dim}"\n' + PROBLEM.partition('"p"\n')[2] + "expand = { dim = [2, 5] }\n"
)
HUGE = [  # text, what is said of it
    (EXPAND.replace("{dim}", "{dim[0]}"), "line 6: id 'b{dim[0]}' does not fit expand"),
    (EXPAND.replace("{dim}", "{dim.foo}"), "line 6: id 'b{dim.foo}' does not fit expand"),
    (EXPAND.replace("{dim}", "{dim.__class__.__mro__}"), "line 6: id 'b{dim.__class__.__mro__}'"),
    (EXPAND.replace("{dim}", "{dim:{dim}}"), "the format '{dim}' has a field of its own"),
    (EXPAND.replace("{dim}", "{dim:9999999999}"), "'9999999999' asks for more than 999 characters"),
    (EXPAND.replace("{dim}", "{dim:zz}"), "line 6: id 'b{dim:zz}' does not fit expand"),
    (EXPAND.replace("{dim}", "{}"), "line 6: id 'b{}' does not fit expand"),
    (EXPAND.replace("[2, 5]", '"²"'), "'²' is not a list of numbers"),
    (EXPAND.replace("[2, 5]", '"1-3000", instance = "1-3000"'), "expand gives 9,000,000 problems"),
    (EXPAND + "settings = 5\n", "settings must be a table, not 5"),
    (EXPAND + 'settings = "dim"\n', "settings must be a table, not 'dim'"),
    (PROBLEM + 'instances = "²"\n', "'²' is not a list of numbers"),
    (PROBLEM + 'instances = "١-٣"\n', "is not a list of numbers"),
    (PROBLEM + 'instances = "1-9999999999"\n', "line 8: '1-9999999999' has more than 100,000"),
    (PROBLEM + f'instances = "1-{"9" * 5000}"\n', "is not a list of numbers"),
    (PROBLEM + f"targets = [{'9' * 400}]\n", "line 8: a whole number has 333 hex digits"),
    (PROBLEM + f"targets = [{'9' * 5000}]\n", "line 8: a number has too many digits"),
    (PROBLEM + f"settings = {{ dim = {'9' * 5000} }}\n", "line 8: a number has too many digits"),
    (PROBLEM + "targets = { log10 = [400, 2] }\n", "line 8: an exponent is from -300 to 300"),
    (PROBLEM + "targets = { log10 = [2, -8], step = -1e-12 }\n", "more than 100,000 targets"),
    (PROBLEM + "targets = { log10 = [2, -8], step = nan }\n", "steps of nan do not lead"),
    (PROBLEM + "targets = { log10 = [2, -8], step = -inf }\n", "steps of -inf do not lead"),
    (PROBLEM + "targets = { start = inf, reference = 1, fractions = [0.5] }\n", "not finite"),
    (PROBLEM + f"targets = {'[' * 5000}\n", "nested too deeply"),
    (PROBLEM.replace(element("bowl"), "x" * 300), "line 7: no objective named 'xxx"),
    (PROBLEM.replace(element("bowl"), "x" * 300 + ".py:f"), "no file "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), HUGE, ids=lambda v: str(v)[-40:])
def test_odd_formats_and_huge_values_are_refused_in_one_line(tmp_path, text, said):
    head = HEAD if "\ntargets" not in text else HEAD.replace("targets = [1.0]", "")
    with pytest.raises(BadInput) as error:
        read(tmp_path, head + text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_suite_file_with_a_name_that_no_file_can_have():
    with pytest.raises(BadInput, match="no suite file"):
        load("x" * 300 + ".toml")
