"""A command parses each text once: settings, suites and baselines."""

from collections import Counter

import pytest
from verify_tools import TINY

from zobench import registry
from zobench.cli import status_of
from zobench.harness import baseline, estimator_spec, suite_file, toml_file
from zobench.registry import Entry

ESTIMATOR = "spsa:lr=0.01"


@pytest.fixture
def counts(monkeypatch):
    """How often this process parses each TOML text, and checks the settings of each estimator."""
    parsed, checked, built = Counter(), Counter(), Counter()
    parse, check, build = toml_file.tomllib.loads, registry.check_settings, Entry.build_checked

    def counting_parse(text):
        parsed[text] += 1
        return parse(text)

    def counting_check(entry, settings):
        checked[entry.name, tuple(settings.items())] += 1
        return check(entry, settings)

    def counting_build(entry, settings):
        built[entry.name] += 1
        return build(entry, settings)

    monkeypatch.setattr(toml_file.tomllib, "loads", counting_parse)
    for module in (registry, baseline, estimator_spec, suite_file):
        monkeypatch.setattr(module, "check_settings", counting_check)
    monkeypatch.setattr(Entry, "build_checked", counting_build)
    baseline._parsed.cache_clear()
    return parsed, checked, built


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a suite of two groups, and with a baseline for one of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zobench.harness.baseline.data_folder", lambda kind: tmp_path / kind)
    more = (
        TINY[TINY.index("[[problem]]") :]
        .replace("sphere-d", "other-d")
        .replace('"functions"', '"others"')
    )
    (tmp_path / "tiny.toml").write_text(TINY + more)
    (tmp_path / "baselines" / "tiny").mkdir(parents=True)
    (tmp_path / "baselines" / "tiny" / "spsa.toml").write_text("[settings.functions]\neps = 0.02\n")


def test_compare_parses_each_text_once(here, counts):
    parsed, checked, built = counts
    assert status_of(["compare", ESTIMATOR, "random-search", "-s", "tiny.toml", "-j", "1"]) == 0
    assert set(parsed.values()) == {1}
    assert len(parsed) == 2  # the suite and the baseline of spsa
    of_estimators = {key: count for key, count in checked.items() if key[0] != "sphere"}
    # as typed, and of the baseline per group: the settings of no text twice
    assert of_estimators == {
        ("spsa", (("lr", "0.01"),)): 1,
        ("spsa", (("eps", 0.02),)): 1,
        ("spsa", ()): 1,
        ("random-search", ()): 1,
    }
    assert built == {"spsa": 2, "random-search": 1}  # once per distinct settings


@pytest.mark.parametrize(
    "command",
    [
        ["report", "-s", "tiny.toml", "--format", "md", "--out", "report.md"],
        ["export", "-s", "tiny.toml", "--freeze", "random-search"],
        ["verify", "--form-only", "leaderboards/tiny.csv", "-s", "tiny.toml"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_on_results_parses_each_text_once(here, counts, command):
    parsed, _, _ = counts
    assert status_of(["run", ESTIMATOR, "random-search", "-s", "tiny.toml", "-j", "1"]) == 0
    if command[0] == "verify":
        assert status_of(["export", "-s", "tiny.toml"]) == 0
    baseline._parsed.cache_clear()
    parsed.clear()
    assert status_of(command) == 0
    assert set(parsed.values()) == {1}
