"""Write text of a terminal as a picture, for a README or a talk."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

from zobench.errors import BadInput


def check_picture(path: Path) -> None:
    """Raise BadInput if `save_picture` could not write the file; called before any run."""
    target = path if path.exists() else path.parent
    if path.suffix.lower() != ".svg":
        fault = f"it is written as SVG: take {path.with_suffix('.svg').name!r}"
    elif path.is_dir():
        fault = "it is a folder"
    elif not path.parent.is_dir():
        fault = f"there is no folder {str(path.parent)!r}"
    elif not os.access(target, os.W_OK):
        fault = f"{str(target)!r} is not writable"
    else:
        return
    raise BadInput(f"cannot write the picture {str(path)!r}: {fault}")


def save_picture(lines: Sequence[str], path: Path, title: str) -> None:
    """Write lines of a terminal, with their colours, as an SVG file.

    Raises BadInput if the file cannot be written.
    """
    from rich.console import Console
    from rich.text import Text

    columns = max((len(Text.from_ansi(line)) for line in lines), default=0)
    console = Console(record=True, width=columns + 1, file=io.StringIO(), color_system="truecolor")
    for line in lines:
        console.print(Text.from_ansi(line), highlight=False)
    picture = console.export_svg(title=title)
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # fonts on the network
    try:
        path.write_text(picture)
    except OSError as error:
        raise BadInput(f"cannot write the picture {str(path)!r}: {error.strerror}") from error
