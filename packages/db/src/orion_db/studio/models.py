"""A class for each table of a service, mapped for the browser alone, without what nobody should see."""

from dataclasses import dataclass

from sqlalchemy import Column, Label, LargeBinary, String, Table, case, cast, literal
from sqlalchemy.orm import column_property, registry

from orion_core.service import Service
from orion_core.tables import ALL_ROWS
from orion_db.documents.models import Models, item_type

MASK = "••••••"
"""What is shown of a secret that is set. The secret itself is never read from the database."""

_SECRET_WORDS = ("hash", "secret", "password", "private")
_NO_SECRETS = ("password_changed_at",)


@dataclass(frozen=True)
class Shown:
    """A table as the browser shows it."""

    model: type[object]
    table: Table
    fields: tuple[str, ...]
    masked: frozenset[str]
    declared: bool

    @property
    def may(self) -> frozenset[str]:
        """What the service itself may do with the rows (INSERT, UPDATE, DELETE): the browser does no more.

        The tables of the house (outbox, inbox, …) are no one's to change: the services count on what stands there.
        """
        if not self.declared:
            return frozenset()
        grants = str(self.table.info.get("grants", ALL_ROWS))
        needed = {name for name in self.masked if _is_required(self.table.columns[name])}
        return frozenset(grants.replace(" ", "").split(",")) - ({"INSERT"} if needed else set())


def shown_tables(service: Service) -> list[Shown]:
    """Every table of the service; but for those whose key is a secret, which therefore have no address."""
    models = Models(service.metadata)
    mapping = registry(metadata=service.metadata)
    found: list[Shown] = []
    for table in models.tables:
        masked = frozenset(column.name for column in table.columns if is_secret(column))
        if not masked.isdisjoint(column.name for column in table.primary_key.columns):
            continue
        model = type(models.name(table), (), {"__doc__": models.meaning(table)})
        mapping.map_imperatively(
            model,
            table,
            exclude_properties=masked,
            properties={name: column_property(_mask(table.columns[name])) for name in sorted(masked)},
        )
        found.append(
            Shown(model, table, tuple(column.name for column in table.columns), masked, models.is_declared(table))
        )
    return found


def is_secret(column: Column[object]) -> bool:
    """Whether the column holds a secret or what one is compared with: sealed, binary, or so named."""
    if column.name in _NO_SECRETS:
        return False
    kind = item_type(column)
    return isinstance(kind, LargeBinary) or (
        isinstance(kind, String) and any(word in column.name.split("_") for word in _SECRET_WORDS)
    )


def _mask(column: Column[object]) -> Label[str | None]:
    return case((column.is_(None), None), else_=cast(literal(MASK), String)).label(column.name)


def _is_required(column: Column[object]) -> bool:
    return not column.nullable and column.server_default is None
