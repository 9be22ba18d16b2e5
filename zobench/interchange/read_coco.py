"""Reading COCO's data: .info files and the .dat files that they name. Parsed, never evaluated.

A gap above a target does not hit it, however near: cocopp allows 1e-12, see harness/targets.py.
"""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

from zobench.errors import BadInput
from zobench.interchange.curve import Curve
from zobench.interchange.listed import Entry, Left, finished
from zobench.interchange.numbering import COUNTED, PRECISION
from zobench.interchange.read_rows import coco_runs
from zobench.interchange.text import DEEPEST, bad, inside, label, lines, real, short, whole

CLOSING = {quote: re.compile(rf"{quote}\s*(?:,|$)") for quote in ("'", '"')}
COMBINED = "% Combination of "  # how cocopp marks its reference data
OURS = re.compile(r"% zobench \S+, problem (\S+)")


def read_coco(info: Path, folder: Path, left: Left) -> list[Curve]:
    """The runs of one .info file that lies in `folder`; `left` takes what cannot be read."""
    found: list[Curve] = []
    block: list[tuple[int, str]] = []
    try:
        for number, line in lines(info):
            if not block and not line.strip():
                continue
            block.append((number, line.strip()))
            if len(block) == 2 and not block[1][1].startswith("%"):
                raise bad(info, number, f"the line after a header begins with %, not {short(line)}")
            if len(block) == 3:
                ready, block = block, []
                try:
                    found += _block(info, folder, ready, left)
                except BadInput as error:
                    left.fault(error)
        if block:
            raise bad(info, block[-1][0], "the file ends before the line that names the data")
    except BadInput as error:
        left.fault(error)
    return found


def pairs(head: str) -> dict[str, str]:
    """`key = value, key = 'with, commas'` as a dict; in time linear in what the line holds.

    A quote closes where a comma or the end follows: names hold apostrophes.
    """
    found, at, open_ends = {}, 0, set()
    while (equals := head.find("=", at)) >= 0:
        key = head[at:equals].rpartition(",")[2].strip()
        begin = equals + 1
        while head[begin : begin + 1].isspace():
            begin += 1
        quote, closed = head[begin : begin + 1], None
        if quote in CLOSING and quote not in open_ends:
            closed = CLOSING[quote].search(head, begin + 1)
            if closed is None:  # nor will any later one be
                open_ends.add(quote)
        if closed:
            found[key], at = head[begin + 1 : closed.start()], closed.end()
        else:
            comma = head.find(",", begin)
            at = comma if comma >= 0 else len(head)
            found[key] = head[begin:at].strip().strip("'\"")
    return found


def _block(info: Path, folder: Path, block: list[tuple[int, str]], left: Left) -> list[Curve]:
    (at, head), (_, comment), (line, listed) = block
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
    function = whole(info, at, facts["funcId"], "funcId", 0, DEEPEST)
    dimension = whole(info, at, facts["DIM"], "DIM", 1, DEEPEST)
    precision = real(info, at, facts.get("Precision", str(PRECISION)), "Precision")
    algorithm = label(facts.get("algId", ""), info.parent.name or "unnamed")
    suite = label(facts.get("suite", ""), "bbob-noisy" if function > 100 else "bbob")
    name_of = f"f{function}"
    if ours := OURS.match(comment):  # a function of another suite, under a number it was given
        suite, name_of = COUNTED, label(ours[1])
    files: dict[str, list[Entry]] = {}
    name = ""
    for item in filter(None, (part.strip() for part in listed.split(","))):
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
            path = inside(folder, info.parent, name, line, info)
            runs = coco_runs(path)
        except BadInput as error:
            left.fault(error)
            continue
        agree = partial(_agree, precision=precision)
        found = []
        for entry, rows in finished((info, line), entries, (path, runs), agree, left):
            place = (suite, function, name_of, dimension, entry.instance)
            found.append(Curve(algorithm, *place, rows.queries, rows.gaps, entry.evaluations))
        curves += left.once(found, path)
    return curves


def _agree(listed: float, gap: float, precision: float) -> bool:
    """Is the listed gap, of two digits, that of the rows? Older files take the precision off it."""
    if not math.isfinite(listed) or not math.isfinite(gap):
        return math.isfinite(listed) == math.isfinite(gap)
    if listed <= precision and gap <= 2 * precision:
        return True
    return any(math.isclose(value, gap, rel_tol=0.051) for value in (listed, listed + precision))


def _entry(info: Path, line: int, item: str) -> Entry:
    """`instance:evaluations|gap`; what lacks a part of it is of a run that was not finished."""
    instance, _, rest = item.partition(":")
    number = whole(info, line, instance, "an instance", 0, DEEPEST)
    spent, _, gap = rest.partition("|")
    if not spent or not gap:
        return Entry(number, 0, math.nan, finished=False)
    return Entry(
        number,
        whole(info, line, spent, "the number of evaluations", 0),
        real(info, line, gap, "the gap to the optimum"),
    )
