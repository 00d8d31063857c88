"""What a repair is made of: statements that lead there, and what is left for a person to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from orion_db.catalog import Catalog, Key
from orion_db.catalog.read import Facts


@dataclass(frozen=True)
class Statement:
    """One statement of SQL, without a semicolon at its end."""

    sql: str
    destroys: str = ""
    """What is lost by it and cannot be brought back by the opposite statement; "" when nothing is."""
    alone: Literal["", "committed", "outside"] = ""
    """Whether it must be committed before what follows, or may not run in a transaction at all."""
    note: str = ""
    """What whoever runs it should know."""
    lost: str = ""
    """A query that gives a row while there is something to lose; "" when it can be made again, or nothing is lost."""


@dataclass(frozen=True)
class ByHand:
    """A difference that no statement of ours takes away."""

    kind: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.reason}"


@dataclass(frozen=True)
class Repair:
    """All that leads from one catalog to another."""

    statements: tuple[Statement, ...]
    by_hand: tuple[ByHand, ...]

    @property
    def destroys(self) -> tuple[str, ...]:
        return tuple(statement.destroys for statement in self.statements if statement.destroys)


@dataclass(frozen=True)
class Sides:
    """Both catalogs, and how statements are to be written."""

    current: Catalog
    wanted: Catalog
    runner: str = ""
    """The role that runs the statements, and so owns what it makes; "" when that is not known."""
    database: str = ""
    """The database's name as SQL; "" when the statements are for databases of any name, as in a migration."""
    concurrently: bool = False

    @cached_property
    def columns(self) -> dict[str, list[tuple[Key, Facts]]]:
        """The wanted columns of each table, in their order: looked for once, as there may be many tables."""
        found: dict[str, list[tuple[Key, Facts]]] = {}
        for key, facts in self.wanted.items():
            if key[0] == "column":
                found.setdefault(facts["table"], []).append((key, facts))
        return {table: sorted(columns, key=lambda column: column[1]["number"]) for table, columns in found.items()}


Written = Iterator[Statement | ByHand]


def literal(value: str) -> str:
    """The text as an SQL literal, whatever standard_conforming_strings says."""
    quoted = "'" + value.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


def changed(old: Facts | None, new: Facts | None, *facts: str) -> bool:
    """Whether one of the facts differs."""
    return any((old or {}).get(fact) != (new or {}).get(fact) for fact in facts)
