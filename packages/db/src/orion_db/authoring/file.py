"""The text of a migration file."""

import textwrap

from orion_db.authoring.draft import Body, Draft

_TEMPLATE = '''"""{title}.

Written by `orion db migrate` from the models. Review it, and say here why the change is made.
"""

{imports}

phase = "{phase}"


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


def file_text(words: str, draft: Draft) -> str:
    """The whole file. `phase` is "post" when it takes something away that running code may still use."""
    upgrade, downgrade = _function(draft.upgrade), _function(draft.downgrade)
    destroys = "op.drop_table(" in upgrade or "op.drop_column(" in upgrade
    return _TEMPLATE.format(
        title=words.strip().capitalize().replace("_", " ").replace('"', "'").replace("\\", "/").rstrip("."),
        imports=_imports(upgrade + downgrade),
        phase="post" if destroys else "pre",
        upgrade=upgrade,
        downgrade=downgrade,
    )


def _imports(code: str) -> str:
    lines = ["import sqlalchemy as sa"] if "sa." in code else []
    lines += ["from alembic import op"] if "op." in code else []
    lines += ["from sqlalchemy.dialects import postgresql"] if "postgresql." in code else []
    return "\n".join(lines)


def _function(body: Body) -> str:
    """The body of a function, indented. Statements of several lines keep their layout: it may be inside a literal."""
    parts = ["    " + _execute(statement) for statement in body.before]
    parts += [textwrap.indent(body.operations, "    ")] if body.operations else []
    parts += ["    " + _execute(statement) for statement in body.after]
    parts += [f"    # Left to be written by hand: {difference}" for difference in body.left_over]
    return "\n".join(parts if body.before or body.operations or body.after else [*parts, "    pass"])


def _execute(statement: str) -> str:
    r"""`op.execute` of the statement. Alembic reads `:name` as a parameter, so a colon before a word is escaped."""
    escaped = _without_parameters(statement)
    if "\n" not in escaped and '"' not in escaped and "\\" not in escaped:
        return f'op.execute("{escaped}")'
    quotes = "'''" if '"""' in escaped or escaped.endswith('"') else '"""'
    return f"op.execute(r{quotes}{escaped}{quotes})" if quotes not in escaped else f"op.execute({escaped!r})"


def _without_parameters(statement: str) -> str:
    result: list[str] = []
    for position, letter in enumerate(statement):
        before = statement[position - 1] if position else ""
        after = statement[position + 1] if position + 1 < len(statement) else ""
        is_parameter = letter == ":" and (after.isalnum() or after == "_") and before not in (":", "\\")
        result.append("\\:" if is_parameter and not (before.isalnum() or before == "_") else letter)
    return "".join(result)
