"""Types, defaults, expressions and indexes of the models, as PostgreSQL writes them."""

from sqlalchemy import Boolean, CheckConstraint, Column, Computed, Index, Integer, Numeric, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import AddConstraint, CreateIndex, DefaultClause
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = postgresql.dialect()  # pyright: ignore[reportUnknownMemberType]


def type_text(column: Column[object]) -> str:
    """`varchar(255)`, `timestamptz`, `text[]`, the name of an enum."""
    words = column.type.compile(_DIALECT)
    short = {"TIMESTAMP WITH TIME ZONE": "timestamptz", "TIME WITHOUT TIME ZONE": "time"}
    name = getattr(column.type, "name", None)
    return str(name) if name and words == name else short.get(words, words.lower())


def default_text(column: Column[object]) -> str | None:
    """The column's default as SQL; None when it has none."""
    default = column.server_default
    if not isinstance(default, DefaultClause) or isinstance(default, Computed):
        return None
    if not isinstance(default.arg, str):
        return expression_text(default.arg)
    return default.arg if isinstance(column.type, Boolean | Numeric | Integer) else f"'{default.arg}'"


def computed_text(column: Column[object]) -> str | None:
    """The expression of a generated column."""
    return expression_text(column.computed.sqltext) if column.computed is not None else None


def expression_text(expression: ClauseElement) -> str:
    """The expression with its literals in place."""
    compiled = expression.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True, "include_table": False})
    return " ".join(str(compiled).split())


def index_text(index: Index) -> str:
    """What stands after ON in CREATE INDEX: `users USING gin (name gin_trgm_ops) WHERE …`."""
    statement = " ".join(str(CreateIndex(index).compile(dialect=_DIALECT)).split())
    return statement.partition(" ON ")[2]


def predicate_text(index: Index) -> str:
    """The condition of a partial index; nothing for a whole one."""
    where = index.dialect_options["postgresql"]["where"]
    if where is None:
        return ""
    return where if isinstance(where, str) else expression_text(where)


def exclusions(table: Table) -> list[tuple[str, str]]:
    """Names and definitions of the table's EXCLUDE constraints."""
    found = (constraint for constraint in table.constraints if isinstance(constraint, ExcludeConstraint))
    return sorted((str(constraint.name), _constraint_text(constraint)) for constraint in found)


def _constraint_text(constraint: ExcludeConstraint) -> str:
    statement = " ".join(str(AddConstraint(constraint, isolate_from_table=False).compile(dialect=_DIALECT)).split())
    return "EXCLUDE " + statement.partition(" EXCLUDE ")[2]


def checks(table: Table) -> list[tuple[str, str]]:
    """Names and conditions of the table's CHECK constraints."""
    found = (constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint))
    named = ((str(check.name), expression_text(check.sqltext)) for check in found if check.name)
    return sorted(named)
