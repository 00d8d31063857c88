"""The declarative base of the user service's tables, and what several of its slices say in the same words."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any, cast

from sqlalchemy import DDL, event
from sqlalchemy import Table as DatabaseTable
from sqlalchemy.orm import DeclarativeBase

from orion_core.tables import TYPES, service_metadata

IpAddress = IPv4Address | IPv6Address

EXTENSIONS = ("btree_gist", "pg_trgm")
"""Contributed modules that the tables need. They are trusted: a database's owner may create them."""


class Table(DeclarativeBase):
    """Base of every model of this service."""

    metadata = service_metadata("user")
    type_annotation_map = TYPES


for extension in EXTENSIONS:
    event.listen(Table.metadata, "before_create", DDL(f"CREATE EXTENSION IF NOT EXISTS {extension}"))


def table_of(model: type[Table]) -> DatabaseTable[Any]:
    """The table of a model, for statements that SQLAlchemy's typing would otherwise take for any selectable."""
    return cast("DatabaseTable[Any]", model.__table__)


def after_create(model: type[Table], *statements: str) -> None:
    """Have DDL that SQLAlchemy cannot express (functions, triggers) run once the table of `model` is there."""
    for statement in statements:
        event.listen(table_of(model), "after_create", DDL(statement.replace("%", "%%")))


def trigger(name: str, when: str, table: str, function: str) -> str:
    """A row trigger that calls `function`; `when` is for example `BEFORE UPDATE OR DELETE`."""
    return f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"


def object_check(column: str) -> str:
    """CHECK that a jsonb column holds an object, not a list or a bare value."""
    return f"jsonb_typeof({column}) = 'object'"


def digest_check(column: str) -> str:
    """CHECK that a column holds the 32 bytes of a SHA-256 digest, and so neither more nor the secret itself."""
    return f"octet_length({column}) = 32"


PHONE_CHECK = r"phone ~ '^\+[1-9][0-9]{1,14}$'"
"""E.164: at most fifteen digits after the plus sign."""

EMAIL_CHECK = "email = lower(email) AND email LIKE '%_@_%'"
"""Stored in lower case, so that comparing is plain equality."""
