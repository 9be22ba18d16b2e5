"""The reference of `zobench`'s public names: docstrings made ready for Sphinx, and links."""

import inspect
import re

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import zobench

OTHERS = ("numpy", "np.", "torch", "nn.", "pandas", "pd.", "transformers", "gymnasium")
HEADER = re.compile(r"(Args|Returns|Raises|Example|Examples|Attributes|Yields|Note):$")


class PublicModule(SphinxDirective):
    """`public-module:: samplers`: the classes and functions in `__all__` of a public module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        module = getattr(zobench, name)
        lines = ["```{eval-rst}"]
        for inner in module.__all__:
            value = getattr(module, inner)
            kind = "class" if inspect.isclass(value) else "function"
            own = getattr(value, "__module__", "") == module.__name__
            elsewhere = inner in zobench.__all__  # it has its own place
            if own and not elsewhere and callable(value) and inspect.getdoc(value):
                lines += [f".. auto{kind}:: zobench.{name}.{inner}", ""]
        holder = nodes.container()
        self.state.nested_parse([*lines, "```"], self.content_offset, holder)
        return holder.children


def escape(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are plain text: show |x| and x* as they stand, and indented lines as code."""
    made: list[str] = []
    above = ""  # the last line that is not empty
    code = -1  # indentation of the text before an indented block; -1 outside one
    for line in lines:
        first = not above and what in ("property", "attribute")
        if (first or above.strip() == "Returns:") and ":" in line:  # what precedes is not a type
            line = line.replace(line.strip(), f": {line.strip()}")
        indent = len(line) - len(line.lstrip())
        if line.strip() and code >= 0 and indent <= code:
            code = -1
        blank_before = not made or not made[-1].strip()
        deeper = indent >= len(above) - len(above.lstrip()) + 4
        plain = not HEADER.match(above.strip()) and not line.strip().startswith(">>>")
        if line.strip() and code < 0 and blank_before and deeper and above and plain:
            code = len(above) - len(above.lstrip())
            made += [" " * code + "::", ""]
        made.append(line if code >= 0 or line.strip().startswith((">>>", "...")) else _text(line))
        above = line if line.strip() else above
    lines[:] = made


def _text(line: str) -> str:
    parts = re.split(r"(`[^`]*`|\*\*[^*]+\*\*)", line)
    return "".join(
        part if place % 2 else re.sub(r"([*|\\])", r"\\\1", part)
        for place, part in enumerate(parts)
    )


def resolve(app, env, node, contnode):
    """Types: link those that are public, and leave those of other packages as words."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    name = target.rpartition(".")[2]
    if name in zobench.__all__ and node["reftype"] in ("class", "obj", "exc", "data"):
        domain = env.domains["py"]
        for _, entry in domain.find_obj(env, None, None, f"zobench.{name}", None):
            from sphinx.util.nodes import make_refnode

            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode)
    if node["reftype"] in ("class", "obj", "exc", "data"):
        return contnode
    return None


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("public-module", PublicModule)
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
