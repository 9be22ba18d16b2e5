"""Output of `zobench list`: all names with their summaries, or the page of one name."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

from zobench.display.text import WIDEST, width
from zobench.errors import BadInput, unknown
from zobench.registry import Entry, Registry, estimators, objectives

REGISTRIES: dict[str, Registry] = {"estimators": estimators, "objectives": objectives}
KINDS = (*REGISTRIES, "suites")


def catalogue(kind: str = "", name: str = "") -> str:
    """Return all names, those of one kind, or the page of one name.

    A name without a kind is looked up among all kinds. Raises BadInput on an unknown kind or name.
    """
    kind = {k[:-1]: k for k in KINDS}.get(kind, kind)  # "estimator" means "estimators"
    if kind and kind not in KINDS and not name:
        kind, name = "", kind
    if kind and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if not name:
        return "\n\n".join(_names(k) for k in KINDS if kind in ("", k))
    if name.endswith(".toml"):
        kind = "suites"
    for candidate in (kind,) if kind else KINDS:
        if kind or name in _summaries(candidate) or ".py:" in name:
            return _suite(name) if candidate == "suites" else _page(REGISTRIES[candidate], name)
    names = dict.fromkeys([*KINDS, *(n for k in KINDS for n in _summaries(k))])  # bbob is twice
    raise unknown("kind, estimator, objective or suite", name, names)


def _summaries(kind: str) -> dict[str, str]:
    if kind != "suites":
        return REGISTRIES[kind].summaries()
    from zobench.harness.suite_file import description, suite_files

    summaries = {}
    for name, path in suite_files().items():
        try:
            summaries[name] = description(path)
        except BadInput as error:
            summaries[name] = f"unreadable: {error}"
    return summaries


def _names(kind: str) -> str:
    summaries = _summaries(kind)
    if not summaries:
        return f"{kind.upper()}\n  none"
    indent = max(len(name) for name in summaries) + 4
    lines = [
        textwrap.fill(
            summary,
            min(width(), WIDEST),
            initial_indent=f"  {name}".ljust(indent),
            subsequent_indent=" " * indent,
        )
        for name, summary in summaries.items()
    ]
    hint = f"(details of one: zobench list {kind} {next(iter(summaries))})"
    return "\n".join([f"{kind.upper()}  {hint}", *lines])


def _page(registry: Registry, name: str) -> str:
    entry = registry[name]
    head = f"{name} ({registry.kind})"
    facts = [f"source: {entry.paper}"] if entry.paper else []
    if entry.needs:
        facts.append(f"needs: pip install {entry.install or entry.needs}")
    if entry.first_order:
        facts.append("uses gradients: a first-order reference, never ranked")
    lines = [head, "", *textwrap.indent(inspect.getdoc(entry.make) or "", "  ").splitlines(), ""]
    lines += [f"  {fact}" for fact in facts]
    lines += ["", *_settings(entry)]
    if registry is estimators:
        example = "".join(f":{k}={v}" for k, v in list(entry.defaults.items())[:1])
        lines += ["", f"Try it:  zobench compare {name}{example} random-search"]
    else:
        example = ", ".join(f"{k} = {_toml(v)}" for k, v in list(entry.defaults.items())[:2])
        lines += ["", "In a suite:", "  [[problem]]", f'  objective = "{name}"']
        lines += [f"  settings = {{ {example} }}"]
    return "\n".join(lines)


def _settings(entry: Entry) -> Iterator[str]:
    defaults = entry.defaults
    if not defaults:
        yield "No settings."
        return
    rows = [("setting", "default", "searched by `zobench tune`" if entry.space else "")]
    for key, value in defaults.items():
        rows.append((key, _toml(value), entry.searched(key)))
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    for a, b, c in rows:
        yield f"  {a:{first}}  {b:{second}}  {c}".rstrip()
    if entry.varying:
        yield ""
        yield f"  {' and '.join(entry.varying)}: a number, or a schedule over the steps:"
        yield "  cosine(1e-3, 2000), linear(1e-3, 2000), warmup(linear(1e-3), 100)."
        yield "  cosine and linear without a number of steps end with the run's budget."


def _suite(name: str) -> str:
    from zobench.harness.suite_file import load

    suite = load(name)
    lines = [f"{suite.name} (suite, version {suite.version})", ""]
    lines += textwrap.wrap(
        suite.description, min(width(), WIDEST), initial_indent="  ", subsequent_indent="  "
    )
    rows = [("problem", "group", "queries", "runs", "targets (easiest to hardest)")]
    for p in suite.problems:
        span = f"{len(p.targets)}: {p.targets[0]:.4g} to {p.targets[-1]:.4g}"
        rows.append((p.id, p.group, f"{p.budget:,}", str(p.repetitions), span))
    wide = [max(len(row[i]) for row in rows) for i in range(4)]
    lines.append("")
    for a, b, c, d, e in rows:
        lines.append(f"  {a:{wide[0]}}  {b:{wide[1]}}  {c:>{wide[2]}}  {d:>{wide[3]}}  {e}")
    runs = sum(p.repetitions for p in suite.problems)
    queries = sum(p.repetitions * p.budget for p in suite.problems)
    lines += ["", f"{len(suite.problems)} problems, {runs} runs and at most {queries:,} queries "
              "per estimator"]  # fmt: skip
    lines += [f"  {source}" for source in dict.fromkeys(p.how for p in suite.problems) if source]
    lines += ["", f"Try it:  zobench compare spsa random-search --suite {name}"]
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
