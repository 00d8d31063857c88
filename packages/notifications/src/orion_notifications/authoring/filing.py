"""Templates between files and the database."""

from collections.abc import Mapping, Sequence
from typing import Any

from orion_core.database import Database
from orion_notifications.authoring import actions
from orion_notifications.authoring.actions import ENUMS, Writer
from orion_notifications.authoring.composition import composed, findings
from orion_notifications.authoring.files import FiledTemplate
from orion_notifications.authoring.lint import Finding
from orion_notifications.authoring.shapes import VersionShape
from orion_notifications.rendering.composing import Composer, Part
from orion_notifications.templates.actions import Filters

MOST_TEMPLATES = 10_000
Filed = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A template and the version in force, with labels instead of enums."""


async def in_force(database: Database) -> list[Filed]:
    """All living templates that say something, with what they say."""
    filed: list[Filed] = []
    for row in await actions.page(database, Filters(), None, MOST_TEMPLATES):
        if row["published_version"] is None:
            continue
        version = await actions.version(database, row["id"], row["published_version"])
        shown = VersionShape.model_validate(dict(version)).model_dump()
        if shown["variables"] is None:
            shown["variables"] = row["variables"]
        plain = {name: value.name if name in ENUMS else value for name, value in row.items()}
        filed.append((plain, shown))
    return filed


async def bring_in(writer: Writer, filed: Sequence[FiledTemplate], *, publish: bool) -> list[str]:
    """Make what is new and add versions of what differs; tells what was done, one line each.

    A Problem where one cannot be published: those before it are, and the import can be repeated.
    """
    said = {(template["name"], template["channel"]): version for template, version in await in_force(writer.database)}
    living = await actions.page(writer.database, Filters(), None, MOST_TEMPLATES)
    rows = {(row["name"], row["channel"].name): row for row in living}
    told: list[str] = []
    for each in filed:
        key = each.template.name, each.template.channel
        if key in said and _same(each, said[key]):
            continue
        row = rows.get(key) or await actions.create(writer, each.template.model_dump())
        draft = await actions.draft(
            writer, row["id"], each.version.model_dump() | {"changelog": "Brought in from files."}
        )
        if publish:
            await actions.put_in_force(writer, row["id"], draft["version"])
        state = "in force" if publish else "a draft"
        told.append(f"{each.template.channel} {each.template.name}: version {draft['version']} is {state}")
    return told


def lint_all(filed: Sequence[FiledTemplate]) -> list[tuple[str, Finding]]:
    """What is wrong with each, made of each other."""
    found: list[tuple[str, Finding]] = []
    for each in filed:
        parts = Composer(_parts(filed, each, "LAYOUT"), _parts(filed, each, "PARTIAL"))
        values = each.template.model_dump()
        template = {name: ENUMS[name][value] if name in ENUMS else value for name, value in values.items()}
        template["variables"] = each.version.variables or {}
        unpublished: dict[str, Any] = {"version": 1, "compiled": None, "published_at": None, "parts": {}}
        version = each.version.model_dump() | unpublished
        name = f"{each.template.channel} {each.template.name}"
        found += [(name, finding) for finding in findings(template, version, composed(template, version, parts))]
    return found


def _parts(filed: Sequence[FiledTemplate], of: FiledTemplate, kind: str) -> dict[str, Part]:
    return {
        each.template.name: Part(1, each.version.model_dump()["locales"], each.template.default_locale)
        for each in filed
        if each.template.kind == kind and each.template.channel == of.template.channel
    }


def _same(each: FiledTemplate, version: Mapping[str, Any]) -> bool:
    own = each.version.model_dump()
    return all(own[name] == version[name] for name in ("locales", "layout", "variables"))
