"""PostgreSQL's types in SQLAlchemy's words."""

import re
from dataclasses import dataclass, field

from orion_db.catalog import Catalog
from orion_db.catalog.read import Facts
from orion_db.pull.code import string


@dataclass(frozen=True)
class PythonType:
    """What a column's type is called in a model."""

    annotation: str
    type: str = ""
    """The argument of mapped_column; "" when the annotation says it."""
    imports: frozenset[str] = field(default_factory=frozenset[str])
    """Import statements."""


def _of(annotation: str, type_: str, *imports: str) -> PythonType:
    return PythonType(annotation, type_, frozenset(imports))


def _sqlalchemy(*names: str) -> tuple[str, ...]:
    return tuple(f"from sqlalchemy import {name}" for name in names)


_ANY = "from typing import Any"
_POSTGRESQL = "from sqlalchemy.dialects.postgresql import "

_TYPES = {
    "uuid": _of("UUID", "", "from uuid import UUID"),
    "timestamp with time zone": _of("datetime", "", "from datetime import datetime"),
    "timestamp without time zone": _of(
        "datetime", "DateTime()", "from datetime import datetime", *_sqlalchemy("DateTime")
    ),
    "date": _of("date", "", "from datetime import date"),
    "time without time zone": _of("time", "", "from datetime import time"),
    "interval": _of("timedelta", "", "from datetime import timedelta"),
    "boolean": _of("bool", ""),
    "integer": _of("int", ""),
    "bigint": _of("int", "BigInteger", *_sqlalchemy("BigInteger")),
    "smallint": _of("int", "SmallInteger", *_sqlalchemy("SmallInteger")),
    "double precision": _of("float", "Double", *_sqlalchemy("Double")),
    "real": _of("float", "REAL", *_sqlalchemy("REAL")),
    "numeric": _of("Decimal", "Numeric", "from decimal import Decimal", *_sqlalchemy("Numeric")),
    "text": _of("str", "Text", *_sqlalchemy("Text")),
    "character varying": _of("str", "String", *_sqlalchemy("String")),
    "bytea": _of("bytes", "LargeBinary", *_sqlalchemy("LargeBinary")),
    "jsonb": _of("Any", "JSONB", _ANY, f"{_POSTGRESQL}JSONB"),
    "json": _of("Any", "JSON", _ANY, f"{_POSTGRESQL}JSON"),
    "inet": _of("IpAddress", "INET", "from orion_core.tables import IpAddress", f"{_POSTGRESQL}INET"),
    "cidr": _of("Any", "CIDR", _ANY, f"{_POSTGRESQL}CIDR"),
    "tstzrange": _of("Any", "TSTZRANGE", _ANY, f"{_POSTGRESQL}TSTZRANGE"),
    "tsvector": _of("Any", "TSVECTOR", _ANY, f"{_POSTGRESQL}TSVECTOR"),
}

_DIALECT_IMPORT = "from sqlalchemy.types import UserDefinedType"


def python_type(facts: Facts, catalog: Catalog) -> PythonType:
    """What the column with these facts has for a type."""
    name: str = facts["type"]
    if name == "jsonb" and facts.get("default") == "'{}'::jsonb":
        return _of("dict[str, Any]", "", _ANY)
    if name == "jsonb" and facts.get("default") == "'[]'::jsonb":
        return _of("list[Any]", "", _ANY)
    if name.endswith("[]"):
        inner = _scalar(name[:-2], catalog)
        kind = inner.type or {"uuid": "Uuid", "integer": "Integer", "boolean": "Boolean"}.get(name[:-2], "")
        if not kind:
            return _unnamed(name)
        more = _sqlalchemy(kind) if not inner.type else ()
        return PythonType(f"list[{inner.annotation}]", f"ARRAY({kind})", inner.imports | {f"{_POSTGRESQL}ARRAY", *more})
    return _scalar(name, catalog)


def enum_class(name: str, labels: list[str]) -> str:
    """The Python enum of a type: `user_status` becomes UserStatus; "" when its labels are no Python names."""
    cls = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    back = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls).lstrip("_")
    names = all(label.isidentifier() and not label.startswith("_") and label != "mro" for label in labels)
    return cls if back == name and names and cls.isidentifier() else ""


def _scalar(name: str, catalog: Catalog) -> PythonType:
    if found := _TYPES.get(name):
        return found
    if match := re.fullmatch(r"(character varying|numeric)\((\d+(?:,\d+)?)\)", name):
        base = _TYPES[match[1]]
        return PythonType(base.annotation, f"{base.type}({match[2].replace(',', ', ')})", base.imports)
    for (kind, key), facts in catalog.items():
        if kind == "enum" and facts["sql"] == name:
            labels: list[str] = facts.get("labels", [])
            if cls := enum_class(key, labels):
                return _of(cls, f"native_enum({cls})", "from orion_core.tables import native_enum")
    return _unnamed(name)


def _unnamed(name: str) -> PythonType:
    """A type that has no class: of an extension, a domain, an enum whose labels are no names."""
    return _of("Any", f"DatabaseType({string(name)})", _ANY, _DIALECT_IMPORT)
