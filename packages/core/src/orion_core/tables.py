"""The ground on which every table stands: names, types, common columns, and the DDL that SQLAlchemy does not know.

`service_metadata` gives a MetaData whose `create_all` builds, as the owner role, the same catalog as the migrations do:
functions, tables, triggers, partitions and grants.
"""

from datetime import datetime
from enum import Enum as PythonEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, cast
from uuid import UUID

from sqlalchemy import DDL, Connection, DateTime, Enum, MetaData, Table, Uuid, event, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from orion_core import house
from orion_core.ids import uuid7
from orion_core.retention.declarations import retention_minimum
from orion_core.service import service_role

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}

ALL_ROWS = "SELECT, INSERT, UPDATE, DELETE"
APPEND_ONLY = "SELECT, INSERT"

TYPES: dict[Any, Any] = {
    datetime: DateTime(timezone=True),
    UUID: Uuid(),
    dict[str, Any]: JSONB(),
    list[Any]: JSONB(),
}
"""`type_annotation_map` of every declarative base."""

IpAddress = IPv4Address | IPv6Address
"""What an `inet` column holds when it has no network part."""


def service_metadata(service: str) -> MetaData:
    """The MetaData of the service called `service`, with the tables of the house in it."""
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    house.add_tables(metadata)

    def create_functions(_: MetaData, connection: Connection, **__: Any) -> None:
        for statement in house.functions(_server_version(connection)):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(retention_minimum(metadata))

    def finish_tables(_: MetaData, connection: Connection, **__: Any) -> None:
        for statement in finishing_statements(metadata, service_role(service)):
            connection.exec_driver_sql(statement)

    event.listen(metadata, "before_create", create_functions)
    event.listen(metadata, "after_create", finish_tables)
    return metadata


def _server_version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())


def finishing_statements(metadata: MetaData, role: str) -> list[str]:
    """Triggers, partitions and grants of all tables, for the least-privilege role `role`."""
    statements = [
        *(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC" for function in house.FOR_THE_SERVICE),
        *(f"GRANT EXECUTE ON FUNCTION {function} TO {role}" for function in house.FOR_THE_SERVICE),
        f"GRANT USAGE, SELECT ON SEQUENCE outbox_sequence, outbox_position TO {role}",
        f"GRANT SELECT, UPDATE ON SEQUENCE outbox_pruned TO {role}",
    ]
    for table in metadata.sorted_tables:
        statements += _trigger(table) + _partitions(table)
        statements.append(f"GRANT {table.info.get('grants', ALL_ROWS)} ON {table.name} TO {role}")
    return statements


def _trigger(table: Table) -> list[str]:
    if "updated_at" not in table.columns:
        return []
    # A hot statement may set it itself and pass PL/pgSQL by: the condition is evaluated by the executor.
    when = "WHEN (NEW.updated_at = OLD.updated_at) " if table.info.get("may_set_updated_at") else ""
    each = f"{table.name} FOR EACH ROW {when}"
    return [f"CREATE TRIGGER set_updated_at BEFORE UPDATE ON {each}EXECUTE FUNCTION set_updated_at()"]


def _partitions(table: Table) -> list[str]:
    if not table.dialect_options["postgresql"]["partition_by"]:
        return []
    return [
        f"CREATE TABLE {table.name}_default PARTITION OF {table.name} DEFAULT",
        f"SELECT ensure_partitions('{table.name}', {house.MONTHS_AHEAD})",
    ]


class Identified:
    """`id`: a UUIDv7 made by the application, with a database default for rows written by hand."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, server_default=func.uuidv7(), sort_order=-100)


class Timestamped:
    """`created_at` and `updated_at`; a trigger keeps the latter, so a raw UPDATE cannot forget it."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=100)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=101)


class SoftDeleted:
    """`deleted_at`: when the row was put away. Uniqueness is then a partial index `WHERE deleted_at IS NULL`."""

    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=102)


class Annotated:
    """`metadata`: what the outside world notes on a row; `metadata_` in Python, where declarative has the name."""

    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'::jsonb"), sort_order=99)


def table_of(model: type[DeclarativeBase]) -> Table[Any]:
    """The table of a model, for statements that SQLAlchemy's typing would otherwise take for any selectable."""
    return cast("Table[Any]", model.__table__)


def after_create(model: type[DeclarativeBase], *statements: str) -> None:
    """Have DDL that SQLAlchemy cannot express (functions, triggers) run once the table of `model` is there."""
    for statement in statements:
        event.listen(table_of(model), "after_create", DDL(statement.replace("%", "%%")))


def digest_check(column: str) -> str:
    """CHECK that a column holds the 32 bytes of a SHA-256 digest, and so neither more nor the secret itself."""
    return f"octet_length({column}) = 32"


def native_enum(labels: type[PythonEnum]) -> Enum:
    """A PostgreSQL enum named after the class in snake_case, with the member names as labels."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in labels.__name__).lstrip("_")
    return Enum(labels, name=name)
