"""Registries: names and their factories.

The parameters of a factory are the settings of its element.
"""

from __future__ import annotations

import ast
import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, Final, TypeVar

from zobench import user_file
from zobench.core import schedules
from zobench.errors import BadInput, Unsuitable, error_text, unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "a word"}
RATE = "lr"  # the setting that is a learning rate, in every method that has one
LONGEST = 200  # bytes of a name that may be that of a file; file systems take up to 255

# Examines a user's file in another process, so that it cannot end the command: (registry, path,
# name) -> entry. None: files are loaded here.
Look = Callable[["Registry", Path, str], "Entry"]
look_apart: Look | None = None

Factory = TypeVar("Factory", bound=Callable[..., Any])  # a function or a class
Span = tuple[float, float, str]  # (low, high, "log" or "linear"), which a tuner searches
__all__ = ["Entry", "estimator", "estimators", "objective", "objectives"]

Options = list[Any]  # values that a tuner chooses from
SearchSpace = Mapping[str, Span | Options]


@dataclass(frozen=True)
class Entry:
    """A registered element: its name, its factory, and facts for users, tuners and tests.

    Attributes:
        name: what users type.
        make: the factory; its parameters are the settings.
        version: rises if results before and after must not be compared.
        paper: where the method or the problem comes from.
        needs: a module that only the factory or a run imports; without it, runs are skipped.
        install: what to `pip install` if `needs` is missing; "": the same name.
        space: what `zobench tune` searches: setting -> (low, high, "log" or "linear"), or a list
            of choices.
        sanity: settings that solve the contract test.
        first_order: True for a method with gradients, which is shown and never ranked.
        in_worker: heavy modules that a worker imports once, before its runs.
        isolate: True for a fresh process per run, whose memory is measured.
        packages: more packages that results depend on, beside `needs` and the factory's imports.
        max_dim: the largest number of coordinates that an estimator takes; 0: any.

    Example:
        >>> entry = zobench.registry.estimators["mezo"]
        >>> entry.defaults["eps"]
        0.001
        >>> estimator = entry.build({"eps": "1e-4"})
    """

    name: str
    make: Callable[..., Any]
    _: KW_ONLY
    version: str = "1"
    paper: str = ""
    needs: str = ""
    install: str = ""
    space: SearchSpace = field(default_factory=dict)
    sanity: Mapping[str, Any] = field(default_factory=dict)
    first_order: bool = False
    in_worker: tuple[str, ...] = ()
    isolate: bool = False
    packages: tuple[str, ...] = ()
    max_dim: int = 0

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The settings with their default values."""
        return {p.name: p.default for p in inspect.signature(self.make).parameters.values()}

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The settings that may be schedules: those with the annotation `schedules.Value`."""
        parameters = inspect.signature(self.make).parameters.values()
        return tuple(p.name for p in parameters if p.annotation in (schedules.Value, "Value"))

    def is_log(self, key: str) -> bool:
        """Return True if a tuner searches the logarithm of a setting.

        Args:
            key: the name of the setting.

        Returns:
            True for a span on a log scale.
        """
        span = self.space.get(key)
        return isinstance(span, tuple) and span[2] == "log"

    def searched(self, key: str) -> str:
        """Return what a tuner searches for a setting, in words.

        Args:
            key: the name of the setting.

        Returns:
            Such as "1e-06 to 1, log". It is empty if a tuner does not search the setting.
        """
        span = self.space.get(key)
        if isinstance(span, tuple):
            decay = ", constant or cosine" if key == RATE and key in self.varying else ""
            return f"{span[0]:g} to {span[1]:g}, {span[2]}{decay}"
        return ", ".join(
            value if isinstance(value, str) else _example(value) for value in span or ()
        )

    @property
    def summary(self) -> str:
        """The first line of the factory's docstring."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]

    def check_size(self, dimension: int) -> None:
        """Check that the estimator takes points with this number of coordinates.

        Args:
            dimension: the number of coordinates.

        Raises:
            Unsuitable: the estimator takes fewer coordinates than that.
        """
        if self.max_dim and dimension > self.max_dim:
            raise Unsuitable(
                f"takes at most {self.max_dim:,} coordinates (max_dim), not {dimension:,}"
            )

    def build(self, settings: Mapping[str, Any]) -> Any:
        """Check settings, and make the element with them.

        Args:
            settings: by name; text is converted to the type of the default. The others have their
                defaults.

        Returns:
            What the factory returns: an estimator, or a problem.

        Raises:
            BadInput: a setting is wrong; the message begins with the entry's name.
        """
        return self.build_checked(check_settings(self, settings))

    def build_checked(self, settings: Mapping[str, Any]) -> Any:
        """Make the element with settings that are checked already.

        Args:
            settings: as `check_settings` returned them.

        Returns:
            What the factory returns: an estimator, or a problem.

        Raises:
            BadInput: the factory refuses them; the message begins with the entry's name.
        """
        texts = {key for key in self.varying if isinstance(settings.get(key), str)}
        try:
            return self.make(
                **dict(settings) | {key: schedules.parse(settings[key]) for key in texts}
            )
        except BadInput as error:
            if str(error).startswith(self.name):
                raise
            raise BadInput(f"{self.name}: {error}") from error


class Registry:
    """The elements that the modules of a package register: `estimators` or `objectives`.

    Other packages add their own through entry points of the group `zobench.estimators` or
    `zobench.objectives`: each names a module, whose import registers, as in the plugin's
    pyproject.toml:

        [project.entry-points."zobench.estimators"]
        my-method = "my_package.my_method"

    From then on `zobench list` shows `my-method`, and all commands take it by its name. A plugin
    may not take a name that zobench registers; a file of a user's own may, as its names are
    reached as `path/to/file.py:name`. A plugin that cannot be imported is named in a warning.

    Example:
        >>> zobench.registry.estimators["mezo"].name
        'mezo'
        >>> "mezo" in list(zobench.registry.estimators)
        True
    """

    def __init__(self, kind: str, package: str) -> None:
        """`kind`: "estimator" or "objective"; `package`: where its elements are defined."""
        self.kind: str = kind
        self.package: str = package
        self._entries: dict[str, Entry] = {}
        self._files: dict[str, dict[str, Entry]] = {}
        self._of_files: dict[tuple[str, str, str], Entry] = {}  # of files: stem, name, version
        self._is_loaded = False

    def register(
        self,
        name: str,
        *,
        version: str = "1",
        paper: str = "",
        needs: str = "",
        install: str = "",
        space: SearchSpace | None = None,
        sanity: Mapping[str, Any] | None = None,
        first_order: bool = False,
        in_worker: tuple[str, ...] = (),
        isolate: bool = False,
        packages: tuple[str, ...] = (),
        max_dim: int = 0,
    ) -> Callable[[Factory], Factory]:
        """Decorate a factory, whose parameters are the settings, each with a default.

        Args:
            name: what users type.
            version: rises if results before and after must not be compared.
            paper: where the method or the problem comes from.
            needs: a module that only the factory or a run imports; without it, runs are skipped.
            install: what to `pip install` if `needs` is missing; default: `needs`.
            space: what `zobench tune` searches: setting -> (low, high, "log" or "linear"), or a
                list of choices. An `lr` that may be a schedule is searched as one, too.
            sanity: settings that solve the contract test.
            first_order: True for a method with gradients, which is shown for comparison and never
                ranked.
            in_worker: heavy modules that a worker imports once, before its runs.
            isolate: True to make each run in a fresh process, whose memory is measured.
            packages: more packages that results depend on, beside `needs` and what the factory's
                file imports.
            max_dim: the largest number of coordinates that an estimator takes: runs on larger
                points are skipped, and `zobench check` takes smaller ones. 0: any.

        Returns:
            The decorator, which returns the factory as it is.

        Raises:
            ValueError: the name is taken.
            TypeError: a setting has no default.

        Example:
            >>> import numpy as np
            >>> import zobench
            >>> @zobench.objective("bowl")
            ... def bowl(dim: int = 2):
            ...     '''f(x) = sum of x^2, from a vector of ones.'''
            ...     return zobench.VectorProblem(
            ...         lambda x: (x**2).sum(axis=1), lambda rng: np.ones(dim)
            ...     )
            >>> problem = zobench.problem("bowl", dim=3)
            >>> problem.start(seed=0).size, problem.score()["gap"]
            (3, 3.0)
        """

        def decorate(make: Factory) -> Factory:
            entry = Entry(
                name, make, version=version, paper=paper, needs=needs, install=install,
                space=space or {}, sanity=sanity or {}, first_order=first_order,
                in_worker=in_worker, isolate=isolate, packages=packages, max_dim=max_dim,
            )  # fmt: skip
            if inspect.Parameter.empty in entry.defaults.values():
                raise TypeError(f"{self.kind} {name!r}: every setting needs a default")
            home = self._entries
            if user_file.is_users(make.__module__):  # names of a user's file are its own
                home = self._files.setdefault(make.__module__, {})
            if name in home:
                raise ValueError(f"two {self.kind}s are named {name!r}")
            home[name] = entry
            return make

        return decorate

    def load(self) -> dict[str, Entry]:
        """Import all modules that register elements, also those of plugins.

        Returns:
            Name -> entry, in the order of names.
        """
        if not self._is_loaded:
            self._is_loaded = True
            package = import_module(self.package)
            for module in walk_packages(package.__path__, self.package + "."):
                if not module.name.rpartition(".")[2].startswith("_"):
                    import_module(module.name)
            for point in self._plugins():
                self._load_plugin(point)
        return dict(sorted(self._entries.items()))

    def _plugins(self) -> Iterable[EntryPoint]:
        """Return the modules that other packages announce, such as in "zobench.estimators"."""
        from importlib.metadata import entry_points  # with much else: 10 ms

        return entry_points(group=self.package)

    def summaries(self) -> dict[str, str]:
        """Return the names of all entries, each with the first line of its docstring.

        The sources are read instead of imported, as importing all takes a third of a second. With
        plugins, all are loaded.
        """
        if self._is_loaded or any(True for _ in self._plugins()):
            return {name: entry.summary for name, entry in self.load().items()}
        summaries: dict[str, str] = {}
        for folder in map(Path, import_module(self.package).__path__):
            for path in folder.rglob("*.py"):
                text = path.read_text(encoding="utf-8")
                if not path.stem.startswith("_") and ".register(" in text:
                    summaries.update(_registered(text))
        return dict(sorted(summaries.items()))

    def _load_plugin(self, point: EntryPoint) -> None:
        """Import a plugin; one that fails gives a warning, and the others still load."""
        try:
            point.load()
        except Exception as error:
            owner = point.dist.name if point.dist else point.value
            warnings.warn(
                f"the {self.kind} {point.name!r} of the package {owner} cannot be loaded: "
                f"{type(error).__name__}: {error_text(error)}; mend or uninstall {owner}",
                RuntimeWarning,
                stacklevel=2,
            )

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names, in order."""
        return iter(self.load())

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of a registered name, or of `path/to/file.py:name`.

        Raises:
            BadInput: there is no such element; the error names a similar one.
        """
        if not isinstance(name, str):
            raise BadInput(f"the name of an {self.kind} is a word, not {name!r}")
        if path := user_file.file_of(name):
            look, inner = look_apart or Registry.from_file, name.rpartition(":")[2]
            entry = look(self, Path(path), inner)
            self._of_files[Path(path).stem, inner, entry.version] = entry
            return entry
        if name not in self._entries:
            self._load_near(name)
        entries = self._entries if name in self._entries else self.load()
        if name not in entries:
            raise unknown(self.kind, name, entries)
        return entries[name]

    def of_module(self, module: str) -> list[Entry]:
        """Return what a user's file registers, by the name of its module."""
        return list(self._files.get(module, {}).values())

    def _load_near(self, name: str) -> None:
        """Load the file or the folder of this name alone, where most elements are defined."""
        stem = name.replace("-", "_")
        if not stem.isidentifier() or len(os.fsencode(stem)) > LONGEST:
            return
        for folder in map(Path, import_module(self.package).__path__):
            for path in sorted((*folder.rglob(f"{stem}.py"), *folder.rglob(f"{stem}/*.py"))):
                if not path.stem.startswith("_"):
                    inner = path.relative_to(folder).with_suffix("").parts
                    import_module(".".join((self.package, *inner)))

    def is_file(self, name: str) -> bool:
        """Return True if the name stands for an element of a file, `path/to/file.py:name`."""
        return bool(user_file.file_of(name))

    def loaded_entry(self, name: str, version: str) -> Entry | None:
        """Return an entry of a user's file that was used before, wherever the file lies now.

        Unlike a look-up, this executes no file, so it is safe for a name that was read from data.
        """
        path, _, inner = name.rpartition(":")
        return self._of_files.get((Path(path).stem, inner, version))

    def from_file(self, path: Path, name: str) -> Entry:
        """Load a user's file here and return an entry of it, whose version is the file's hash.

        Raises:
            BadInput: the file cannot be loaded, or has no such element.
        """
        self.load()
        module, content = user_file.load(path, f"{self.kind} {name!r}")
        version = content[:12]
        own = self._files.get(module.__name__, {})
        if name in own:
            return replace(own[name], version=version)
        make = getattr(module, name, None)
        if not callable(make):
            has = f"it has: {', '.join(own)}" if own else f"it registers no {self.kind}"
            raise BadInput(f"{path} has no {self.kind} {name!r}; {has}")
        return Entry(name, make, version=version)


