"""Plain words: what is claimed, what is not, and who is not ranked."""

import math
import re

import numpy as np
import pytest
from analysis_tools import results, verdict_of

from zobench.analysis.ranking import rank
from zobench.analysis.runlengths import run_table
from zobench.analysis.sentences import factor
from zobench.errors import BadInput


def runs_of(speeds, problems=4, repetitions=8, budget=1000, seed=0, **more):
    """Runs whose two targets take gamma-distributed queries, `speed` times sooner.

    `speeds`: estimator -> speed in queries, or (in queries, in seconds). `more`: estimator ->
    facts of its runs, or a function of the problem's number that gives them.
    """
    rng, rows = np.random.default_rng(seed), []
    for number in range(problems):
        for repetition in range(repetitions):
            for name, speed in speeds.items():
                fast, clock = speed if isinstance(speed, tuple) else (speed, speed)
                hits = np.ceil(rng.gamma(8, 10, 2).cumsum() * (number + 1) / fast).astype(int)
                hits = [int(q) for q in hits if q <= budget]
                facts = more.get(name.replace("-", "_"), {})
                facts = dict(facts(number) if callable(facts) else facts)
                facts["tick"] = 1e-3 * fast / clock
                rows.append((f"f{number}", name, repetition, hits, facts))
    return timed(results(rows, budget=budget))


def timed(frames):
    """Seconds by each run's own `tick` a query."""
    runs, hits, problems = frames
    runs["seconds"] = runs["queries"] * runs["tick"]
    ticks = runs.set_index("run_key")["tick"]
    return runs, hits.assign(seconds=hits["queries"] * hits["run_key"].map(ticks)), problems


def said(frames, *names, **options):
    return str(verdict_of(*frames, names or None, **options))


NUMBER = r"(?:[\d.,]+|inf)"
RATIO = rf"{NUMBER}x \[{NUMBER}, {NUMBER}\]"


def test_sooner_in_queries_and_in_seconds():
    text = said(runs_of({"mezo": 1, "mezo-bcd": (1.8, 3)}))
    assert re.fullmatch(
        rf"mezo-bcd reaches the final target 1\.\dx \[1\.\d, {NUMBER}\] sooner than mezo in "
        rf"queries, "
        rf"(2\.\d|3\.\d)x \[2\.\d, {NUMBER}\] in seconds, on 4/4 problems\.",
        text,
    )


def test_the_order_of_the_names_does_not_matter():
    frames = runs_of({"mezo": 1, "mezo-bcd": (1.8, 3)})
    assert said(frames, "mezo", "mezo-bcd") == said(frames, "mezo-bcd", "mezo")


def test_sooner_in_queries_but_later_in_seconds():
    text = said(runs_of({"mezo": 1, "slow": (2, 0.4)}))
    assert re.fullmatch(
        rf"slow reaches the final target {RATIO} sooner than mezo in queries, on 4/4 problems; "
        rf"but in seconds mezo is {RATIO} sooner\.",
        text,
    )


def test_sooner_in_queries_and_the_same_in_seconds():
    text = said(runs_of({"mezo": 1, "slow": (2, 1)}))
    assert re.search(rf"; no difference shown in seconds \(speed-up of slow {RATIO}\)\.$", text)


def test_no_difference():
    text = said(runs_of({"mezo": 1, "spsa": 1}))
    assert re.fullmatch(
        rf"No difference shown between mezo and spsa in queries to the final target \(speed-up "
        rf"of mezo "
        rf"{RATIO}\), nor in seconds \({RATIO}\), on 4/4 problems\.",
        text,
    )
    assert "sooner" not in text


def test_no_difference_in_queries_but_in_seconds():
    text = said(runs_of({"mezo": 1, "quick": (1, 3)}))
    assert text.startswith("No difference shown between mezo and quick in queries")
    assert re.search(rf"; in seconds quick is {RATIO} sooner\.$", text)


def test_one_problem_is_named():
    text = said(runs_of({"mezo": 1, "mezo-bcd": 3}, problems=1))
    assert text.endswith(" in seconds, on f0.")


def test_too_few_runs():
    text = said(runs_of({"mezo": 1, "mezo-bcd": 9}, problems=1, repetitions=2))
    assert text == (
        "Too few runs to tell mezo and mezo-bcd apart (2 against 2 on f0); make more repetitions."
    )


