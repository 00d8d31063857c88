"""The text of a module of models."""

import re
from collections import defaultdict
from dataclasses import dataclass

from orion_core.service import service_role
from orion_core.tables import ALL_ROWS, service_metadata
from orion_db.authoring.code import laid_out
from orion_db.catalog import Catalog, Key
from orion_db.catalog.read import Facts
from orion_db.pull.arguments import key_columns, table_arguments
from orion_db.pull.code import attribute, block, call, class_name, sql_text, string
from orion_db.pull.types import enum_class, python_type
from orion_db.repair.access import wanted_columns

_MIXINS = {
    "Identified": {"id": ("uuid", True, ("uuidv7()", "public.uuidv7()"))},
    "Timestamped": dict.fromkeys(("created_at", "updated_at"), ("timestamp with time zone", True, ("now()",))),
    "SoftDeleted": {"deleted_at": ("timestamp with time zone", False, (None,))},
    "Annotated": {"metadata": ("jsonb", True, ("'{}'::jsonb",))},
}
"""Columns that several tables have in the same words: type, NOT NULL, default."""

_DATABASE_TYPE = '''

class DatabaseType(UserDefinedType[Any]):
    """A type that SQLAlchemy has no class for, by its name."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name
'''

_IMPORTED = {
    **dict.fromkeys(
        ("CheckConstraint", "Computed", "DDL", "event", "ForeignKeyConstraint", "func", "Identity", "Index"),
        "from sqlalchemy import {}",
    ),
    **dict.fromkeys(("PrimaryKeyConstraint", "text", "UniqueConstraint"), "from sqlalchemy import {}"),
    **dict.fromkeys(("DeclarativeBase", "Mapped", "mapped_column"), "from sqlalchemy.orm import {}"),
    "conv": "from sqlalchemy.sql.naming import {}",
    **dict.fromkeys(("TYPES", "after_create", "service_metadata", *_MIXINS), "from orion_core.tables import {}"),
    **dict.fromkeys(("Enum", "auto"), "from enum import {}"),
}


@dataclass(frozen=True)
class Source:
    """What the module is written from."""

    service: str
    database: str
    catalog: Catalog

    def tables(self) -> list[Key]:
        """The tables that get a class: not the house's, partitions, foreign ones, or those partitioned otherwise."""
        house = set(service_metadata(self.service).tables)
        return [
            key
            for key, facts in sorted(self.catalog.items())
            if key[0] == "table" and key[1] not in house and "parent" not in facts and facts["kind"] == "table"
            if facts.get("partitioned by", "RANGE (id)") == "RANGE (id)" and "." not in key[1]
            if key_columns(key[1], self.catalog) or _has_key(self.catalog, key[1])
        ]

    def enum_class(self, name: str, facts: Facts) -> str:
        """The Python enum of a type that some column has; "" when there is none."""
        labels: list[str] = facts.get("labels", [])
        columns = (entry for (kind, _), entry in self.catalog.items() if kind == "column")
        used = any(entry["type"].removesuffix("[]") == facts["sql"] for entry in columns)
        return enum_class(name, labels) if used else ""


def module_text(source: Source, before: list[str], after: list[str], notes: list[str]) -> str:
    """The module. `before` and `after` are SQL for what models cannot say; `notes` are comments at its end."""
    catalog = source.catalog
    tables = source.tables()
    enums = [
        _enum(cls, facts["labels"])
        for (kind, name), facts in sorted(catalog.items())
        if kind == "enum" and (cls := source.enum_class(name, facts))
    ]
    base = (
        'class Table(DeclarativeBase):\n    """Base of every model of this service."""\n\n'
        f"    metadata = service_metadata({string(source.service)})\n    type_annotation_map = TYPES"
    )
    body = "\n\n\n".join([base, *enums, *(_model(source, key) for key in tables)])
    body += "".join(f"\n\n{_listen('before_create', statement)}" for statement in [*before, *_shared(source, tables)])
    body += "".join(f"\n\n{entry}" for entry in _triggers(source, tables))
    body += "".join(f"\n\n{_listen('after_create', statement)}" for statement in after)
    body += "".join(f"\n\n# {note}" for note in notes)
    imports = {line for key in tables for line in _imports(source, key)}
    unnamed = _DATABASE_TYPE if "DatabaseType(" in body else ""
    imports |= {line.format(name) for name, line in _IMPORTED.items() if re.search(rf"\b{name}\b", body)}
    title = f'"""Tables of {source.service}, read back from the database {source.database} by `orion db pull`."""'
    return f"{title}\n\n{_merged(imports)}\n{unnamed}\n\n{body}\n"


