"""The parts of a report: codes of numbers, safe JSON, safe CSV, text, small pictures."""

import base64
import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zobench.analysis import words
from zobench.errors import BadInput
from zobench.report import csvtext, encode, marks

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def test_lengths_are_exact_to_two_parts_in_ten_thousand():
    values = np.geomspace(1, 1e12, 5000)
    back = 2.0 ** (encode.lengths(values) / encode.STEPS)
    assert np.abs(back / values - 1).max() < 2.3e-4
    missed = encode.lengths(np.array([np.nan, np.inf, -np.inf, 0.0]))
    assert list(missed) == [encode.NONE, encode.NONE, encode.NONE, 0]


def decoded(codes, how):
    """What page/codes.js does."""
    x = np.minimum(codes.astype(float), encode.TOP)
    if how["log"]:
        low, high = math.log(how["low"]), math.log(how["high"])
        values = np.exp(np.minimum(low + (x - 1) / (encode.TOP - 1) * (high - low), high - 1e-12))
        values = np.where(codes == 0, 0, values)
    else:
        values = how["low"] * (1 - x / encode.TOP) + how["high"] * (x / encode.TOP)
    values = np.where(codes == encode.INFINITE, np.inf, values)
    return np.where(codes == encode.NONE, np.nan, values)


@given(st.lists(finite, min_size=1, max_size=30))
def test_scores_come_back_within_a_step(values):
    values = np.array([*values, np.nan, np.inf])
    codes, how = encode.scores(values)
    back = decoded(codes, how)
    assert np.isnan(back[-2])
    assert back[-1] == np.inf
    step = 2e-5 * max(how["high"] / 2 - how["low"] / 2, 5e-324)
    if how["log"]:
        assert how["low"] > 0
        assert (values[:-2] >= 0).all()
        assert ((back == 0) == (values == 0)).all()
        step = np.maximum(values[:-2], 0) * 0.03  # seven hundred decades in 65,533 steps
    assert (np.abs(back[:-2] / 2 - values[:-2] / 2) <= step).all()


def test_codes_are_little_endian_base64():
    assert base64.b64decode(encode.packed(np.array([1, 65535]))) == b"\x01\x00\xff\xff"


@given(st.text() | st.sampled_from(["</script><script>", "<!--", "]]>", "\u2028"]))
def test_embedded_json_cannot_leave_its_element(text):
    said = encode.embedded({text: [text]})
    assert json.loads(said) == {text: [text]}
    assert not set("<>&\u2028\u2029") & set(said)


def test_plain_numbers_are_json():
    assert [encode.plain(v) for v in (None, math.nan, math.inf, -math.inf, 3.0, 1 / 3)] == [
        None, None, "inf", "-inf", 3, 0.333333,
    ]  # fmt: skip


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_text_that_a_spreadsheet_would_compute_is_quoted(sign):
    said = f'{sign}cmd|"x", 1'
    text = csvtext.csv_text(["a", said], [[said, -1.5], ["x", math.nan]])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [["a", f"'{said}"], [f"'{said}", "-1.5"], ["x", ""]]


def test_csv_files_say_what_is_wrong(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        csvtext.save(tmp_path / "file", {"x": pd.DataFrame({"a": [1]})})
    (written,) = csvtext.save(tmp_path / "deep" / "er", {"x": pd.DataFrame({"a": ["=1"]})})
    assert written.read_text() == "a\n'=1\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (12.345, "12.3"), (1234.5, "1,230"), (0.00123456, "0.00123"), (2e-7, "2.0e-7"),
     (1234567, "1.2e6"), (math.nan, "–"), (None, "–"), (math.inf, "∞"), (-math.inf, "−∞")],
)  # fmt: skip
def test_numbers_have_three_digits(value, said):
    assert words.number(value) == said


def test_limits_are_said_with_what_they_limit():
    assert words.with_limits(words.count, 398, 310, 520) == ("398", "310 to 520")
    assert words.with_limits(words.count, math.inf, 2070, math.inf) == ("> 2,070", "")
    assert words.with_limits(words.count, 398, 0, math.inf) == ("398", "")
    assert words.with_limits(words.count, 398, 310, math.inf) == ("398", "310 to ∞")
    assert words.with_limits(words.count, math.nan, math.nan, math.nan) == ("–", "")


def test_small_pictures_lie_within_their_frame():
    for args in ((0.5, 0.0, math.inf), (1e9, 0.1, 2e9), (1.0, math.nan, math.nan)):
        svg = str(marks.ratio(*args, 4.0))
        places = [float(p.split('"')[1]) for p in svg.split("x")[1:] if p[:2] in ("1=", "2=")]
        assert all(marks.EDGE <= p <= marks.WIDTH - marks.EDGE for p in places)
    assert str(marks.ratio(math.nan, 0, 1, 2)) == ""
    assert marks.upper([{"value": 0.14, "high": 0.15}]) == 0.2
    assert marks.widest([{"value": 1.5, "low": 0.0, "high": math.inf}]) > 1.5


def test_an_axis_of_ratios_reaches_two_at_least():
    near = {"value": 1.07, "low": 0.0, "high": math.inf}
    assert marks.widest([near]) == pytest.approx(2)
    assert marks.widest([]) == pytest.approx(2)
    assert marks.widest([near, {"value": 8.0, "low": 0.01, "high": 1e9}]) == pytest.approx(100)
