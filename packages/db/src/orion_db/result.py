"""What every command of `orion db` gives back for a service: facts, in words and as JSON."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TypeGuard

from orion_db.errors import Exit, Problem


@dataclass(frozen=True)
class Result(ABC):
    """What was done to, or found in, one service's database. The same facts are told to people and to programs."""

    service: str

    @property
    def exit_code(self) -> Exit:
        """What the command ends with if no other service's result is worse."""
        return Exit.OK

    @abstractmethod
    def in_words(self) -> list[str]:
        """Lines for a person, without the service's name before them; at least one."""

    def as_json(self) -> dict[str, Any]:
        """The fields as plain values, and the exit code."""
        return {**_plain(asdict(self)), "exit_code": int(self.exit_code)}


@dataclass(frozen=True)
class Unanswered(Result):
    """What stands in the place of a service's result when there is none, so that the other services' are still told."""

    code: str
    what: str
    why: str
    todo: str
    ends_with: Exit

    @classmethod
    def of(cls, service: str, problem: Problem) -> "Unanswered":
        return cls(service, problem.code, problem.what, problem.why, problem.todo, problem.exit_code)

    @property
    def exit_code(self) -> Exit:
        return self.ends_with

    def in_words(self) -> list[str]:
        lines = (("Error", self.what), ("Why", self.why), ("Do", self.todo))
        return [f"{label}: {words}" for label, words in lines if words]


def shown(file: Path) -> Path:
    """The path from here, where it is below."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _plain(value: object) -> Any:
    if _is_dict(value):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if _is_sequence(value):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Enum):
        return value.value
    assert not is_dataclass(value)
    return value


def _is_dict(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)


def _is_sequence(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    return isinstance(value, list | tuple)
