"""Types and defaults of columns in the words of Prisma's schema language."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import INET, JSONB, REAL
from sqlalchemy.types import TypeEngine

from orion_db.documents.models import Models, item_type
from orion_db.documents.sql_text import computed_text, default_text, type_text

_WITHOUT_LENGTH: list[tuple[type[TypeEngine[object]], str, str]] = [
    (Uuid, "String", "@db.Uuid"),
    (INET, "String", "@db.Inet"),
    (JSONB, "Json", "@db.JsonB"),
    (Boolean, "Boolean", ""),
    (SmallInteger, "Int", "@db.SmallInt"),
    (BigInteger, "BigInt", ""),
    (Integer, "Int", ""),
    (LargeBinary, "Bytes", "@db.ByteA"),
    (Date, "DateTime", "@db.Date"),
    (REAL, "Float", "@db.Real"),
    (Double, "Float", "@db.DoublePrecision"),
    (Text, "String", "@db.Text"),
]  # pyright: ignore[reportAssignmentType] - a list of classes of different value types
"""In the order of trying: a subclass before its base."""


def field_type(column: Column[object], models: Models) -> tuple[str, str]:
    """Prisma's type with `?` or `[]`, and its native type attribute ("" where the type alone says it)."""
    is_list = isinstance(column.type, ARRAY)
    name, native = _scalar(item_type(column), column, models)
    suffix = "[]" if is_list else "?" if column.nullable else ""
    return name + suffix, native


def field_default(column: Column[object], models: Models) -> str:
    """`@default(…)`, with `dbgenerated` for what only the database can say; "" when there is none."""
    generated = computed_text(column)
    if generated:
        return _database_generated(generated)
    default = default_text(column)
    if default is None or field_type(column, models)[0].startswith("Unsupported"):
        return ""
    return _default(default, column)


def _scalar(kind: TypeEngine[object], column: Column[object], models: Models) -> tuple[str, str]:
    if isinstance(kind, Enum):
        return models.enum_name(kind), ""
    if isinstance(kind, DateTime):
        return "DateTime", "@db.Timestamptz(6)" if kind.timezone else "@db.Timestamp(6)"
    if isinstance(kind, Time):
        return "DateTime", "@db.Timetz(6)" if kind.timezone else "@db.Time(6)"
    if isinstance(kind, String) and kind.length:
        return "String", f"@db.VarChar({kind.length})"
    if isinstance(kind, Numeric) and not isinstance(kind, Float):
        size = "" if kind.precision is None else f"({kind.precision}, {kind.scale or 0})"
        return "Decimal", f"@db.Decimal{size}"
    for known, name, native in _WITHOUT_LENGTH:
        if isinstance(kind, known):
            return name, native
    if isinstance(kind, Float):
        return "Float", ""
    if isinstance(kind, String):
        return "String", ""
    return f'Unsupported("{type_text(column)}")', ""


def _default(default: str, column: Column[object]) -> str:
    bare = default.partition("::")[0].strip("'") if default.startswith("'") else default
    kind: object = column.type
    if isinstance(kind, ARRAY):
        return "@default([])" if bare in ("{}", "ARRAY[]") else _database_generated(default)
    if default.lower() in ("now()", "current_timestamp"):
        return "@default(now())"
    if isinstance(kind, Enum):
        return f"@default({bare})"
    if isinstance(kind, Boolean) and bare.lower() in ("true", "false"):
        return f"@default({bare.lower()})"
    if isinstance(kind, Integer | Numeric) and bare.lstrip("-").replace(".", "", 1).isdigit():
        return f"@default({bare})"
    if isinstance(kind, String | JSONB) and default.startswith("'"):
        return f"@default({_quoted(bare)})"
    return _database_generated(default)


def _database_generated(expression: str) -> str:
    return f"@default(dbgenerated({_quoted(expression)}))"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
