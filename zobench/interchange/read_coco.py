"""Reading COCO's data: .info files and the .dat files that they name. Parsed, never evaluated.

A gap above a target is no hit of it, however near: cocopp allows 1e-12, see harness/targets.py.
"""

from __future__ import annotations

import re
from pathlib import Path

from zobench.interchange.curve import Curve
from zobench.interchange.numbering import COUNTED
from zobench.interchange.read_rows import coco_runs
from zobench.interchange.text import DEEPEST, bad, inside, label, lines, short, whole

CLOSING = {quote: re.compile(rf"{quote}\s*(?:,|$)") for quote in ("'", '"')}
COMBINED = "% Combination of "  # how cocopp marks its reference data
OURS = re.compile(r"% zobench \S+, problem (\S+)")
Entry = tuple[int, int | None]  # instance, evaluations (None: the run was not finished)


def read_coco(info: Path, folder: Path) -> list[Curve]:
    """The runs of one .info file that lies in `folder`. Raises BadInput with file and line."""
    found: list[Curve] = []
    block: list[tuple[int, str]] = []
    for number, line in lines(info):
        if not block and not line.strip():
            continue
        block.append((number, line))
        if len(block) == 2 and not line.lstrip().startswith("%"):
            raise bad(info, number, f"the line after a header begins with %, not {short(line)}")
        if len(block) == 3:
            found += _block(info, folder, block)
            block = []
    if block:
        raise bad(info, block[-1][0], "the file ends before the line that names the data")
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


def _block(info: Path, folder: Path, block: list[tuple[int, str]]) -> list[Curve]:
    (at, head), (_, comment), (line, listed) = block
    facts = pairs(head)
    if "indicator" in facts:
        raise bad(info, at, "data of several objectives have no single gap to compare")
    if comment.startswith(COMBINED):
        raise bad(
            info, at + 1, "a combination of algorithms, such as a best of a year, has no runs"
        )
    for key in ("funcId", "DIM"):
        if key not in facts:
            raise bad(info, at, f"the header lacks {key}")
    function = whole(info, at, facts["funcId"], "funcId", 0, DEEPEST)
    dimension = whole(info, at, facts["DIM"], "DIM", 1, DEEPEST)
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
        path = inside(folder, info.parent, name, line, info)
        runs = coco_runs(path)
        finished = [e for e in entries if e[1] is not None]
        if len(runs) == len(finished) != len(entries):
            entries = finished
        if len(runs) != len(entries):
            said = f"{len(entries)} runs are listed, but {path.name} holds {len(runs)}"
            raise bad(info, line, said)
        for (instance, spent), (queries, gaps) in zip(entries, runs):
            length = max(spent or 0, int(queries[-1]))
            place = (suite, function, name_of, dimension, instance)
            curves.append(Curve(algorithm, *place, queries, gaps, length))
    return curves


def _entry(info: Path, line: int, item: str) -> Entry:
    """`instance:evaluations|gap`, or `instance` of a run that was not finished."""
    instance, colon, rest = item.partition(":")
    number = whole(info, line, instance, "an instance", 0, DEEPEST)
    if not colon:
        return number, None
    spent = rest.partition("|")[0]
    return number, whole(info, line, spent, "the number of evaluations", 0)