def test_neither():
    text = said(runs_of({"mezo": 0.01, "spsa": 0.01}))
    assert text == (
        "Neither mezo nor spsa reached the final target on any of the 4 problems (32 and 32 runs)."
    )


def test_only_one():
    text = said(runs_of({"mezo": 0.01, "spsa": 1}))
    assert re.fullmatch(
        r"The final target was reached by spsa alone on 4 problems \(\d\d/32 runs against 0/32\): "
        r"no factor can be given \(successes differ, p = \d?e?-?\d+\)\.",
        text,
    )


def test_one_lucky_run_is_not_a_difference():
    frames = results(
        [("f", e, r, [9, 9] if (e, r) == ("a", 0) else [], {}) for e in "ab" for r in range(8)]
    )
    assert said(frames) == (
        "The final target was reached by a alone on f (1/8 runs against 0/8): "
        "too few successes to tell them apart (p = 1)."
    )


def test_problems_that_each_reached_alone_balance():
    rows = [(p, n, r, [9, 9] if (p, n) in (("f", "a"), ("g", "b")) else [], {})
            for p in "fg" for n in "ab" for r in range(12)]  # fmt: skip
    assert said(results(rows)) == (
        "The final target was reached by a alone on f (12/12 runs against 0/12) and by b alone on "
        "g (12/12 runs against 0/12): neither is shown to reach it more often, all together "
        "(p = 1)."
    )


def test_problems_that_only_the_other_reached_are_not_hidden():
    """`fast` is sooner where both arrive, and misses one problem that `slow` reaches."""
    rng, rows = np.random.default_rng(1), []
    for r in range(8):
        q = int(rng.integers(20, 30))
        rows += [("easy", "fast", r, [q, q], {}), ("easy", "slow", r, [2 * q, 3 * q], {})]
        rows += [("hard", "fast", r, [], {}), ("hard", "slow", r, [90, 95], {})]
    text = said(results(rows))
    assert re.match(rf"fast reaches the final target {RATIO} sooner than slow in queries", text)
    assert (
        "on 1/2 problems (easy); but slow alone reached it on hard (8/8 runs against 0/8)." in text
    )
    assert "\n" not in text  # no easier target on a problem where both count: nothing to add


def test_the_hardest_common_target_is_compared_where_the_final_one_is_missed():
    rng, rows = np.random.default_rng(1), []
    for r in range(8):
        q = int(rng.integers(20, 30))
        rows += [("f", "fast", r, [q], {}), ("f", "slow", r, [2 * q], {})]
    first, second = said(results(rows)).splitlines()
    assert first.startswith(
        "Neither fast nor slow reached the final target on the problem (8 and 8 runs)"
    )
    assert re.match(rf"fast reaches the hardest target .* {RATIO} sooner than slow", second)


def test_skipped_problems_are_said():
    skip = {"status": "skipped", "reason": "needs matrix blocks"}
    frames = runs_of({"mezo": 1, "lozo": 4}, lozo=lambda problem: skip if problem == 0 else {})
    text = said(frames)
    assert "on 3/3 problems." in text
    assert text.endswith(" Not compared on 1: no runs of lozo.")
    assert said(runs_of({"mezo": 1, "lozo": 4}, lozo=skip)) == (
        "mezo and lozo are not compared: no runs of lozo."
    )
    apart = runs_of(
        {"mezo": 1, "lozo": 4}, mezo=lambda p: {} if p else skip, lozo=lambda p: skip if p else {}
    )
    assert said(apart) == "mezo and lozo are not compared: no problem that both ran."


def test_failed_runs_count_against_it():
    failed = {"status": "failed", "reason": "boom"}
    frames = runs_of({"mezo": 1, "spsa": 1})
    assert "No difference" in said(frames)
    rng, rows = np.random.default_rng(1), []
    for r in range(15):
        q = [int(v) for v in rng.integers(40, 60, 2)]
        rows.append(("f", "mezo", r, [q[0], q[0]], {}))
        rows.append(("f", "spsa", r, [q[1]] * 2 if r < 5 else [], {} if r < 5 else failed))
    assert said(results(rows)).startswith("mezo reaches the final target ")


