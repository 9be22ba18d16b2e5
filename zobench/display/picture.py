"""A terminal's text as a picture, for a README or a talk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from zobench.errors import BadInput


def save_picture(lines: Sequence[str], path: Path, title: str) -> None:
    """Write the lines (colours as in a terminal) as an SVG file. Raises BadInput if it cannot."""
    from rich.console import Console
    from rich.text import Text

    columns = max((len(Text.from_ansi(line)) for line in lines), default=0)
    console = Console(record=True, width=columns + 1, file=io.StringIO(), color_system="truecolor")
    for line in lines:
        console.print(Text.from_ansi(line), highlight=False)
    try:
        path.write_text(console.export_svg(title=title))
    except OSError as error:
        raise BadInput(f"cannot write the picture {str(path)!r}: {error.strerror}") from error
