"""The declarative base of the notification service's tables."""

from typing import Any, cast

from sqlalchemy import DDL, event
from sqlalchemy import Table as DatabaseTable
from sqlalchemy.orm import DeclarativeBase

from orion_core.tables import TYPES, native_enum, service_metadata
from orion_notifications.kinds import Category, Channel, Priority

NEVER_DELETED = "SELECT, INSERT, UPDATE"
"""Grants of tables whose rows go only with their partition."""


class Table(DeclarativeBase):
    """Base of every model of this service."""

    metadata = service_metadata("notifications")
    # A type that several tables use is one object here, as it is one type in the database.
    type_annotation_map = TYPES | {labels: native_enum(labels) for labels in (Channel, Priority, Category)}


def table_of(model: type[Table]) -> DatabaseTable[Any]:
    """The table of a model, for statements that SQLAlchemy's typing would otherwise take for any selectable."""
    return cast("DatabaseTable[Any]", model.__table__)


def after_create(model: type[Table], *statements: str) -> None:
    """Have DDL that SQLAlchemy cannot express (functions, triggers) run once the table of `model` is there."""
    for statement in statements:
        event.listen(table_of(model), "after_create", DDL(statement.replace("%", "%%")))
