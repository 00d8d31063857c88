"""The text of a migration file, as ruff would leave it."""

import textwrap

from orion_db.authoring.code import laid_out, names_in
from orion_db.authoring.draft import Body, Draft

_WRITTEN = "Written by `orion db migrate` from the models. Review it, and say here why the change is made."

_POST = (
    "It is applied after the new code runs everywhere. Code that still needs what goes must be gone by then; if there "
    "is such code, deploy one that does without it first."
)

_PRE = (
    "Code from before this does not run after it, and code from after it does not run before it. Stop the service "
    "while it is applied, or go in two steps: expand (add the new beside the old, write both, copy what is there), and "
    "when all code uses the new, contract (take the old away in a migration of phase post)."
)

_NOT_DIVIDED = (
    "It should be several migrations (what is added, what is validated, what is taken away), which could not be made "
    "to work one by one on a scratch database. Divide it by hand."
)

_IMPORTS = {
    "sa": "import sqlalchemy as sa",
    "op": "from alembic import op",
    "postgresql": "from sqlalchemy.dialects import postgresql",
}
"""By the name that code uses, in the order that isort wants."""


def file_text(name: str, previous: str | None, title: str, draft: Draft, *, not_divided: bool = False) -> str:
    """The whole file of the revision `name`, which follows `previous`."""
    names = names_in(f"{draft.upgrade.code}\n{draft.downgrade.code}")
    imports = "\n".join(line for used, line in _IMPORTS.items() if used in names)
    constants = [
        f'revision = "{name}"',
        f'down_revision = "{previous}"' if previous else "down_revision = None",
        f'phase = "{draft.phase}"',
    ]
    parts = [_docstring(title, draft, not_divided), *([imports] if imports else []), "\n".join(constants)]
    functions = [_function("upgrade", draft.upgrade), _function("downgrade", draft.downgrade)]
    return "\n\n".join(parts) + "\n\n\n" + "\n\n\n".join(functions) + "\n"


def _docstring(title: str, draft: Draft, not_divided: bool) -> str:
    words = title.strip().replace("_", " ").rstrip(".")
    paragraphs = [words[:1].upper() + words[1:] + ".", _WRITTEN]
    if draft.breaks:
        taken = "; ".join(map(str, draft.breaks))
        paragraphs.append(f"Breaks running code: {taken}. {_POST if draft.phase == 'post' else _PRE}")
    if not_divided:
        paragraphs.append(_NOT_DIVIDED)
    if draft.downgrade.left_over:
        paragraphs.append("downgrade() does not take back: " + "; ".join(map(str, draft.downgrade.left_over)) + ".")
    text = "\n\n".join("\n".join(textwrap.wrap(_plain(paragraph), 118)) for paragraph in paragraphs)
    return f'"""{text}\n"""'


def _plain(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")


def _function(name: str, body: Body) -> str:
    lines = [laid_out(body.code, 4)] if body.code else []
    lines += [f"    # Left to be written by hand: {' '.join(str(left).split())}" for left in body.left_over]
    return "\n".join([f"def {name}() -> None:", *lines, *([] if body.code else ["    pass"])])
