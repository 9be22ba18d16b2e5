"""Environments of gymnasium, from a registered id or from a user's own class or function."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zobench.errors import BadInput, MissingPackage, unknown

if TYPE_CHECKING:
    import gymnasium


@dataclass(frozen=True)
class EnvironmentSource:
    """A function that makes an environment, and its facts."""

    name: str
    make: Callable[..., gymnasium.Env]  # takes render_mode=... for films
    limit: int = 0  # steps after which its own definition ends an episode; 0: no limit
    threshold: float | None = None  # the mean return at which it counts as solved


def registered(name: str, options: Mapping[str, Any]) -> EnvironmentSource:
    """Return the source for a gymnasium id, or for `module:id` if importing `module` registers it.

    The environments have no wrappers of gymnasium for checks or the time limit: the caller counts
    the steps. Raises BadInput for an unknown id, MissingPackage if a package is missing.
    """
    if not isinstance(options, Mapping):
        raise BadInput(f"options are a table of the environment's arguments, not {options!r}")
    if find_spec("gymnasium") is None:
        return EnvironmentSource(
            name, _refuse_without_gymnasium
        )  # raises when a run makes the environment
    import gymnasium

    module, _, bare = name.rpartition(":")
    try:
        if module:
            import_module(module)
        spec = copy.deepcopy(gymnasium.spec(bare))
    except ModuleNotFoundError as error:
        raise BadInput(f"env {name!r}: {error}") from error
    except gymnasium.error.Error as error:
        kind = "environment (env; module:id imports a module that registers one)"
        raise unknown(kind, bare, gymnasium.registry) from error
    limit, spec.max_episode_steps, spec.order_enforce = spec.max_episode_steps or 0, None, False

    def make(**more: Any) -> gymnasium.Env:
        _quiet(str(spec.entry_point))
        try:
            return gymnasium.make(spec, disable_env_checker=True, **options, **more)
        except (gymnasium.error.DependencyNotInstalled, ModuleNotFoundError) as error:
            family = str(spec.entry_point).partition("gymnasium.envs.")[2].partition(".")[0]
            extra = f"'gymnasium[{family or 'all'}]'"
            raise MissingPackage(getattr(error, "name", "") or family or name, extra) from error
        except TypeError as error:
            if not options:
                raise
            raise BadInput(f"options do not fit {name}: {error}") from error

    return EnvironmentSource(name, make, limit, spec.reward_threshold)


def describe(source: EnvironmentSource, env: gymnasium.Env) -> dict[str, Any]:
    """Describe an environment: its name and threshold, and the modules that define it.

    The modules are top-level names: those of its classes, and those that their files import. Only
    these imports show which simulator an id needs.
    """
    homes = {kind.__module__ for kind in type(env.unwrapped).__mro__}
    names = set(homes)
    for home in homes & sys.modules.keys():
        if home.partition(".")[0] not in sys.stdlib_module_names:
            values = list(vars(sys.modules[home]).values())
            names |= {v.__name__ for v in values if isinstance(v, ModuleType)}
            names |= {str(getattr(v, "__module__", "")) for v in values if isinstance(v, type)}
    tops = {name.partition(".")[0] for name in names}
    modules = sorted(tops - {"", "zobench", *sys.stdlib_module_names})
    return {"environment": source.name, "reward_threshold": source.threshold, "modules": modules}


def made_by(make: Callable[..., Any]) -> EnvironmentSource:
    """Return the source for a user's own class or function. Raises BadInput for anything else."""
    if hasattr(make, "step") and not isinstance(make, type):
        raise BadInput(
            f"env is a class or a function that makes an environment, not an environment: give "
            f"{type(make).__name__}, or a function that returns a new one"
        )
    if not callable(make):
        raise BadInput(
            f"env is an id of gymnasium, or a class or a function that makes an environment, "
            f"not {make!r}"
        )
    name = getattr(make, "__name__", "environment")
    try:
        parameters = [p.name for p in signature(make).parameters.values() if _is_required(p)]
    except (TypeError, ValueError):  # some compiled classes have no signature
        parameters = []
    if parameters:
        raise BadInput(
            f"env is called without arguments, but {name} needs {', '.join(parameters)}: give "
            f"functools.partial({name}, ...), or a function that takes none"
        )
    return EnvironmentSource(name, make)


def _is_required(parameter: Parameter) -> bool:
    """True if a call must give the parameter."""
    several = parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return parameter.default is Parameter.empty and not several


def _quiet(entry_point: str) -> None:
    """Keep MuJoCo from writing its warnings to a file in the working folder.

    Those that matter report NaN values, which also appear in rewards and observations.
    """
    if "mujoco" in entry_point and find_spec("mujoco") is not None:
        mujoco = import_module("mujoco")
        if mujoco.get_mju_user_warning() is None:
            mujoco.set_mju_user_warning(lambda text: None)


def _refuse_without_gymnasium(**more: Any) -> Any:
    raise MissingPackage("gymnasium", "gymnasium")


def open_environment(source: EnvironmentSource, **more: Any) -> gymnasium.Env:
    """Make an environment. Raises BadInput unless its actions are Box or Discrete."""
    import gymnasium

    env = source.make(**more)
    if isinstance(env, type):
        raise BadInput(f"{source.name} made the class {env.__name__}, not an environment of it")
    for name in ("reset", "step", "action_space", "observation_space"):
        if not hasattr(env, name):
            raise BadInput(f"{source.name} is not a gymnasium environment: it has no {name!r}")
    space = env.action_space
    if not isinstance(space, (gymnasium.spaces.Box, gymnasium.spaces.Discrete)):
        raise BadInput(f"{source.name} has actions of {space}; a policy gives Box or Discrete")
    return env


def flattener(name: str, space: Any) -> tuple[int, Callable[[Any], Any] | None]:
    """Return (the numbers per observation, the function that makes a vector of an observation).

    The function is None for boxes of one axis, whose observations are vectors. Discrete
    observations become one-hot vectors. Raises BadInput for a space whose observations have no
    fixed number of numbers.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return space.shape[0], None
    if not isinstance(space, spaces.Space):
        raise BadInput(
            f"{name} has the observation_space {space!r}, which is not a gymnasium space"
        )
    if not space.is_np_flattenable:
        raise BadInput(
            f"{name} has observations of {space}, which have no fixed number of entries: give an "
            "observation_space of Box, Discrete, MultiBinary or MultiDiscrete, or a Dict or Tuple "
            "of these"
        )
    return spaces.flatdim(space), partial(spaces.flatten, space)
