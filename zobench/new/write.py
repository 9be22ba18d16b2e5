"""Write the files of `zobench new`, and name the commands that check and run them."""

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

TemplateKind = Literal["estimator", "objective", "suite", "environment", "task"]
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


def new(kind: TemplateKind, name: str, out: Path | None = None) -> tuple[list[Path], list[str]]:
    """Write the files of a new element.

    Args:
        kind: the element. An objective, an environment and a task also get a suite.
        name: the name that users type: lower-case letters, digits and dashes.
        out: the Python file, or the suite's .toml file; by default the name with underscores, in
            the current folder.

    Returns:
        (the files, the command that checks them and the command that runs them).

    Raises:
        BadInput: if the name is invalid or exists, or if a file exists or cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise BadInput(
            f"a name has small letters, digits and dashes, as in 'my-method'; not {name!r}"
        )
    function = name.replace("-", "_")
    ending = ".toml" if kind == "suite" else ".py"
    path = out or Path(f"{function}{ending}")
    if path.suffix != ending:
        noun = "a suite" if kind == "suite" else "a Python file"
        raise BadInput(f"--out is {noun}, such as {function}{ending}; not {str(path)!r}")
    title = "".join(word.capitalize() for word in re.split("[-_]", name))
    typed = str(path) if path.is_absolute() else f"./{path}"
    stem = typed.removesuffix(ending)
    words = {"name": name, "function": function, "title": title, "file": f"./{path.name}",
             "path": stem, "objective": f"./{path.name}:{name}",
             "settings": "steepness = 10.0"}  # fmt: skip
    if kind == "suite":
        sphere = {"objective": "sphere", "settings": "noise_level = 0.0"}
        texts = {path: templates.SUITE.substitute(words | sphere)}
        elements = [typed]
    else:
        python, suite = FILES[kind]
        texts = {path: python.substitute(words)}
        elements = [f"{typed}:{name}"]
        if suite is not None:
            texts[path.with_suffix(".toml")] = suite.substitute(words)
            elements.append(f"{stem}.toml")
    if kind == "estimator":
        compare = f"zobench compare {typed}:{name} mezo"
    else:
        pair = PAIRS.get(kind, "spsa random-search")
        compare = f"zobench compare {pair} --suite {stem}.toml"
    if kind in ("environment", "task"):
        elements.insert(1, f"{typed}:{title if kind == 'environment' else 'judge'}")
    for target in texts:
        if target.exists():
            raise BadInput(f"{target} exists; choose another name, or --out FILE")
    existing = {"estimator": estimators.load, "suite": suite_files}.get(kind, objectives.load)()
    if name in existing:
        noun = kind if kind in ("estimator", "suite") else "objective"
        article = "a" if noun == "suite" else "an"
        raise BadInput(f"there is {article} {noun} named {name!r} already; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, text in texts.items():
            target.write_text(text)
    except OSError as error:
        raise BadInput(f"cannot write {error.filename}: {error.strerror}") from error
    return list(texts), [f"zobench check {' '.join(elements)}", compare]