def _model(source: Source, key: Key) -> str:
    name, facts = key[1], source.catalog[key]
    columns = [(column[1].removeprefix(f"{name}."), entry) for column, entry in wanted_columns(source.catalog, name)]
    primary = key_columns(name, source.catalog)
    mixins = [mixin for mixin in _MIXINS if _has(mixin, dict(columns), primary)]
    shared = {column for mixin in mixins for column in _MIXINS[mixin]}
    lines = [f"class {class_name(name)}({', '.join([*mixins, 'Table'])}):"]
    lines += [f'    """{_docstring(facts, name)}"""', "", f"    __tablename__ = {string(name)}", ""]
    lines += [_column(source, column, entry, primary) for column, entry in columns if column not in shared]
    arguments = table_arguments(name, source.catalog, primary)
    if options := _options(source, facts):
        arguments.append(f"{{{', '.join(options)}}}")
    if arguments:
        inside = "\n".join(f"{laid_out(argument, 8)}," for argument in arguments)
        lines += ["", f"    __table_args__ = (\n{inside}\n    )"]
    return "\n".join(lines)


def _column(source: Source, name: str, facts: Facts, primary: list[str]) -> str:
    kind = python_type(facts, source.catalog)
    arguments = [string(name)] if attribute(name) != name else []
    arguments += [kind.type] if kind.type else []
    if generated := facts.get("generated"):
        how, _, expression = generated.partition(" ")
        arguments.append(f"Computed({sql_text(expression)}, persisted={how == 's'})")
    if identity := facts.get("identity"):
        arguments.append(f"Identity(always={identity == 'a'})")
    arguments += ["primary_key=True"] if primary == [name] else []
    if default := facts.get("default"):
        arguments.append("server_default=" + ("func.now()" if default == "now()" else f"text({sql_text(default)})"))
    arguments += [f"comment={string(facts['comment'])}"] if facts.get("comment") else []
    optional = "" if facts.get("not null") else " | None"
    annotation = f"{attribute(name)}: Mapped[{kind.annotation}{optional}]"
    if kind.annotation == "Any":
        arguments.append(f"nullable={not facts.get('not null')}")
    return call("mapped_column", arguments, before=f"{annotation} = ") if arguments else f"    {annotation}"


def _options(source: Source, facts: Facts) -> list[str]:
    grants = set(facts["grants"].get(service_role(source.service), []))
    in_order = [word for word in ALL_ROWS.split(", ") if word in grants]
    options = ['"postgresql_partition_by": "RANGE (id)"'] if facts.get("partitioned by") else []
    options += ['"prefixes": ["UNLOGGED"]'] if facts["persistence"] == "unlogged" else []
    options += [f'"comment": {string(facts["comment"])}'] if facts.get("comment") else []
    if in_order and ", ".join(in_order) != ALL_ROWS:
        options.append(f'"info": {{"grants": {string(", ".join(in_order))}}}')
    return options


