"""What a condition may say, and whether it holds.

The language is the Common Expression Language (https://cel.dev), which has no loops and cannot reach outside of what it
is given. What may still take long in it is refused when a condition is written: lists are looked through one at a time
(`all`, `exists`, `exists_one`, never one inside another, no `map` and `filter`), little is added up, patterns are
written out and short, and what is looked at is bounded (`check_attributes`). So the dearest condition that can be
written takes a fraction of a second, and what is written in earnest microseconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any
from zoneinfo import ZoneInfo

import cel

from orion_core.conditions.grammar import InvalidConditionError, Source, Word
from orion_core.errors import Problem, invalid_field

VARIABLES = ("subject", "resource", "context", "time", "network")

LARGEST = 100
"""Entries of one list or object that a condition looks at."""
MOST = 1000
"""Entries of all of them together."""
LONGEST = 1000
"""Characters of one text."""


@dataclass(frozen=True)
class Facts:
    """What a condition looks at, under the names of VARIABLES."""

    time: datetime
    subject: Mapping[str, Any]
    resource: Mapping[str, Any]
    context: Mapping[str, Any]
    network: Mapping[str, Any]

    def of(self, names: Iterable[str]) -> dict[str, Any]:
        """Those of these names; only what is asked for is handed over, since handing over is what costs."""
        return {name: value if isinstance(value := getattr(self, name), datetime) else dict(value) for name in names}


@dataclass(frozen=True)
class Outcome:
    """What a condition came to. One that failed holds neither way: it allows nothing, and does not lift a denial."""

    holds: bool | None
    fault: str | None = None


@dataclass(frozen=True)
class Condition:
    """A condition that was checked; made by `compile_condition`."""

    text: str
    paths: tuple[str, ...]
    """What it looks at, such as `subject.level`."""
    variables: frozenset[str]
    program: cel.Program

    def decide(self, facts: Facts) -> Outcome:
        """Whether it holds under these facts. Never raises."""
        try:
            found = self.program.execute(cel.Context(variables=facts.of(self.variables), functions=FUNCTIONS))
        except KeyError as error:
            return Outcome(None, f"nothing is known of {error.args[0]}")
        except Exception as error:
            return Outcome(None, str(error)[:300])
        if isinstance(found, bool):
            return Outcome(found)
        if isinstance(found, str):
            return Outcome(None, found[:300])
        return Outcome(None, f"it gives {type(found).__name__}, neither true nor false")

    def values(self, facts: Facts) -> dict[str, Any]:
        """What it looks at, with the values that were found; what is not known is left out."""
        variables = facts.of(self.variables)
        found = {path: _look_up(variables, path.split(".")) for path in self.paths}
        return {path: value for path, value in found.items() if value is not None}


@lru_cache(maxsize=4096)
def compile_condition(text: str) -> Condition:
    """The condition that a text says; raises `InvalidConditionError`, which tells where the fault is."""
    source = Source.read(text)
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise InvalidConditionError.of_parser(str(error)) from None
    references = program.references()
    source.check(frozenset(references["functions"]), frozenset(references["variables"]), frozenset(VARIABLES))
    for pattern in source.patterns():
        _check_pattern(pattern)
    variables = frozenset(VARIABLES).intersection(references["variables"])
    return Condition(text, source.paths(VARIABLES), variables, program)


def refuse_invalid(text: str, field: str) -> None:
    """422, naming `field` (a JSON pointer) and the place in the text, unless the text is a condition."""
    try:
        compile_condition(text)
    except InvalidConditionError as error:
        raise problem(error, field) from None


def problem(error: InvalidConditionError, field: str) -> Problem:
    """What whoever sent the condition in `field` is told."""
    return invalid_field(field, error.code, f"Line {error.line}, column {error.column}: {error.detail}")


def check_attributes(value: Any) -> None:
    """Raise ValueError unless a condition can look through `value`, from a request, in bounded time."""
    waiting, entries = [value], 0
    while waiting:
        match waiting.pop():
            case str(text) if len(text) > LONGEST:
                raise ValueError(f"must have no text of more than {LONGEST} characters")
            case dict(items):  # pyright: ignore[reportUnknownVariableType]
                inner: list[Any] = [*items, *items.values()]  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            case list(items):  # pyright: ignore[reportUnknownVariableType]
                inner = items  # pyright: ignore[reportUnknownVariableType]
            case int(number) if not -(2**63) <= number < 2**63:
                raise ValueError("must have no integer of more than 64 bits")
            case _:
                continue
        entries += len(inner)
        if len(inner) > 2 * LARGEST or entries > 2 * MOST:
            raise ValueError(f"must have at most {LARGEST} entries in one list or object, {MOST} in all")
        waiting += inner


def _check_pattern(pattern: Word) -> None:
    try:
        cel.evaluate(f"''.matches({pattern.text})")
    except Exception:
        raise pattern.fault("invalid_condition", "This is no regular expression (RE2).") from None


def _look_up(value: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]  # pyright: ignore[reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _in_network(address: str, network: str) -> bool | str:
    try:
        return ip_address(address) in ip_network(network)
    except ValueError as error:
        return str(error)  # raised from here the library would log it; no text is true or false, so the condition fails


def _local(moment: datetime, zone: str) -> datetime | str:
    try:
        there = moment.astimezone(ZoneInfo(zone))
    except (ValueError, OSError, KeyError):
        return f"{zone} is no time zone"
    return moment.astimezone(timezone(there.utcoffset() or timedelta()))


FUNCTIONS = {"in_network": _in_network, "local": _local}
"""`in_network(network.address, "10.0.0.0/8")`; `local(time, "Europe/Berlin")`, for asking its hour and weekday."""
