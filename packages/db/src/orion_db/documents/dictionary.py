"""The data dictionary of a service: every table, column, key and index, in a page of Markdown."""

from sqlalchemy import Column, Index, Table, UniqueConstraint

from orion_core.service import Service
from orion_core.tables import ALL_ROWS
from orion_db.documents.diagram import diagram
from orion_db.documents.models import Models, foreign_keys, partition_key
from orion_db.documents.sql_text import checks, computed_text, default_text, exclusions, index_text, type_text


def dictionary(service: Service) -> str:
    """The whole page."""
    models = Models(service.metadata)
    lines = [
        f"# {service.title}: database `{service.database}`",
        "",
        f"Written by `orion db generate {service.name}` from the models; do not edit.",
        f"`{service.owner_role}` owns everything, `{service.service_role}` has the grants named below.",
        f"All columns in one picture: [{service.name}.svg]({service.name}.svg).",
        f"Rows as Python types: `{service.migrations.parent.name}.generated.rows`.",
        "",
        "```mermaid",
        diagram(models),
        "```",
        "",
    ]
    for table in models.tables:
        lines += _table(table, models)
    lines += ["## Enums", "", "| Type | Labels |", "|---|---|"]
    lines += [
        f"| `{name}` | {', '.join(f'`{label}`' for label in enum.enums)} |" for name, enum in models.enums.items()
    ]
    return "\n".join([*lines, ""])


def _table(table: Table, models: Models) -> list[str]:
    lines = [f"## {table.name}", ""]
    lines += [f"`{models.name(table)}`. {models.meaning(table)}".rstrip(), ""]
    if key := partition_key(table):
        lines += [f"Partitioned by `{key}`, one partition a month and a default one.", ""]
    lines += ["| Column | Type | Null | Default | Meaning |", "|---|---|---|---|---|"]
    lines += [_column(column) for column in table.columns]
    lines += ["", *_keys(table), f"- The service may: {str(table.info.get('grants', ALL_ROWS)).lower()}", ""]
    return lines


def _column(column: Column[object]) -> str:
    generated = computed_text(column)
    default = f"generated: `{_cell(generated)}`" if generated else _code(default_text(column))
    null = "yes" if column.nullable else ""
    meaning = _cell(column.comment or column.doc or ("sealed" if column.info.get("sealed") else ""))
    return f"| `{column.name}` | `{type_text(column)}` | {null} | {default} | {meaning} |"


def _keys(table: Table) -> list[str]:
    columns = ", ".join(column.name for column in table.primary_key.columns)
    lines = [f"- Primary key: `{columns}`"]
    uniques = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
    lines += [
        f"- Unique `{unique.name}`: `{', '.join(column.name for column in unique.columns)}`"
        for unique in sorted(uniques, key=lambda item: str(item.name))
    ]
    for key in foreign_keys(table):
        referred = ", ".join(element.column.name for element in key.elements)
        own = ", ".join(column.name for column in key.columns)
        action = (key.ondelete or "NO ACTION").lower()
        lines.append(
            f"- Foreign key `{key.name}`: `{own}` → `{key.referred_table.name}({referred})`, on delete {action}"
        )
    lines += [_index(index) for index in sorted(table.indexes, key=lambda index: str(index.name))]
    lines += [f"- Exclusion `{name}`: `{definition}`" for name, definition in exclusions(table)]
    return lines + [f"- Check `{name}`: `{condition}`" for name, condition in checks(table)]


def _index(index: Index) -> str:
    return f"- {'Unique index' if index.unique else 'Index'} `{index.name}`: `{index_text(index)}`"


def _code(words: str | None) -> str:
    return f"`{_cell(words)}`" if words else ""


def _cell(words: str) -> str:
    return words.replace("|", "\\|")
