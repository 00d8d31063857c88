"""The declarative base of the notification service's tables."""

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
