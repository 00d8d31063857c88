"""The declarative base of the user service's tables, and what several of its slices say in the same words."""

from sqlalchemy import DDL, event
from sqlalchemy.orm import DeclarativeBase

from orion_core.tables import TYPES, service_metadata

EXTENSIONS = ("btree_gist", "pg_trgm")
"""Contributed modules that the tables need. They are trusted: a database's owner may create them."""


class Table(DeclarativeBase):
    """Base of every model of this service."""

    metadata = service_metadata("user")
    type_annotation_map = TYPES


for extension in EXTENSIONS:
    event.listen(Table.metadata, "before_create", DDL(f"CREATE EXTENSION IF NOT EXISTS {extension}"))


def trigger(name: str, when: str, table: str, function: str) -> str:
    """A row trigger that calls `function`; `when` is for example `BEFORE UPDATE OR DELETE`."""
    return f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"


def object_check(column: str) -> str:
    """CHECK that a jsonb column holds an object, not a list or a bare value."""
    return f"jsonb_typeof({column}) = 'object'"


PHONE_CHECK = r"phone ~ '^\+[1-9][0-9]{1,14}$'"
"""E.164: at most fifteen digits after the plus sign."""

EMAIL_CHECK = "email = lower(email) AND email LIKE '%_@_%'"
"""Stored in lower case, so that comparing is plain equality."""


def look(column: str) -> str:
    """What a name of lower-case letters, digits, hyphens and underscores looks like (UTS 39, and i as l)."""
    return f"(translate(replace({column}::text, 'rn', 'm'), '01i', 'oll'))"


LOOK = look("name")
