"""`zobench new`: write a file that runs as it is, and say how to check and run it."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template
from typing import Literal

from zobench.errors import BadInput
from zobench.harness.suite_file import suite_files
from zobench.new import templates
from zobench.registry import estimators, objectives

Kind = Literal["estimator", "objective", "suite", "environment", "task"]
FILES: dict[str, tuple[Template, Template | None]] = {  # kind -> its Python file, its suite
    "estimator": (templates.ESTIMATOR, None),
    "objective": (templates.OBJECTIVE, templates.SUITE),
    "environment": (templates.ENVIRONMENT, templates.ENVIRONMENT_SUITE),
    "task": (templates.TASK, templates.TASK_SUITE),
}
PAIRS = {  # kind -> estimators for a first comparison
    "environment": "ars:lr=0.1,eps=0.1 cma-es",
    "task": "bdpl random-search:sigma=1",
}


def new(kind: Kind, name: str, out: Path | None = None) -> tuple[list[Path], list[str]]:
    """Write the files of a new element.

    Args:
        kind: what to write. An objective, an environment and a task come with a suite beside them.
        name: what users type: small letters, digits and dashes.
        out: the Python file, or the suite's .toml file; default: the name with underscores, in the
            current folder.

    Returns:
        (the files written, the commands that check and use them).

    Raises:
        BadInput: the name cannot be, or is taken; a file exists, or cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise BadInput(
            f"a name has small letters, digits and dashes, as in 'my-method'; not {name!r}"
        )
    function = name.replace("-", "_")
    ending = ".toml" if kind == "suite" else ".py"
    path = out or Path(f"{function}{ending}")
    if path.suffix != ending:
        what = "a suite" if kind == "suite" else "a Python file"
        raise BadInput(f"--out is {what}, such as {function}{ending}; not {str(path)!r}")
    title = "".join(word.capitalize() for word in re.split("[-_]", name))
    shown = str(path) if path.is_absolute() else f"./{path}"
    stem = shown.removesuffix(ending)
    words = {"name": name, "function": function, "title": title, "file": f"./{path.name}",
             "path": stem, "objective": f"./{path.name}:{name}",
             "settings": "steepness = 10.0"}  # fmt: skip
    if kind == "suite":
        registered = {"objective": "sphere", "settings": "noise_level = 0.0"}
        texts = {path: templates.SUITE.substitute(words | registered)}
        checked = [shown]
    else:
        python, suite = FILES[kind]
        texts = {path: python.substitute(words)}
        checked = [f"{shown}:{name}"]
        if suite is not None:
            texts[path.with_suffix(".toml")] = suite.substitute(words)
            checked.append(f"{stem}.toml")
    if kind == "estimator":
        compare = f"zobench compare {shown}:{name} mezo"
    else:
        pair = PAIRS.get(kind, "spsa random-search")
        compare = f"zobench compare {pair} --suite {stem}.toml"
    if kind in ("environment", "task"):
        checked.insert(1, f"{shown}:{title if kind == 'environment' else 'judge'}")
    for target in texts:
        if target.exists():
            raise BadInput(f"{target} exists; choose another name, or --out FILE")
    taken = {"estimator": estimators.load, "suite": suite_files}.get(kind, objectives.load)()
    if name in taken:
        what = kind if kind in ("estimator", "suite") else "objective"
        article = "a" if what == "suite" else "an"
        raise BadInput(f"there is {article} {what} named {name!r} already; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, text in texts.items():
            target.write_text(text)
    except OSError as error:
        raise BadInput(f"cannot write {error.filename}: {error.strerror}") from error
    return list(texts), [f"zobench check {' '.join(checked)}", compare]
