"""One word per thing: no name of a class or of a type is used for two things."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def is_type_name(name: str) -> bool:
    """True for names written like those of classes: `Params`, not `LIMIT` or `U`."""
    return name[0].isupper() and not name.isupper() and len(name) > 1


def defined(tree: ast.Module):
    """The classes of a file, and the types that it gives another name at its top."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
    for node in tree.body:
        target = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        if isinstance(target, ast.Name) and is_type_name(target.id):
            yield target.id


def test_no_name_of_a_type_is_used_twice():
    homes = defaultdict(list)
    for path in sorted((ROOT / "zobench").rglob("*.py")):
        for name in defined(ast.parse(path.read_text())):
            homes[name.lstrip("_")].append(str(path.relative_to(ROOT)))
    twice = {name: paths for name, paths in homes.items() if len(paths) > 1}
    assert not twice, "\n".join(f"{name}: {', '.join(paths)}" for name, paths in twice.items())