def test_unmeasured_seconds():
    runs, hits, problems = runs_of({"mezo": 1, "mezo-bcd": 2})
    text = said((runs.assign(seconds=np.nan), hits.assign(seconds=np.nan), problems))
    assert text.endswith(", on 4/4 problems; seconds are not compared.")


def test_seconds_of_fewer_problems_are_said():
    runs, hits, problems = runs_of({"mezo": 1, "mezo-bcd": 4, "spsa": 1})
    unknown = (runs["problem"] == "f1") & (runs["estimator"] == "mezo")
    keys = runs.loc[unknown, "run_key"]
    hits["seconds"] = hits["seconds"].where(~hits["run_key"].isin(keys))
    runs["seconds"] = runs["seconds"].where(~unknown)
    frames = runs, hits, problems
    assert re.search(r"in seconds \(on only 3\), on 4/4 problems", said(frames, "mezo", "mezo-bcd"))
    assert re.search(r"in seconds \(on only 3\), on 4/4 problems", said(frames, against="mezo"))
    assert "on only" not in said(frames, "spsa", "mezo-bcd")


def test_first_order_is_labelled_and_not_ranked():
    frames = runs_of({"mezo": 1, "sgd": 20, "spsa": 0.5}, sgd={"first_order": True})
    assert said(frames, "mezo", "sgd").startswith(
        "sgd (first-order reference, not ranked) reaches the final target "
    )
    whole = verdict_of(*frames)
    assert whole.ranking is not None
    assert whole.ranking.names == ("mezo", "spsa")
    assert [(p.a, p.b) for p in whole.pairs] == [("mezo", "spsa"), ("mezo", "sgd")]
    two = runs_of({"sgd": 1, "adam": 20}, sgd={"first_order": True}, adam={"first_order": True})
    assert "reference" not in said(two)


def test_ranking_and_pairs_against_the_best():
    whole = verdict_of(*runs_of({"c": 0.5, "a": 2, "b": 1}))
    lines = str(whole).splitlines()
    assert re.search(
        r"1\. a 0\.\d\d \[0\.\d\d, 0\.\d\d\], 2\. b 0\.\d\d \[.*\], 3\. c .*, on 4/4 problems\.$",
        lines[0],
    )
    assert re.fullmatch(
        rf"a is shown to reach the targets sooner than b \({RATIO} in queries, {RATIO} in seconds, "
        rf"on 4/4 problems\) and c \({RATIO} in queries, {RATIO} in seconds, on 3/4 problems, "
        r"a alone on 1\)\. "
        r"All comparisons hold together at 95%\.",
        lines[1],
    )
    assert len(lines) == 2
    assert [(p.a, p.b) for p in whole.pairs] == [("a", "b"), ("a", "c")]
    assert whole.pairs[0].queries.level == pytest.approx(1 - 0.05 / 3)


def test_single_problems_keep_their_intervals_however_many_are_compared():
    frames = runs_of({name: 1 + (name == "a") for name in "abcdefghijklmnop"}, repetitions=6)
    one, many = verdict_of(*frames, ("a", "b")), verdict_of(*frames)
    queries = next(p.queries for p in many.pairs if p.b == "b")
    assert (queries.single_level, queries.level) == (0.95, pytest.approx(1 - 0.05 / 120))
    alone = one.pairs[0].queries.problems
    assert len(alone) == 4
    for mine, row in zip(queries.problems, alone):
        assert 0 < mine.low < mine.ratio < mine.high < math.inf
        assert (mine.low, mine.high) == pytest.approx((row.low, row.high), rel=0.2)


def test_pairs_against_the_one_that_is_named():
    whole = verdict_of(*runs_of({"c": 0.5, "a": 2, "b": 1}), against="b")
    assert [(p.a, p.b) for p in whole.pairs] == [("b", "a"), ("b", "c")]
    assert whole.pairs[0].queries.level == pytest.approx(1 - 0.05 / 2)
    ahead, behind = whole.lines[1:]
    assert ahead.startswith("b is shown to reach the targets sooner than c (")
    assert behind.startswith("Shown to reach the targets sooner than b: a (")
    assert behind.endswith("All comparisons hold together at 95%.")


