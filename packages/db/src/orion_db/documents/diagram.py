"""The tables of a service and what ties them, as a Mermaid entity-relationship diagram."""

from sqlalchemy import ForeignKeyConstraint, Table

from orion_db.documents.models import Models, foreign_keys
from orion_db.documents.sql_text import type_text


def diagram(models: Models) -> str:
    """`erDiagram` with the key columns of every table; the dictionary beside it has the others."""
    lines = ["erDiagram"]
    for table in models.tables:
        lines += [f"    {table.name} {{", *_columns(table), "    }"]
    for table in models.tables:
        lines += [_relationship(table, key) for key in foreign_keys(table)]
    return "\n".join(lines)


def _columns(table: Table) -> list[str]:
    referring = {column.name for key in foreign_keys(table) for column in key.columns}
    lines: list[str] = []
    for column in table.columns:
        marks = ["PK"] if column.primary_key else []
        marks += ["FK"] if column.name in referring else []
        if marks:
            kind = "".join(letter if letter.isalnum() else "_" for letter in type_text(column)).strip("_")
            lines.append(f"        {kind} {column.name} {', '.join(marks)}")
    return lines


def _relationship(table: Table, key: ForeignKeyConstraint) -> str:
    optional = any(column.nullable for column in key.columns)
    columns = ", ".join(column.name for column in key.columns)
    return f'    {key.referred_table.name} {"|o" if optional else "||"}--o{{ {table.name} : "{columns}"'
