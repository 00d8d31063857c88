"""What Alembic sees of the difference: tables, columns, indexes, keys; as the text of `op.*` calls."""

import warnings
from collections.abc import Collection
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.operations.ops import AddColumnOp, CreateTableOp, DowngradeOps, ModifyTableOps, UpgradeOps
from sqlalchemy import Connection, Enum, ForeignKeyConstraint, MetaData, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

from orion_db.catalog import Catalog, Key
from orion_db.catalog.compare import compared
from orion_db.connections import owner_connection
from orion_db.history import KEPT
from orion_db.targets import Target

_KINDS = {
    "table": "table",
    "column": "column",
    "index": "index",
    "unique_constraint": "constraint",
    "foreign_key_constraint": "constraint",
}


def operations(connection: Connection, metadata: MetaData, current: Catalog, wanted: Catalog) -> tuple[str, str]:
    """Bodies of `upgrade()` and `downgrade()` that lead from the connection's database to the models."""
    unmanaged = {*KEPT, *connection.execute(text("SELECT relname FROM pg_class WHERE relispartition")).scalars()}

    def is_ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name not in unmanaged

    def differs(item: SchemaItem, name: str | None, kind: str, reflected: bool, other: SchemaItem | None) -> bool:
        """Whether the catalogs say so too.

        Alembic finds differences where there are only two ways to say the same, and foreign keys where PostgreSQL has
        cloned one for each partition of the table that it refers to. What the models lack and is wanted is not dropped.
        """
        if kind not in _KINDS:
            return True
        key = (_KINDS[kind], f"{_table_of(item)}.{name}" if kind not in ("index", "table") else name or "")
        dropped = reflected and other is None
        if kind == "table" or (kind == "column" and dropped):
            return not (dropped and key in wanted)
        if not wanted.get(key, {}).get("validated", True):
            return False  # Alembic knows no NOT VALID
        return compared(current.get(key, {})) != compared(wanted.get(key, {}))

    context = MigrationContext.configure(
        connection,
        opts={
            "target_metadata": metadata,
            "compare_type": True,
            "compare_server_default": False,  # it evaluates defaults, and uuidv7() is never twice the same
            "include_name": is_ours,
            "include_object": differs,
        },
    )
    with warnings.catch_warnings():
        # SQLAlchemy 2.1 trips over a CHECK that is NOT VALID, which it reads all the same.
        warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'")
        script = produce_migrations(context, metadata)
    for ops in (script.upgrade_ops, script.downgrade_ops):
        _leave_out(ops, current.keys() | wanted.keys())
    _add_as_wanted(script.upgrade_ops, wanted)
    return _rendered(script.upgrade_ops, context), _rendered(script.downgrade_ops, context)


def run_operations(connection: Connection, body: str) -> None:
    """Run the text of `op.*` calls as a migration file would."""
    namespace: dict[str, Any] = {
        "op": Operations(MigrationContext.configure(connection)),
        "sa": sa,
        "postgresql": postgresql,
    }
    exec(compile(body, "<migration>", "exec"), namespace)  # noqa: S102 - we have just rendered it ourselves


async def run_on(database: Target, code: str) -> None:
    """Run such text on a database of its own, as the owner, in one transaction."""
    async with owner_connection(database, "migrate") as connection, connection.begin():
        await connection.run_sync(run_operations, code)


def _leave_out(ops: UpgradeOps | DowngradeOps | None, known: Collection[Key]) -> None:
    """Foreign keys that PostgreSQL has cloned, and what the models tell this tool and no database."""
    for operation in ops.ops if ops else []:
        if isinstance(operation, CreateTableOp):
            operation.info = {}
            operation.columns = [
                item
                for item in operation.columns
                if not isinstance(item, ForeignKeyConstraint)
                or ("constraint", f"{operation.table_name}.{item.name}") in known
            ]


def _add_as_wanted(ops: UpgradeOps | None, wanted: Catalog) -> None:
    """Columns that are wanted nullable at first, though the models say otherwise."""
    tables = (table for table in (ops.ops if ops else []) if isinstance(table, ModifyTableOps))
    for operation in (operation for table in tables for operation in table.ops):
        if isinstance(operation, AddColumnOp):
            facts = wanted.get(("column", f"{operation.table_name}.{operation.column.name}"), {})
            if operation.column.nullable is False and not facts.get("not null", True):
                operation.column = operation.column._copy()  # noqa: SLF001 - it is the models' own; copy() is gone
                operation.column.nullable = True


def _rendered(ops: UpgradeOps | DowngradeOps | None, context: MigrationContext) -> str:
    if ops is None or ops.is_empty():
        return ""
    rendered = render_python_code(ops, render_item=_render_item, migration_context=context)
    lines = (line.removeprefix("    ") for line in rendered.splitlines())
    return "\n".join(line for line in lines if not line.startswith("# ###")).strip()


def _render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """Enum types are made by statements of their own: several tables may use one."""
    if kind != "type" or not isinstance(item, Enum) or not item.name:
        return False
    context.imports.add("from sqlalchemy.dialects import postgresql")
    labels = ", ".join(repr(label) for label in item.enums)
    return f"postgresql.ENUM({labels}, name={str(item.name)!r}, create_type=False)"


def _table_of(item: SchemaItem) -> str:
    table = getattr(item, "table", None)
    return str(getattr(table, "name", ""))
