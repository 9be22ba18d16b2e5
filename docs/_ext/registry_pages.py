"""Pages of all estimators, objectives, suites and commands, made from their own docstrings."""

import inspect
import re
from typing import Any

import typer
from docutils import nodes
from plain import inline, paragraphs, section, table
from sphinx.util.docutils import SphinxDirective

from zobench.cli import app as commands
from zobench.harness.suite_file import load, suite_files
from zobench.registry import Entry, Registry, estimators, objectives

REGISTRIES = {"estimators": estimators, "objectives": objectives}


class RegistryPage(SphinxDirective):
    """`registry:: estimators` or `objectives`: a section for each entry."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        registry = REGISTRIES[self.arguments[0]]
        return [_entry(entry, registry) for entry in registry.load().values()]


def _entry(entry: Entry, registry: Registry) -> nodes.section:
    made = section(entry.name, f"{registry.kind} {entry.name}")
    made += paragraphs(inspect.getdoc(entry.make) or "")
    if entry.first_order:
        made += nodes.paragraph("", "It uses gradients: a first-order reference, never ranked.")
    facts = nodes.bullet_list()
    for name, value in (("Version", entry.version), ("Source", entry.paper)):
        if value:
            facts += nodes.list_item("", nodes.paragraph("", "", *_linked(f"{name}: {value}")))
    if entry.needs:
        text = f"Needs `pip install {entry.install or entry.needs}`"
        facts += nodes.list_item("", nodes.paragraph("", "", *inline(text)))
    made += facts
    if entry.defaults:
        made += _settings(entry)
    return made


def _linked(text: str) -> list[nodes.Node]:
    """A line in which arXiv numbers, DOIs and addresses are links."""
    made: list[nodes.Node] = []
    for place, part in enumerate(re.split(r"(arXiv:[\d.]+\d|doi:\S+\w|https://\S+\w)", text)):
        if place % 2:
            address = part.replace("arXiv:", "https://arxiv.org/abs/")
            address = address.replace("doi:", "https://doi.org/")
            made.append(nodes.reference("", part, refuri=address))
        else:
            made += inline(part)
    return made


def _settings(entry: Entry) -> nodes.table:
    rows = []
    for name, value in entry.defaults.items():
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        rows.append((f"`{name}`", f"`{shown}`", entry.searched(name)))
    head = ("setting", "default", "searched by zobench tune")
    columns = 3 if entry.space else 2
    return table(head[:columns], [row[:columns] for row in rows])


class SuitesPage(SphinxDirective):
    """A section for each suite, with its problems."""

    def run(self) -> list[nodes.Node]:
        return [_suite(name) for name in suite_files()]


def _suite(name: str) -> nodes.section:
    suite = load(name)
    made = section(name, f"suite {name}", nodes.paragraph("", "", *inline(suite.description)))
    runs = sum(p.repetitions for p in suite.problems)
    queries = sum(p.repetitions * p.budget for p in suite.problems)
    counts = (
        f"Version {suite.version}: {len(suite.problems)} problems, {runs:,} runs and at most "
        f"{queries:,} queries per estimator."
    )
    made += nodes.paragraph("", counts)
    groups: dict[tuple, list] = {}
    for p in suite.problems:
        span = f"{len(p.targets)}: {p.targets[0]:.4g} to {p.targets[-1]:.4g}"
        kind = p.objective, p.group, p.budget, p.repetitions, span
        groups.setdefault(kind, []).append(p.id)
    rows = [
        (_ids(ids), f"`{objective}`", group, f"{budget:,}", str(count), span)
        for (objective, group, budget, count, span), ids in groups.items()
    ]
    head = ("problems", "objective", "group", "queries", "runs", "targets, easiest to hardest")
    made += table(head, rows)
    return made


def _ids(ids: list[str]) -> str:
    if len(ids) < 4:
        return ", ".join(f"`{id}`" for id in ids)
    return f"{len(ids)}: `{ids[0]}` to `{ids[-1]}`"


class CommandsPage(SphinxDirective):
    """A section for each command, with its help."""

    def run(self) -> list[nodes.Node]:
        top: Any = typer.main.get_command(commands)
        above = top.context_class(top, info_name="zobench", **top.context_settings)
        return [_command(name, top.get_command(above, name), above) for name in top.commands]


def _command(name: str, command: Any, above: Any) -> nodes.section:
    context = command.context_class(command, parent=above, info_name=name)
    made = section(context.command_path, context.command_path)
    made += nodes.literal_block("", command.get_help(context), language="text")
    inner = getattr(command, "commands", {})  # of a command of commands
    made += [_command(word, command.get_command(context, word), context) for word in inner]
    return made


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("registry", RegistryPage)
    app.add_directive("suites", SuitesPage)
    app.add_directive("commands", CommandsPage)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
