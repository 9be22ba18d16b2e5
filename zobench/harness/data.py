"""The folders of the data files that ship with zobench: suites and baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import zobench


def data_folder(kind: Literal["suites", "baselines"]) -> Path:
    """The folder inside an installed package, or next to the package in a checkout."""
    package = Path(zobench.__file__).parent
    packed = package / "_data" / kind
    return packed if packed.is_dir() else package.parent / kind
