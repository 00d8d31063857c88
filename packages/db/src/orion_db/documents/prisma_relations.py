"""Foreign keys as relations of Prisma's schema language, which wants a field on both sides."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from sqlalchemy import ForeignKeyConstraint, Table, UniqueConstraint

from orion_db.documents.models import Models, camel_case, foreign_keys

_ACTIONS = {"CASCADE": "Cascade", "RESTRICT": "Restrict", "SET NULL": "SetNull", "SET DEFAULT": "SetDefault"}


@dataclass(frozen=True)
class RelationField:
    """One line of a model."""

    name: str
    type: str
    attribute: str = ""


def relation_fields(models: Models) -> dict[str, list[RelationField]]:
    """The relation fields of every table, by the table's name."""
    fields: dict[str, list[RelationField]] = defaultdict(list)
    for table in models.tables:
        targets = Counter(key.referred_table.name for key in foreign_keys(table))
        for key in foreign_keys(table):
            parent = key.referred_table
            named = targets[parent.name] > 1 or parent is table or _meet(table, parent)
            forward = _free_name(_forward_name(key, models), table, fields[table.name])
            relation = f"{models.name(table)}_{forward}" if named else ""
            fields[table.name].append(_forward(key, forward, relation, models))
            backward = _free_name(_backward_name(key, forward, models, named=named), parent, fields[parent.name])
            fields[parent.name].append(_backward(key, backward, relation, models))
    return fields


def _forward(key: ForeignKeyConstraint, name: str, relation: str, models: Models) -> RelationField:
    columns = [camel_case(column.name) for column in key.columns]
    referred = [camel_case(element.column.name) for element in key.elements]
    optional = any(column.nullable for column in key.columns)
    parts = [f'"{relation}"'] if relation else []
    parts += [f"fields: [{', '.join(columns)}]", f"references: [{', '.join(referred)}]"]
    parts += [f"onDelete: {_action(key.ondelete)}", f"onUpdate: {_action(key.onupdate)}", f'map: "{key.name}"']
    return RelationField(
        name, models.name(key.referred_table) + ("?" if optional else ""), f"@relation({', '.join(parts)})"
    )


def _backward(key: ForeignKeyConstraint, name: str, relation: str, models: Models) -> RelationField:
    table = key.table
    assert isinstance(table, Table)
    kind = models.name(table) + ("?" if _is_unique(key) else "[]")
    return RelationField(name, kind, f'@relation("{relation}")' if relation else "")


def _action(action: str | None) -> str:
    return _ACTIONS.get((action or "").upper(), "NoAction")


def _forward_name(key: ForeignKeyConstraint, models: Models) -> str:
    """`role_id` becomes `role`; a key of several columns is named after the model it leads to."""
    names = [column.name for column in key.columns]
    if len(names) == 1 and names[0].endswith("_id"):
        return camel_case(names[0].removesuffix("_id"))
    return camel_case(models.name(key.referred_table))


def _backward_name(key: ForeignKeyConstraint, forward: str, models: Models, *, named: bool) -> str:
    table = key.table
    assert isinstance(table, Table)
    name = camel_case(models.name(table)) if _is_unique(key) else camel_case(table.name)
    return f"{name}As{forward[0].upper()}{forward[1:]}" if named else name


def _free_name(name: str, table: Table, taken: list[RelationField]) -> str:
    names = {camel_case(column.name) for column in table.columns} | {field.name for field in taken}
    while name in names:
        name += "Relation"
    return name


def _is_unique(key: ForeignKeyConstraint) -> bool:
    """Whether each parent has one child at most. Partial unique indexes and those
    of expressions do not count: Prisma does not know them.
    """
    columns = {column.name for column in key.columns}
    table = key.table
    assert isinstance(table, Table)
    uniques = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
    whole = [
        index
        for index in table.indexes
        if index.unique and index.dialect_options["postgresql"]["where"] is None
        if len(index.columns) == len(index.expressions)
    ]
    sets = [{column.name for column in item.columns} for item in (table.primary_key, *uniques, *whole)]
    return columns in sets


def _meet(table: Table, other: Table) -> bool:
    """Whether the other table refers back to this one, so that their relations need names."""
    return any(key.referred_table is table for key in foreign_keys(other))
