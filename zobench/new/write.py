"""`zobench new`: write a file that runs as it is, and say how to run it."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Literal

from zobench.errors import BadInput
from zobench.new.templates import ESTIMATOR, OBJECTIVE, SUITE
from zobench.registry import estimators, objectives

Kind = Literal["estimator", "objective"]


def new(kind: Kind, name: str, out: Path | None = None) -> tuple[list[Path], str]:
    """(the files written, a command that uses them).

    `out`: the Python file; default: the name with underscores, in the current folder. An
    objective comes with a suite beside it. Raises BadInput on a name that cannot be or is taken,
    and when a file exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise BadInput(
            f"a name has small letters, digits and dashes, as in 'my-method'; not {name!r}"
        )
    registry = estimators if kind == "estimator" else objectives
    function = name.replace("-", "_")
    path = out or Path(f"{function}.py")
    if path.suffix != ".py":
        raise BadInput(f"--out is a Python file, such as {function}.py; not {str(path)!r}")
    title = "".join(word.capitalize() for word in re.split("[-_]", name))
    words = {"name": name, "function": function, "title": title, "file": f"./{path.name}"}
    shown = str(path) if path.is_absolute() else f"./{path}"
    if kind == "estimator":
        texts = {path: ESTIMATOR.substitute(words)}
        command = f"zobench compare {shown}:{name} mezo"
    else:
        suite = path.with_suffix(".toml")
        texts = {path: OBJECTIVE.substitute(words), suite: SUITE.substitute(words)}
        command = f"zobench compare spsa random-search --suite {shown[:-3]}.toml"
    for target in texts:
        if target.exists():
            raise BadInput(f"{target} exists; choose another name, or --out FILE")
    if name in registry.load():
        raise BadInput(f"there is an {kind} named {name!r} already; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, text in texts.items():
            target.write_text(text)
    except OSError as error:
        raise BadInput(f"cannot write {error.filename}: {error.strerror}") from error
    return list(texts), command
