"""SST-2 and RTE (Wang et al., 2019, arXiv:1804.07461) with MeZO's prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zobench.errors import BadInput, unknown
from zobench.objectives.llm.hub import one_line
from zobench.objectives.llm.tasks import GENERATED, SIZES, LabelledText, Task


@dataclass(frozen=True)
class _HubDataset:
    """The files of a task and its prompt (Malladi et al., 2023, table 14)."""

    folder: str  # of the official archive
    columns: tuple[str, ...]  # of text, with the same names in the official files and on the hub
    prompt: str
    label_words: tuple[str, ...]
    labels: tuple[str, ...]  # in the official files, in the order of the label words
    joiner: str


_SOURCES = {
    "sst2": _HubDataset(
        "SST-2", ("sentence",), "{sentence} It was", ("terrible", "great"), ("0", "1"), " "
    ),
    "rte": _HubDataset(
        "RTE",
        ("sentence1", "sentence2"),
        '{sentence1}\nDoes this mean that "{sentence2}" is true? Yes or No?',
        ("Yes", "No"),
        ("entailment", "not_entailment"),
        "\n",
    ),
}
GLUE = tuple(_SOURCES)
HUB = "nyu-mll/glue"


def glue(
    name: str,
    folder: str | Path | None = None,
    seed: int = 0,
    sizes: tuple[int, int, int] = SIZES,
) -> Task:
    """Sample SST-2 or RTE as MeZO does.

    Train and dev are drawn from the official train file by `seed`, without a common row. Test is
    drawn from the official dev file (whose labels are public), or is all of it if it is smaller.

    Args:
        name: "sst2" or "rte".
        folder: the unpacked GLUE archive, with SST-2/train.tsv, SST-2/dev.tsv and the same in RTE/;
            None fetches the rows from the hub with the package datasets.
        seed: of the draws.
        sizes: rows of train, dev and test.

    Returns:
        The task.

    Raises:
        BadInput: for missing files, wrong columns or labels, or too few rows. It names the file.
    """
    if name not in _SOURCES:
        raise unknown("task", name, (*GENERATED, *_SOURCES))
    source, (train, dev, test) = _SOURCES[name], sizes
    if folder is None:
        origin = f"{HUB} {name}"
        rows, dev_file = _hub(name, source, "train"), _hub(name, source, "validation")
    else:
        path = Path(folder).expanduser() / source.folder
        origin = str(path / "train.tsv")
        rows, dev_file = _file(path / "train.tsv", source), _file(path / "dev.tsv", source)
    if len(rows) < train + dev:
        raise BadInput(f"{origin} has {len(rows)} rows; train and dev need {train} + {dev}: "
                       "ask for fewer with sizes=(train, dev, test)")  # fmt: skip
    rng = np.random.default_rng(seed)
    sample = [rows[i] for i in rng.permutation(len(rows))[: train + dev]]
    test_rows = [dev_file[i] for i in rng.permutation(len(dev_file))[:test]]
    words = list(source.label_words)
    return Task(name, words, sample[:train], sample[train:], test_rows, source.joiner)


def _row(source: _HubDataset, text: Mapping[str, str], label: int) -> LabelledText:
    return source.prompt.format(**{name: text[name].strip() for name in source.columns}), label


def _file(path: Path, source: _HubDataset) -> list[LabelledText]:
    """Read an official file: a header, then rows of fields between tabs, without quotes."""
    expected = f"expected tab-separated columns {', '.join((*source.columns, 'label'))}"
    try:
        # Not splitlines: a sentence may hold a rarer line separator.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError:
        raise BadInput(f"no file {path}; {expected}, as in the official GLUE archive") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text; {expected}") from None
    header = lines[0].split("\t")
    if missing := [name for name in (*source.columns, "label") if name not in header]:
        raise BadInput(f"{path} has columns {', '.join(header)}; "
                       f"missing {', '.join(missing)}; {expected}")  # fmt: skip
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        fields = dict(zip(header, cells := line.split("\t")))
        if len(cells) != len(header):
            raise BadInput(f"{path} line {number} has {len(cells)} columns, not {len(header)}; "
                           f"{expected}")  # fmt: skip
        if fields["label"] not in source.labels:
            raise BadInput(f"{path} line {number} has label {fields['label']!r}; "
                           f"expected {' or '.join(source.labels)}")  # fmt: skip
        rows.append(_row(source, fields, source.labels.index(fields["label"])))
    return rows


def _hub(name: str, source: _HubDataset, split: str) -> list[LabelledText]:
    """Fetch the rows of the hub's copy, whose labels are the indices of the label words."""
    with one_line(f"{HUB} {name} from the hub", "give the folder of the official files instead"):
        from datasets import load_dataset  # pyright: ignore[reportMissingImports] - an extra

        rows = load_dataset(HUB, name, split=split)
    return [_row(source, row, row["label"]) for row in rows]  # pyright: ignore
