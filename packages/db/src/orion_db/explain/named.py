"""The statements of a service by name: `identities.find_by_email` is that function of the slice's `store.py`.

Nothing is registered anywhere. The function is called as the service calls it, and what it sends is taken from the
connection, compiled as in production. So what is explained is what runs.
"""

import inspect
import json
import pkgutil
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from importlib import import_module
from typing import Any, Union, get_args, get_origin
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.service import Service
from orion_db.errors import Exit, Problem

Query = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Argument:
    """What a named statement takes."""

    name: str
    type: str
    is_required: bool


@dataclass(frozen=True)
class NamedStatement:
    """A function of a `store.py` that sends statements."""

    name: str
    meaning: str
    arguments: tuple[Argument, ...]
    not_explainable: str | None
    """Why it cannot be called from a command line; None when it can."""


@dataclass(frozen=True)
class Call:
    """A named statement with its arguments."""

    function: Query
    arguments: dict[str, Any]
    made_up: tuple[str, ...]
    """Arguments that nobody gave: values of the right type stand for them, so only the generic plan means something."""


def named_statements(service: Service) -> list[NamedStatement]:
    """All of the service's, by name."""
    return [_described(name, function) for name, function in sorted(_functions(service).items())]


def names_of(service: Service) -> set[str]:
    """The names of them."""
    return set(_functions(service))


def prepare_call(service: Service, name: str, values: Mapping[str, str | None]) -> Call:
    """The call of the named statement. Raises Problem `unknown_statement`, `not_explainable`, `wrong_argument`."""
    function = _functions(service).get(name)
    if function is None:
        raise Problem(
            "unknown_statement",
            Exit.USAGE,
            f"{service.name} has no statement called {name!r}.",
            "Statements are called SLICE.FUNCTION, as they stand in the slice's store.py.",
            f"See `orion db explain {service.name} --list`.",
        )
    described = _described(name, function)
    if described.not_explainable:
        raise Problem(
            "not_explainable",
            Exit.REFUSED,
            f"{name} cannot be called from a command line.",
            described.not_explainable,
            "Copy its SQL out of the store and explain that.",
        )
    unknown = values.keys() - {argument.name for argument in described.arguments}
    if unknown:
        known = ", ".join(f"{argument.name} ({argument.type})" for argument in described.arguments)
        raise Problem("wrong_argument", Exit.USAGE, f"{name} takes no {min(unknown)!r}.", f"It takes: {known}.")
    return _call(function, values)


def _functions(service: Service) -> dict[str, Query]:
    root = import_module(service.application.partition(":")[0].partition(".")[0])
    found: dict[str, Query] = {}
    for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
        if not module.name.endswith(".store"):
            continue
        store = import_module(module.name)
        folder = module.name.removeprefix(f"{root.__name__}.").removesuffix(".store")
        for name, function in vars(store).items():
            own = inspect.iscoroutinefunction(function) and function.__module__ == module.name
            if own and not name.startswith("_") and AsyncConnection in _types(function).values():
                found[f"{folder}.{name}"] = function
    return found


def _types(function: Query) -> dict[str, Any]:
    types_of = typing.get_type_hints(function)
    types_of.pop("return", None)
    return types_of


def _described(name: str, function: Query) -> NamedStatement:
    parameters = inspect.signature(function).parameters
    arguments = tuple(
        Argument(parameter, _shown(wanted), parameters[parameter].default is inspect.Parameter.empty)
        for parameter, wanted in _types(function).items()
        if wanted is not AsyncConnection and parameters[parameter].kind is not inspect.Parameter.VAR_KEYWORD
    )
    odd = [parameter for parameter, wanted in _types(function).items() if not _is_simple(wanted)]
    odd += [entry.name for entry in parameters.values() if entry.kind is inspect.Parameter.VAR_KEYWORD]
    why = f"Its argument {odd[0]!r} is no plain value." if odd else None
    return NamedStatement(name, inspect.getdoc(function) or "", arguments, why)


def _call(function: Query, values: Mapping[str, str | None]) -> Call:
    arguments: dict[str, Any] = {}
    made_up: list[str] = []
    parameters = inspect.signature(function).parameters
    for name, wanted in _types(function).items():
        if wanted is AsyncConnection:
            continue
        if name in values:
            arguments[name] = _converted(name, wanted, values[name])
        elif _plain(wanted) is datetime and parameters[name].default is inspect.Parameter.empty:
            arguments[name] = datetime.now(UTC)  # nearly always the present moment
        elif parameters[name].default is inspect.Parameter.empty:
            arguments[name] = _stand_in(wanted)
            made_up.append(name)
    return Call(function, arguments, tuple(made_up))


def _options(wanted: Any) -> tuple[Any, ...]:
    """`X | None` as its members."""
    return get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)


def _plain(wanted: Any) -> Any:
    """The one type that is not None."""
    options: list[Any] = [option for option in _options(wanted) if option is not types.NoneType]
    return options[0] if len(options) == 1 else wanted


def _is_simple(wanted: Any) -> bool:
    plain = _plain(wanted)
    return plain is AsyncConnection or (
        isinstance(plain, type) and issubclass(plain, str | int | float | bytes | UUID | datetime | Enum)
    )


def _shown(wanted: Any) -> str:
    plain = _plain(wanted)
    if inspect.isclass(plain) and issubclass(plain, Enum):
        return " | ".join(member.name for member in plain)
    name = str(getattr(wanted, "__name__", plain) if plain is wanted else plain.__name__)
    return f"{name} or null" if types.NoneType in _options(wanted) else name


def _converted(name: str, wanted: Any, value: str | None) -> Any:
    plain = _plain(wanted)
    if value is None:
        return None
    try:
        if issubclass(plain, bool):
            return json.loads(value.lower())
        if issubclass(plain, Enum):
            return plain[value]
        if issubclass(plain, bytes):
            return bytes.fromhex(value)
        if issubclass(plain, datetime):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return plain(value)
    except (KeyError, ValueError):
        raise Problem(
            "wrong_argument", Exit.USAGE, f"{value!r} is no value for {name}.", f"It takes {_shown(wanted)}."
        ) from None


def _stand_in(wanted: Any) -> Any:
    plain = _plain(wanted)
    if issubclass(plain, Enum):
        return next(iter(plain))
    if issubclass(plain, UUID):
        return UUID(int=0)
    if issubclass(plain, bytes):
        return bytes(32)
    return plain()
