"""Pages from the scripts of `gallery/`, and a command that runs the scripts.

A script is a page: its docstring is the title and the introduction, comments below
`# %% [markdown]` are text, and the rest is code. `gallery/output/` has the printed text and the
figure of each script.

    python docs/_ext/gallery.py      run all scripts and renew gallery/output
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from myst_parser.parsers.sphinx_ import MystParser

FOLDER = Path(__file__).parents[1] / "gallery"
OUTPUT = FOLDER / "output"
STYLE = "svg.fonttype: none\nsvg.hashsalt: zobench\nfont.size: 9\n"  # small and reproducible


class ScriptParser(MystParser):
    """Parses a script in the percent format as a MyST page."""

    supported = ("percent",)

    def parse(self, inputstring, document):
        """Add the page of a script to the document."""
        super().parse(page(inputstring, Path(document["source"]).stem), document)


def page(script: str, name: str) -> str:
    """The Markdown text of a script's page."""
    tree = ast.parse(script)
    title, _, rest = ast.get_docstring(tree).partition("\n")
    parts = [f"# {title.rstrip('.')}", rest.strip()]
    body = "\n".join(script.splitlines()[tree.body[0].end_lineno :])
    for kind, cell in re.findall(r"^# %%(.*)\n((?:(?!# %%).*\n?)*)", body, re.MULTILINE):
        if "markdown" in kind:
            parts.append(re.sub(r"^# ?", "", cell.strip(), flags=re.MULTILINE))
        else:
            parts.append(f"```python\n{cell.strip()}\n```")
    parts.append(f"![The figure of the script](output/{name}.svg)")
    printed = (OUTPUT / f"{name}.txt").read_text().rstrip()
    parts.append(f"It prints:\n\n```text\n{printed}\n```")
    parts.append(f"The script is `docs/gallery/{name}.py` of the repository.")
    return "\n\n".join(parts) + "\n"


def run(script: Path, folder: Path) -> str:
    """Run a script in a folder and return what it prints."""
    (folder / "matplotlibrc").write_text(STYLE)
    environment = os.environ | {
        "MPLBACKEND": "svg",
        "SOURCE_DATE_EPOCH": "0",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{script.name}: {done.stderr}")
    return done.stdout


def main() -> None:
    """Run all scripts, or those that are named, and renew their output."""
    OUTPUT.mkdir(exist_ok=True)
    for script in sorted(FOLDER.glob("*.py")):
        if sys.argv[1:] and script.stem not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            (OUTPUT / f"{script.stem}.txt").write_text(run(script, Path(folder)))
            figure = Path(folder) / f"{script.stem}.svg"
            text = re.sub(r"[ \t]+$", "", figure.read_text(), flags=re.MULTILINE)
            (OUTPUT / figure.name).write_text(text)
            print(f"wrote {script.stem}")


def setup(app):
    """Register the parser of scripts."""
    app.add_source_suffix(".py", "percent")
    app.add_source_parser(ScriptParser)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    main()
