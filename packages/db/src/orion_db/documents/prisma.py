"""`schema.prisma` of a service, so that services in Node can use its database as it is."""

from sqlalchemy import Column, Enum, Table

from orion_core.service import Service
from orion_db.documents.models import Models, camel_case, partition_key
from orion_db.documents.prisma_indexes import block_attributes
from orion_db.documents.prisma_relations import RelationField, relation_fields
from orion_db.documents.prisma_types import field_default, field_type
from orion_db.documents.sql_text import checks, computed_text, exclusions

_HEAD = """\
// {title}: the database {database}, for clients in Node.
// Written by `orion db generate {name}` from the models; `orion db` alone changes the schema, never `prisma migrate`.
// The URL is the one of the service, {variable}: in prisma.config.ts since Prisma 7, before that as
// `url = env("{variable}")` below.

generator client {{
  provider = "prisma-client"
  output   = "../generated/prisma"
}}

datasource db {{
  provider = "postgresql"
}}
"""


def prisma_schema(service: Service) -> str:
    """The whole file."""
    models = Models(service.metadata)
    relations = relation_fields(models)
    head = _HEAD.format(
        title=service.title, database=service.database, name=service.name, variable=service.url_variable
    )
    blocks = [_model(table, relations.get(table.name, []), models) for table in models.tables]
    blocks += [_enum(enum, models) for enum in models.enums.values()]
    return "\n".join([head, "\n\n".join(blocks), ""])


def _model(table: Table, relations: list[RelationField], models: Models) -> str:
    rows = [(camel_case(column.name), *_field(column, models)) for column in table.columns]
    rows += [(field.name, field.type, field.attribute) for field in relations]
    lines = [*_documentation(table, models), f"model {models.name(table)} {{"]
    lines += [f"  {line}" for line in _aligned(rows)]
    lines += ["", *(f"  {line}" for line in block_attributes(table))]
    lines += [f"  // CHECK {name}: {condition}" for name, condition in checks(table)]
    lines += [f"  // {name}: {definition}" for name, definition in exclusions(table)]
    return "\n".join([*lines, f'  @@map("{table.name}")', "}"])


def _documentation(table: Table, models: Models) -> list[str]:
    meaning = models.meaning(table)
    lines = [f"/// {meaning}"] if meaning else []
    if key := partition_key(table):
        lines.append(
            f"/// Partitioned by {key}, in months; a query that names a span of ids reads only its partitions."
        )
    if computed := [column.name for column in table.columns if computed_text(column)]:
        lines.append(f"/// Kept by the database, never write them: {', '.join(computed)}.")
    return lines


def _field(column: Column[object], models: Models) -> tuple[str, str]:
    kind, native = field_type(column, models)
    attributes = [_identity(column), field_default(column, models)]
    attributes += ["@updatedAt"] if column.name == "updated_at" else []
    attributes += [f'@map("{column.name}")'] if camel_case(column.name) != column.name else []
    return kind, " ".join(attribute for attribute in [*attributes, native] if attribute)


def _identity(column: Column[object]) -> str:
    key = column.table.primary_key
    return f'@id(map: "{key.name}")' if column.primary_key and len(key.columns) == 1 else ""


def _enum(enum: Enum, models: Models) -> str:
    labels = [f"  {label}" for label in enum.enums]
    return "\n".join([f"enum {models.enum_name(enum)} {{", *labels, "", f'  @@map("{enum.name}")', "}"])


def _aligned(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in (0, 1)]
    return [f"{name:{widths[0]}} {kind:{widths[1]}} {attributes}".rstrip() for name, kind, attributes in rows]