def test_ranking_is_on_common_problems():
    skip = {"status": "skipped"}
    frames = runs_of({"a": 1, "b": 2, "c": 3}, c=lambda problem: skip if problem else {})
    ranking = rank(run_table(*frames), ["a", "b", "c"])
    assert (ranking.problems, ranking.n_all_problems) == (4, 4)  # 2 x 4 problems, not 3 x 1
    assert ranking.sentence().endswith("on 4/4 problems; not ranked: c (ran on 1).")
    most = runs_of({"a": 1, "b": 2, "c": 3}, c=lambda problem: {} if problem else skip)
    ranking = rank(run_table(*most), ["a", "b", "c"])
    assert (ranking.names, ranking.problems) == (("c", "b", "a"), 3)  # 3 x 3, not 2 x 4
    apart = runs_of({"a": 1, "b": 2}, a=lambda p: skip if p else {}, b=lambda p: {} if p else skip)
    ranking = rank(run_table(*apart), ["a", "b"])
    assert (ranking.names, ranking.problems, ranking.left_out) == (("b",), 3, (("a", 1),))
    never = runs_of({"a": 1, "b": 2, "c": 3}, c=skip)
    ranking = rank(run_table(*never), ["a", "b", "c"])
    assert ranking.names == ("b", "a")
    assert ranking.sentence().endswith("on 4/4 problems; not ranked: c (ran on none).")
    assert rank(run_table(*never), ["c"]).sentence().startswith("No ranking")
    text = said(never)
    assert text.endswith("Not compared with b: c (no problem that both ran).")


def test_what_is_not_shown_is_said_with_the_reason():
    """Against the best: one never arrives, one is alike, one was skipped."""
    skip = {"status": "skipped", "reason": "needs matrix blocks"}
    speeds = {"best": 1, "alike": 1, "never": 0.01, "skipped": 1}
    _, *lines = verdict_of(*runs_of(speeds, skipped=skip), against="best").lines
    assert re.fullmatch(
        r"best is shown to reach the targets sooner than never \(reached in \d\d/32 runs against "
        r"0/32\)\. All comparisons hold together at 95%\.",
        lines[0],
    )
    assert re.fullmatch(
        rf"At the final targets, no difference is shown between best and alike \(speed-up {RATIO}, "
        r"on 4/4 problems\)\.",
        lines[1],
    )
    assert lines[2:] == ["Not compared with best: skipped (no problem that both ran)."]


def test_few_runs_are_not_called_few_successes():
    rows = [("f", e, r, [9, 9] if e == "a" else [], {}) for e in "abc" for r in range(3)]
    frames = results(rows)
    assert said(frames, "a", "b") == (
        "The final target was reached by a alone on f (3/3 runs against 0/3): too few runs to "
        "tell them apart (p = 0.1); make more repetitions."
    )
    assert verdict_of(*frames).lines[-1] == (
        "At the final targets, no difference is shown between a and b (reached in 3/3 runs "
        "against 0/3, too few runs) or c (reached in 3/3 runs against 0/3, too few runs). "
        "More repetitions may tell."
    )


def test_easier_targets_are_told_only_where_they_say_more():
    """Both reach the final target, alike; the first target shows nothing either, or a winner."""
    rng, rows = np.random.default_rng(1), []
    for r in range(15):
        q = rng.integers(20, 30, 2)
        late = [int(rng.integers(60, 95))] if r < 5 else []  # the same for both
        rows += [("f", "a", r, [int(q[0]), *late], {}), ("f", "b", r, [int(q[1]), *late], {})]
    (only,) = said(results(rows), "a", "b").splitlines()
    assert only.startswith("No difference shown between a and b in queries to the final target")
    slow = [(p, e, r, [h[0] * (3 if e == "b" else 1), *h[1:]], f) for p, e, r, h, f in rows]
    first, second = said(results(slow), "a", "b").splitlines()
    assert "to the final target" in first
    assert re.match(rf"a reaches the hardest target .* {RATIO} sooner than b", second)


def test_a_target_met_at_the_start_is_said():
    rows = [("f", e, r, [0, 0] if r < 6 else [9, 50], {}) for e in "ab" for r in range(8)]
    rows += [("g", e, r, [9, 50 + r], {}) for e in "ab" for r in range(8)]
    line = "Met at the start or by the first query: the final target of f (12/16 runs)."
    assert said(results(rows)).splitlines()[-1] == line
    again = [(p, e.replace("b", "c"), *more) for p, e, *more in rows if e == "b"]
    assert verdict_of(*results([*rows, *again])).lines[-1] == line.replace("12/16", "18/24")


