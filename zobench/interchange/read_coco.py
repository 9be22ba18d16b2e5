"""Reader of COCO's data: .info files and the .dat files that they name.

The text is parsed, never evaluated. A gap just above a target does not hit it, while cocopp allows
1e-12: see harness/targets.py.
"""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.listed import IndexEntry, Omissions, matched_curves
from zobench.interchange.numbering import COUNTED, PRECISION
from zobench.interchange.read_rows import coco_runs
from zobench.interchange.text import (
    DEEPEST,
    bad,
    file_inside,
    label,
    lines,
    real,
    short,
    whole_number,
)

CLOSING = {quote: re.compile(rf"{quote}\s*(?:,|$)") for quote in ("'", '"')}
COMBINED = "% Combination of "  # how cocopp marks its reference data
OUR_COMMENT = re.compile(r"% zobench \S+, problem (\S+)")


def read_coco(info: Path, folder: Path, omissions: Omissions) -> list[Curve]:
    """Read the runs of one .info file in a folder; `omissions` collects what cannot be read."""
    curves: list[Curve] = []
    block: list[tuple[int, str]] = []
    try:
        for number, line in lines(info):
            if not block and not line.strip():
                continue
            block.append((number, line.strip()))
            if len(block) == 2 and not block[1][1].startswith("%"):
                raise bad(info, number, f"the line after a header begins with %, not {short(line)}")
            if len(block) == 3:
                whole_block, block = block, []
                try:
                    curves += _block(info, folder, whole_block, omissions)
                except BadInput as error:
                    omissions.fault(error)
        if block:
            raise bad(info, block[-1][0], "the file ends before the line that names the data")
    except BadInput as error:
        omissions.fault(error)
    return curves


def pairs(head: str) -> dict[str, str]:
    """Parse `key = value, key = 'with, commas'`, in time linear in the length of the line.

    A quote closes if a comma or the end follows, as names may contain apostrophes.
    """
    values, at, unclosed = {}, 0, set()
    while (equals := head.find("=", at)) >= 0:
        key = head[at:equals].rpartition(",")[2].strip()
        begin = equals + 1
        while head[begin : begin + 1].isspace():
            begin += 1
        quote, end = head[begin : begin + 1], None
        if quote in CLOSING and quote not in unclosed:
            end = CLOSING[quote].search(head, begin + 1)
            if end is None:  # nor does any later quote close
                unclosed.add(quote)
        if end:
            values[key], at = head[begin + 1 : end.start()], end.end()
        else:
            comma = head.find(",", begin)
            at = comma if comma >= 0 else len(head)
            values[key] = head[begin:at].strip().strip("'\"")
    return values


def _block(
    info: Path, folder: Path, block: list[tuple[int, str]], omissions: Omissions
) -> list[Curve]:
    (at, head), (_, comment), (line, items) = block
    facts = pairs(head)
    if "indicator" in facts:
        raise bad(info, at, "data of several objectives have no single gap to compare")
    if facts.get("maximization", "F") in ("T", "true", "1"):
        raise bad(info, at, "data of a maximization are not comparable")
    if comment.startswith(COMBINED):
        raise bad(
            info, at + 1, "a combination of algorithms, such as a best of a year, has no runs"
        )
    for key in ("funcId", "DIM"):
        if key not in facts:
            raise bad(info, at, f"the header lacks {key}")
    function = whole_number(info, at, facts["funcId"], "funcId", 0, DEEPEST)
    dimension = whole_number(info, at, facts["DIM"], "DIM", 1, DEEPEST)
    precision = real(info, at, facts.get("Precision", str(PRECISION)), "Precision")
    estimator = label(facts.get("algId", ""), info.parent.name or "unnamed")
    suite = label(facts.get("suite", ""), "bbob-noisy" if function > 100 else "bbob")
    function_name = f"f{function}"
    if header := OUR_COMMENT.match(comment):  # a function of another suite, numbered by an export
        suite, function_name = COUNTED, label(header[1])
    files: dict[str, list[IndexEntry]] = {}
    name = ""
    for item in filter(None, (part.strip() for part in items.split(","))):
        if re.search(r"\.[a-z]*dat$", item):
            name = item
            files.setdefault(name, [])
        elif not name:
            raise bad(info, line, f"a data file is named first, not {short(item)}")
        else:
            files[name].append(_entry(info, line, item))
    curves = []
    for name, entries in files.items():
        try:
            path = file_inside(folder, info.parent, name, line, info)
            runs = coco_runs(path)
        except BadInput as error:
            omissions.fault(error)
            continue
        agree = partial(_agree, precision=precision)
        make = partial(
            Curve,
            estimator=estimator,
            suite=suite,
            function=function,
            name=function_name,
            dimension=dimension,
        )
        curves += matched_curves((info, line), entries, (path, runs), agree, omissions, make)
    return curves


def _agree(index_gap: float, gap: float, precision: float) -> bool:
    """Return True if the gap of the index, of two digits, is that of the rows.

    Older files subtract the precision from it.
    """
    if not math.isfinite(index_gap) or not math.isfinite(gap):
        return math.isfinite(index_gap) == math.isfinite(gap)
    if index_gap <= precision and gap <= 2 * precision:
        return True
    return any(
        math.isclose(value, gap, rel_tol=0.051) for value in (index_gap, index_gap + precision)
    )


def _entry(info: Path, line: int, item: str) -> IndexEntry:
    """Parse `instance:evaluations|gap`; an item without all parts is a run that did not finish."""
    instance, _, rest = item.partition(":")
    number = whole_number(info, line, instance, "an instance", 0, DEEPEST)
    spent, _, gap = rest.partition("|")
    if not spent or not gap:
        return IndexEntry(number, 0, math.nan, has_finished=False)
    return IndexEntry(
        number,
        whole_number(info, line, spent, "the number of evaluations", 0),
        real(info, line, gap, "the gap to the optimum"),
    )
