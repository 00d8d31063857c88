"""Keys and indexes in the words of Prisma's schema language, and in a comment what it has no words for."""

from typing import cast

from sqlalchemy import Column, Index, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from orion_db.documents.models import camel_case
from orion_db.documents.sql_text import index_text, predicate_text

_TYPES = {"gin": "Gin", "gist": "Gist", "brin": "Brin", "hash": "Hash", "spgist": "SpGist"}


def block_attributes(table: Table) -> list[str]:
    """`@@id`, `@@unique`, `@@index` of the table, and comments, in the order of the names."""
    lines = [_composite_key(table)] if len(table.primary_key.columns) > 1 else []
    uniques = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
    for unique in sorted(uniques, key=lambda item: str(item.name)):
        fields = ", ".join(camel_case(column.name) for column in unique.columns)
        nulls = unique.dialect_options["postgresql"]["nulls_not_distinct"]
        lines += ["// In the next, two NULLs are equal (NULLS NOT DISTINCT)"] if nulls else []
        lines.append(f'@@unique([{fields}], map: "{unique.name}")')
    for index in sorted(table.indexes, key=lambda item: str(item.name)):
        lines.append(_index(index))
    return lines


def _composite_key(table: Table) -> str:
    fields = ", ".join(camel_case(column.name) for column in table.primary_key.columns)
    return f'@@id([{fields}], map: "{table.primary_key.name}")'


def _index(index: Index) -> str:
    options = index.dialect_options["postgresql"]
    fields = [_field(expression, index) for expression in index.expressions]
    said = all(fields) and not predicate_text(index) and not options["include"] and not options["nulls_not_distinct"]
    if not said:
        return f"// {'Unique index' if index.unique else 'Index'} {index.name} ON {index_text(index)}"
    kind = _TYPES.get(str(options["using"] or "").lower(), "")
    word = "unique" if index.unique else "index"
    suffix = f", type: {kind}" if kind else ""
    return f'@@{word}([{", ".join(fields)}], map: "{index.name}"{suffix})'


def _field(expression: object, index: Index) -> str:
    """A field of an index with its order and operator class; "" for an expression, which Prisma cannot say."""
    order = ""
    if isinstance(expression, UnaryExpression) and expression.modifier is operators.desc_op:
        inner: ColumnElement[object] = expression.element
        expression, order = inner, "sort: Desc"
    if not isinstance(expression, Column):
        return ""
    column = cast("Column[object]", expression)
    classes: dict[str, str] = index.dialect_options["postgresql"]["ops"] or {}
    operator_class = _operator_class(column, classes.get(column.name, ""))
    options = ", ".join(option for option in (operator_class, order) if option)
    name = camel_case(column.name)
    return f"{name}({options})" if options else name


def _operator_class(column: Column[object], name: str) -> str:
    if not name:
        return ""
    known = {"jsonb_path_ops": "JsonbPathOps", "jsonb_ops": "JsonbOps"} if isinstance(column.type, JSONB) else {}
    if isinstance(column.type, ARRAY) and name == "array_ops":
        return "ops: ArrayOps"
    return f"ops: {known[name]}" if name in known else f'ops: raw("{name}")'
