"""What rows a database has, so that one state of it can be compared with the next.

A column is the same one as long as PostgreSQL keeps its number in its table, whatever both are called: so renames carry
rows, and a column that is dropped and added anew does not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.history import KEPT
from orion_db.roles import quoted

_COLUMNS = text("""
SELECT c.oid::bigint, a.attnum, format('%I.%I', n.nspname, c.relname), c.relname, a.attname,
  format_type(a.atttypid, a.atttypmod)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, 2
""")

ColumnKey = tuple[int, int]
"""Object id of the table and number of the column."""


@dataclass(frozen=True)
class Column:
    """A column as it is called at a moment."""

    table: str
    """In SQL, with its schema."""
    name: str
    type: str


@dataclass(frozen=True)
class Carried:
    """A table that is there before and after a step, and the columns that are, by their names on both sides."""

    before: str
    after: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Gone:
    """A table that a step drops (`column` is empty), or a column."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass(frozen=True)
class Content:
    """Of a table: rows, and the sum of their hashes over some columns."""

    rows: int
    hashed: str


async def read_columns(connection: AsyncConnection) -> dict[ColumnKey, Column]:
    """All columns of tables that hold rows, less those of the tables that this tool keeps for itself."""
    found = await connection.execute(_COLUMNS)
    return {
        (table_id, number): Column(table, name, type_)
        for table_id, number, table, bare_name, name, type_ in found
        if bare_name not in KEPT
    }


def carried(before: Mapping[ColumnKey, Column], after: Mapping[ColumnKey, Column]) -> list[Carried]:
    """The tables on both sides, with the columns that have the same type on both."""
    names = {key[0]: column.table for key, column in after.items()}
    tables = {key[0]: column.table for key, column in before.items() if key[0] in names}
    return [
        Carried(
            table,
            names[table_id],
            tuple(
                (column.name, after[key].name)
                for key, column in before.items()
                if key[0] == table_id and key in after and after[key].type == column.type
            ),
        )
        for table_id, table in tables.items()
    ]


def gone(before: Mapping[ColumnKey, Column], after: Mapping[ColumnKey, Column]) -> list[Gone]:
    """Tables and columns that are there before and not after."""
    tables = {key[0] for key in after}
    dropped = {key[0]: column.table for key, column in before.items() if key[0] not in tables}
    columns = [Gone(c.table, c.name) for key, c in before.items() if key[0] in tables and key not in after]
    return [*(Gone(table, "") for table in dropped.values()), *columns]


async def read_contents(connection: AsyncConnection, tables: Iterable[tuple[str, Iterable[str]]]) -> dict[str, Content]:
    """Rows and hash of each table over the given columns. A sum does not depend on the order of rows."""
    found: dict[str, Content] = {}
    for table, columns in tables:
        hashed = f"sum(hashtextextended(ROW({', '.join(map(quoted, columns))})::text, 0)::numeric)"
        query = f"SELECT count(*) AS rows, coalesce({hashed}, 0)::text AS hashed FROM {table}"  # noqa: S608
        answer = (await connection.exec_driver_sql(query)).mappings().one()
        found[table] = Content(int(answer["rows"]), str(answer["hashed"]))
    return found


async def count_discarded(connection: AsyncConnection, dropped: Iterable[Gone]) -> dict[str, int]:
    """How many rows, or values of a column that are not null, go with each; what is empty is left out."""
    found: dict[str, int] = {}
    for item in dropped:
        what = quoted(item.column) if item.column else "*"
        query = f"SELECT count({what}) FROM {item.table}"  # noqa: S608
        if count := (await connection.exec_driver_sql(query)).scalar_one():
            found[str(item)] = int(count)
    return found