def _triggers(source: Source, tables: list[Key]) -> list[str]:
    """Triggers with their functions, as the house attaches them: to the table, functions before."""
    users = _users_of_functions(source, tables)
    found: list[str] = []
    for _, table in tables:
        functions = [key for key, of in sorted(users.items()) if of == {table}]
        statements = [source.catalog[key]["source"] for key in functions]
        statements += [str(facts["definition"]) for facts in _triggers_of(source, table)]
        if statements:
            inside = "\n".join(f"    {block(statement)}," for statement in statements)
            found.append(f"after_create(\n    {class_name(table)},\n{inside}\n)")
    return found


def _shared(source: Source, tables: list[Key]) -> list[str]:
    """Functions that triggers of several tables call, so that they are there before the first of these tables."""
    shared = [key for key, of in sorted(_users_of_functions(source, tables).items()) if len(of) > 1]
    unchecked = ["SET LOCAL check_function_bodies = off"] if shared else []
    return [*unchecked, *(source.catalog[key]["source"] for key in shared)]


def _users_of_functions(source: Source, tables: list[Key]) -> dict[Key, set[str]]:
    """The tables whose triggers call it, for each function that the house does not bring."""
    users: dict[Key, set[str]] = defaultdict(set)
    for _, table in tables:
        for facts in _triggers_of(source, table):
            for need in facts["needs"]:
                if need[0] == "function" and need[1] not in _HOUSE_FUNCTIONS:
                    users[need].add(table)
    return users


def _triggers_of(source: Source, table: str) -> list[Facts]:
    return [facts for (kind, _), facts in sorted(source.catalog.items()) if _is_own(kind, facts, table)]


_HOUSE_FUNCTIONS = frozenset(
    {"set_updated_at()", "ensure_partitions(parent regclass, months_ahead integer)", "uuidv7()"}
)


def _is_own(kind: str, facts: Facts, table: str) -> bool:
    return kind == "trigger" and facts["table"] == table and facts["sql"] != "set_updated_at"


def _has(mixin: str, columns: dict[str, Facts], primary: list[str]) -> bool:
    for name, (type_, not_null, defaults) in _MIXINS[mixin].items():
        facts = columns.get(name)
        if facts is None or facts["type"] != type_ or facts["not null"] != not_null:
            return False
        if facts.get("default") not in defaults or facts.keys() & {"comment", "generated"}:
            return False
    return mixin != "Identified" or primary == ["id"]


def _has_key(catalog: Catalog, table: str) -> bool:
    """Declarative demands a primary key."""
    return any(
        kind == "constraint" and facts["table"] == table and facts["definition"].startswith("PRIMARY KEY (")
        for (kind, _), facts in catalog.items()
    )


def _enum(name: str, labels: list[str]) -> str:
    body = "\n".join(f"    {label} = auto()" for label in labels)
    return f'class {name}(Enum):\n    """Labels of a type in the database."""\n\n{body}'


def _docstring(facts: Facts, name: str) -> str:
    words = str(facts.get("comment") or f"A row of {name}").replace("\\", "/").replace('"', "'").splitlines()[0]
    return f"{words.rstrip('.')}."


def _imports(source: Source, key: Key) -> set[str]:
    columns = wanted_columns(source.catalog, key[1])
    return {line for _, facts in columns for line in python_type(facts, source.catalog).imports}


def _listen(moment: str, statement: str) -> str:
    escaped = block(statement.replace("%", "%%"))
    return f'event.listen(Table.metadata, "{moment}", DDL({escaped}))'


def _merged(lines: set[str]) -> str:
    """One import a module, sorted as isort does: the standard library, libraries, ours."""
    names: dict[str, set[str]] = {}
    for line in lines:
        module, _, name = line.removeprefix("from ").partition(" import ")
        names.setdefault(module, set()).add(name)
    groups: list[list[str]] = [[], [], []]
    for module in sorted(names):
        group = 1 if module.startswith("sqlalchemy") else 2 if module.startswith("orion") else 0
        order = sorted(names[module], key=lambda name: (not name.isupper(), not name[0].isupper(), name))
        line = f"from {module} import {', '.join(order)}"
        if len(line) > 120:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in order) + ")"
        groups[group].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group)
