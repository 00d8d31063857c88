"""The rows of every table as Python types: a data dictionary that an editor completes and a type checker reads."""

import ast
import datetime
import decimal
import uuid
from textwrap import fill, indent
from typing import Any

from sqlalchemy import ARRAY, Column, Table
from sqlalchemy.dialects.postgresql import CIDR, INET, JSONB

from orion_core.service import Service
from orion_db.documents.models import Models, enum_of, item_type
from orion_db.documents.sql_text import computed_text, default_text, type_text

_WIDEST = 120

_MODULES = {
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "typing": ("Any", "Literal", "TypedDict"),
    "uuid": ("UUID",),
}


def rows(service: Service) -> str:
    """A module with a `TypedDict` for each table, under the model's name, and a `Literal` for each enum type."""
    models = Models(service.metadata)
    body = [_enum(models.enum_name(enum), [str(label) for label in enum.enums]) for enum in models.enums.values()]
    body += [_table(table, models) for table in models.tables]
    code = "\n\n\n".join(body)
    return "\n".join(
        [
            f'"""{service.title}: the rows of {service.database}, as `orion db generate` reads the models."""\n',
            _imports(code),
            code,
            "",
        ]
    )


def _imports(code: str) -> str:
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    lines = [
        f"from {module} import {', '.join(name for name in names if name in used)}"
        for module, names in _MODULES.items()
        if used.intersection(names)
    ]
    return "\n".join([*lines, ""])


def _enum(name: str, labels: list[str]) -> str:
    line = f"{name} = Literal[{', '.join(_quoted(label) for label in labels)}]"
    if len(line) <= _WIDEST:
        return line
    return "\n".join([f"{name} = Literal[", *(f"    {_quoted(label)}," for label in labels), "]"])


def _table(table: Table, models: Models) -> str:
    lines = [f"class {models.name(table)}(TypedDict):", indent(_docstring(models.meaning(table) or table.name), "    ")]
    for column in table.columns:
        lines += ["", f"    {column.name}: {_python_type(column, models)}", indent(_docstring(_facts(column)), "    ")]
    return "\n".join(lines)


def _docstring(words: str) -> str:
    prefix = "r" if "\\" in words else ""
    safe = fill(words.replace('"""', "'''"), _WIDEST - 8, break_long_words=False, break_on_hyphens=False)
    return f'{prefix}"""{safe}{" " if safe.endswith(chr(34)) else ""}"""'


def _facts(column: Column[object]) -> str:
    """`varchar(255) NOT NULL DEFAULT 'en'. What it means.`"""
    generated, default = computed_text(column), default_text(column)
    words = type_text(column) + ("" if column.nullable else " NOT NULL")
    words += f" GENERATED AS ({generated})" if generated else f" DEFAULT {default}" if default else ""
    meaning = column.comment or column.doc
    return f"{words}. {meaning}" if meaning else f"{words}."


def _python_type(column: Column[object], models: Models) -> str:
    enum = enum_of(column)
    name = models.enum_name(enum) if enum else _name(_python(column))
    if isinstance(column.type, ARRAY):
        name = f"list[{name}]"
    return f"{name} | None" if column.nullable else name


def _python(column: Column[object]) -> type[object]:
    kind = item_type(column)
    if isinstance(kind, JSONB):
        return dict
    if isinstance(kind, INET | CIDR):
        return str
    return kind.python_type


def _name(python: type[object]) -> str:
    if python is dict:
        return "dict[str, Any]"
    assert python in _NAMES, python
    return python.__name__


_NAMES: set[Any] = {
    bool, bytes, int, float, str, uuid.UUID, decimal.Decimal,
    datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
}  # fmt: skip


def _quoted(label: str) -> str:
    return f'"{label}"'