def _registered(source: str) -> Iterator[tuple[str, str]]:
    """Yield (name, first line of the docstring) of each factory that a source registers."""
    nodes = ast.parse(source).body
    for factory in (node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)):
        for call in factory.decorator_list:
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "register":
                name = ast.literal_eval(call.args[0])
                yield name, (ast.get_docstring(factory) or "").partition("\n")[0]


def check_settings(entry: Entry, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert settings to the types of the defaults; a schedule stays text.

    Raises:
        BadInput: a setting does not exist, has a wrong type, or is a number that is not above 0
            although its span is logarithmic. Counts have limits of their own. A learning rate may
            be 0: the point does not move.
    """
    defaults, checked = entry.defaults, {}
    for key, value in settings.items():
        if key not in defaults:
            raise BadInput(f"{entry.name}: {unknown('setting', key, defaults)}")
        title = f"{entry.name}: setting {key!r}"
        if key in entry.varying and isinstance(value, str) and "(" in value:
            checked[key] = value = " ".join(value.split())
            try:
                value = schedules.start_of(schedules.parse(value))
            except BadInput as error:
                raise BadInput(f"{title}: {error}") from error
        else:
            checked[key] = value = _as_type_of(defaults[key], value, title)
        if entry.is_log(key) and not isinstance(defaults[key], int):
            may_be_0 = key == "lr" or defaults[key] == 0
            if not (value > 0 or (may_be_0 and value == 0)):
                bound = "0 or above" if may_be_0 else "above 0"
                raise BadInput(f"{title} must be {bound}, not {value!r}")
    return checked


def _as_type_of(default: Any, value: Any, title: str) -> Any:
    kind = type(default)
    is_right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{title} takes a finite number, not {value!r}")
    if default is None or is_right:
        return value
    try:
        if kind is bool and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if kind is float and not isinstance(value, bool) and math.isfinite(float(value)):
            return float(value)
        if kind is int and not isinstance(value, bool) and float(value).is_integer():
            return int(float(value))
        if kind is tuple and isinstance(value, list):
            return tuple(value)
    except (TypeError, ValueError, OverflowError):
        pass
    example = "" if kind is bool else f" such as {_example(default)}"
    expected = _KINDS.get(kind, kind.__name__) + example
    raise BadInput(f"{title} takes {expected}, not {_example(value)}")


def _example(value: Any) -> str:
    """Return a value as in a suite file, with its kind if that is not visible."""
    if isinstance(value, bool):
        return str(value).lower()
    kind = {list: "the list ", dict: "the table "}.get(type(value), "")
    return f"{kind}{value!r}"


estimators: Registry = Registry("estimator", "zobench.estimators")
objectives: Registry = Registry("objective", "zobench.objectives")
estimator: Final = estimators.register  # as users import it
objective: Final = objectives.register