def test_every_factor_has_an_interval():
    frames = runs_of({"a": 1, "b": 2, "c": 0.05, "sgd": 30}, sgd={"first_order": True}, seed=3)
    text = said(frames)
    assert len(re.findall(rf"{NUMBER}x", text)) == len(re.findall(RATIO, text)) >= 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.84, "1.8"), (12.4, "12"), (0.849, "0.85"), (1.004, "1.004"), (0.9996, "0.9996"),
        (1, "1"), (1234.5, "1,234"), (3e7, "3.0e+07"), (0.0123, "0.012"), (math.inf, "inf"),
        (1.0002, "1.0002"), (0.0, "0"),
    ],
)  # fmt: skip
def test_factors_never_round_onto_1(value, text):
    assert factor(value) == text


def test_bad_input():
    frames = runs_of({"mezo": 1, "spsa": 1}, problems=1)
    with pytest.raises(BadInput, match="did you mean 'spsa'"):
        verdict_of(*frames, ["mezo", "spas"])
    with pytest.raises(BadInput, match="at least two"):
        verdict_of(*frames, ["mezo"])


def test_claims_between_equals_are_rare():
    """All sentences together, in queries and seconds, also those about easier targets."""
    equals = {"a": 0.2, "b": 0.2}
    frames = (runs_of(equals, problems=2, seed=seed, budget=600) for seed in range(100))
    texts = [said(each, resamples=400) for each in frames]
    assert any("hardest target that both reach" in text for text in texts)
    assert sum("sooner" in text for text in texts) <= 5


def test_claims_between_equals_are_rare_where_seconds_have_a_law_of_their_own():
    """Queries, seconds, an easier target and numbers of successes: four chances to be wrong."""

    def equals(seed):
        rng, rows = np.random.default_rng(seed), []
        for repetition in range(15):
            for name in "ab":
                hits = [int(min(rng.lognormal(3, 1), 400)) + 1]
                hits += [int(rng.integers(402, 1000))] * (rng.random() < 0.5)
                rows.append(("f", name, repetition, hits, {"tick": rng.lognormal(-7, 1)}))
        runs, found, problems = results(rows, budget=1000)
        tick = runs.set_index("run_key")["tick"]
        found["seconds"] = found["queries"] * found["run_key"].map(tick)
        return runs.assign(seconds=runs["queries"] * runs["tick"]), found, problems

    texts = [said(equals(seed), resamples=400) for seed in range(200)]
    assert sum("sooner" in text or "successes differ" in text for text in texts) <= 10


def test_runs_that_nearly_all_agree_are_told_apart():
    a, b = [100] * 12 + [102, 104, 106], [300] * 12 + [302, 304, 306]
    rows = [("f", n, r, [9, q], {}) for n, x in (("a", a), ("b", b)) for r, q in enumerate(x)]
    text = said(results(rows, budget=1000))
    assert text.startswith("a reaches the final target 3.0x [2.8, 3.0] sooner than b in queries")
    a, b = [10] * 14 + [12], [900] * 14 + [902]
    rows = [("f", n, r, [9, q], {}) for n, x in (("a", a), ("b", b)) for r, q in enumerate(x)]
    assert "a reaches the final target 89x [" in said(results(rows, budget=1000))


def test_targets_met_with_the_first_query_say_nothing_of_seconds():
    rows = [("f", n, r, [1, 1], {}) for n in "ab" for r in range(15)]
    runs, hits, problems = results(rows, budget=1000)
    hits["seconds"] = np.where(hits["run_key"].isin(runs.loc[runs["estimator"] == "a", "run_key"]),
                               1e-5, 9e-5)  # fmt: skip
    text = said((runs, hits, problems))
    assert "sooner" not in text
    assert "seconds are not compared" in text
    assert "Met at the start or by the first query: the final target of f (30/30 runs)." in text
    # nor are they the easier target that is tried where the final one shows nothing
    rows = [("f", n, r, [1], {}) for n in "ab" for r in range(15)]
    runs, hits, problems = results(rows, budget=1000)
    assert verdict_of(runs, hits, problems).pairs[0].easier is None
