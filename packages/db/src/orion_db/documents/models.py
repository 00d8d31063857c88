"""The models of a service, as documents name them: a table's class, a column's field, an enum's type."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from sqlalchemy import ARRAY, Column, Enum, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine


@dataclass(frozen=True)
class Models:
    """Tables of one service, with the names of the classes that declare them."""

    metadata: MetaData

    @property
    def tables(self) -> list[Table]:
        return sorted(self.metadata.tables.values(), key=lambda table: table.name)

    @cached_property
    def enums(self) -> dict[str, Enum]:
        """Enum types by name."""
        columns = (column for table in self.tables for column in table.columns)
        found = (enum for column in columns if (enum := enum_of(column)))
        return {str(enum.name): enum for enum in sorted(found, key=lambda enum: str(enum.name))}

    def name(self, table: Table) -> str:
        """The class's name; tables without one (those of the house) are named after their singular."""
        declared = self._classes.get(table.name)
        return declared.__name__ if declared else pascal_case(_singular(table.name))

    def is_declared(self, table: Table) -> bool:
        """Whether a class of the service declares it; the tables of the house have none."""
        return table.name in self._classes

    def meaning(self, table: Table) -> str:
        """What the table is for: its class's docstring up to the first empty line, or its comment."""
        declared = self._classes.get(table.name)
        words = (inspect.getdoc(declared) or "") if declared and declared.__doc__ else ""
        return " ".join((words.partition("\n\n")[0] or table.comment or "").split())

    def enum_name(self, enum: Enum) -> str:
        name = pascal_case(str(enum.name))
        return f"{name}Enum" if name in {self.name(table) for table in self.tables} else name

    @cached_property
    def _classes(self) -> dict[str, type[object]]:
        bases = (base for base in _subclasses(DeclarativeBase) if base.__dict__.get("metadata") is self.metadata)
        mappers = (mapper for base in bases for mapper in base.registry.mappers)
        return {str(getattr(mapper.local_table, "name", "")): mapper.class_ for mapper in mappers}


def enum_of(column: Column[object]) -> Enum | None:
    """The column's enum type, also when the column is an array of it."""
    kind = item_type(column)
    return kind if isinstance(kind, Enum) and kind.name else None


def item_type(column: Column[object]) -> TypeEngine[object]:
    """The column's type; of an array, that of its items."""
    if isinstance(column.type, ARRAY):
        return cast("TypeEngine[object]", column.type.item_type)
    return column.type


def foreign_keys(table: Table) -> list[ForeignKeyConstraint]:
    """The table's foreign keys in the order of their names."""
    return sorted(table.foreign_key_constraints, key=lambda key: str(key.name))


def partition_key(table: Table) -> str:
    """`RANGE (id)`, or nothing."""
    return str(table.dialect_options["postgresql"]["partition_by"] or "")


def pascal_case(name: str) -> str:
    """`login_attempts` becomes `LoginAttempts`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def camel_case(name: str) -> str:
    """`user_id` becomes `userId`."""
    words = pascal_case(name)
    return words[:1].lower() + words[1:]


def _singular(name: str) -> str:
    return name.removesuffix("s") if name.endswith("s") and not name.endswith("ss") else name


def _subclasses(of: type[DeclarativeBase]) -> Iterator[type[DeclarativeBase]]:
    for subclass in of.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
