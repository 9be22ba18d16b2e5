"""Names: taken once, found with a hint, loaded from a user's file."""

import pytest

from zobench import user_file
from zobench.errors import BadInput, unknown
from zobench.registry import Registry, estimators, objectives


def test_an_unknown_name_suggests_a_known_one():
    with pytest.raises(BadInput, match="did you mean 'mezo'"):
        estimators["mezzo"]


@pytest.mark.parametrize("name", ["x" * 300, "ü" * 150, "x" * 5000, "x" * 300 + ".py:f"])
def test_a_name_that_no_file_can_have_is_unknown(name):
    for registry in (estimators, objectives):
        with pytest.raises(BadInput, match=r"no (estimator|objective) named|no file") as error:
            registry[name]
        assert "\n" not in str(error.value)


def test_names_are_listed_in_order():
    assert list(estimators) == sorted(estimators.load())


def test_a_name_is_taken_once():
    registry = Registry("thing", "zobench.core")
    registry.register("a")(lambda: None)
    with pytest.raises(ValueError, match="two things are named 'a'"):
        registry.register("a")(lambda: None)


def test_every_setting_needs_a_default():
    with pytest.raises(TypeError, match="default"):
        Registry("thing", "zobench.core").register("a")(lambda x: None)


FILE = '''"""Mine."""
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import rademacher
from zobench.core.schemes import Central
from zobench.registry import estimators


@estimators.register("my-own")
def mine(lr: float = 0.1) -> ComposedEstimator:
    return ComposedEstimator(rademacher, Central(1e-3), SGD(lr))


def plain(lr: float = 0.1) -> ComposedEstimator:
    return ComposedEstimator(rademacher, Central(1e-3), SGD(lr))
'''


def test_an_estimator_comes_from_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    assert estimators[f"{path}:my-own"].defaults == {"lr": 0.1}
    assert estimators[f"{path}:plain"].build({"lr": "0.5"}).rule.lr == 0.5
    path.write_text(FILE.replace("0.1", "0.2"))
    assert estimators[f"{path}:my-own"].defaults == {"lr": 0.2}  # its version is its content
    assert "my-own" not in estimators.load()  # names of a user's file are its own


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def broken(:\n    pass\n", r"line 1: SyntaxError: [^(]*(\([^(]*)?$"),
        ("import no_such_module\n", "no_such_module"),
        ("x = 1\n", "has no estimator 'mine'"),
    ],
)
def test_a_broken_file_gives_one_line(tmp_path, text, said):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(BadInput, match=said) as error:
        estimators[f"{path}:mine"]
    assert "\n" not in str(error.value)


def test_a_missing_file_gives_one_line(tmp_path):
    with pytest.raises(BadInput, match="no file"):
        estimators[f"{tmp_path}/none.py:mine"]


def test_a_file_is_loaded_once_whoever_asks(tmp_path):
    """A file may hold an estimator and the function that another objective calls."""
    path = tmp_path / "both.py"
    path.write_text(
        "from zobench.registry import objectives\n"
        "@objectives.register('of_a_file')\n"
        "def of_a_file(d: int = 1): return d\n"
        "def judge(texts): return texts\n"
    )
    first, content = user_file.load(path, "it")
    assert user_file.load(path, "it") == (first, content)
    assert objectives[f"{path}:of_a_file"].version == content[:12]
    assert "of_a_file" not in objectives.load()


def test_a_long_list_of_names_is_cut():
    names = [f"name{k}" for k in range(500)]
    assert "and 495 more" in str(unknown("thing", "zzzzzzz", names))
    assert "more" not in str(unknown("thing", "zzzzzzz", names[:10]))
