"""What can be done with templates. Each change is in the caller's transaction, each refusal of it a Problem."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database
from orion_core.errors import Problem, invalid_field, not_found
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.rendering.composing import Composer, Part
from orion_notifications.rendering.schemas import schema_fault
from orion_notifications.templates import store
from orion_notifications.templates.rules import Compiled, TemplateFaultError, TemplateKind, Tracks, compile_content

KEPT_TEMPLATES = 1_000


@dataclass(frozen=True)
class PublishedTemplate:
    """A published version of a template."""

    id: UUID
    name: str
    version: int
    category: Category
    priority: Priority
    default_locale: str
    locales: tuple[str, ...]
    variables: dict[str, Any]


class UnknownTemplateError(LookupError):
    """There is no active template of that name with a published version for that channel."""


async def published(connection: AsyncConnection, name: str, channel: Channel) -> PublishedTemplate:
    """The version in force; raises UnknownTemplateError."""
    row = await store.find_published(connection, name, channel)
    if row is None:
        raise UnknownTemplateError(f"no active template {name!r} with a published version for {channel.name}")
    return _published(row)


async def pinned(connection: AsyncConnection, template_id: UUID, version: int) -> PublishedTemplate:
    """One version that was published, whichever is in force; raises UnknownTemplateError."""
    row = await store.find_pinned(connection, template_id, version)
    if row is None:
        raise UnknownTemplateError("the template was put away or switched off")
    return _published(row)


def _published(row: RowMapping) -> PublishedTemplate:
    return PublishedTemplate(
        id=row["id"],
        name=row["name"],
        version=row["version"],
        category=Category[row["category"]],
        priority=Priority[row["priority"]],
        default_locale=row["default_locale"],
        locales=tuple(row["locales"]),
        variables=row["variables"],
    )


class Library:
    """Compiled templates by version and locale. A published version never changes, so nothing here gets old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._compiled: OrderedDict[tuple[UUID, int, str], Compiled] = OrderedDict()
        self._reading = asyncio.Lock()

    async def get(self, template_id: UUID, version: int, locale: str) -> Compiled:
        """One locale of one version, ready to be rendered; raises TemplateFaultError."""
        key = template_id, version, locale
        if key not in self._compiled:
            async with self._reading:
                if key not in self._compiled:
                    self._keep(key, await self._compile(*key))
        return self._compiled[key]

    async def _compile(self, template_id: UUID, version: int, locale: str) -> Compiled:
        async with self._database.autocommit() as connection:
            row = await store.find_source(connection, template_id, version, locale)
        if row is None:
            raise TemplateFaultError(f"version {version} has no locale {locale}")
        # What its writer was allowed to write can take a part of a second to read, and messages wait for nothing.
        compiled = await asyncio.to_thread(compile_content, row["source"], row["channel"])
        return replace(compiled, tracks=Tracks(row["tracks_opens"], row["tracks_clicks"]))

    def _keep(self, key: tuple[UUID, int, str], compiled: Compiled) -> None:
        self._compiled[key] = compiled
        if len(self._compiled) > KEPT_TEMPLATES:
            self._compiled.popitem(last=False)


class Filters(NamedTuple):
    """Which templates are asked for."""

    words: str | None = None
    category: Category | None = None
    channel: Channel | None = None
    kind: TemplateKind | None = None
    tag: str | None = None


async def page(
    connection: AsyncConnection, filters: Filters, after: Sequence[Any] | None, limit: int
) -> Sequence[RowMapping]:
    """Living templates by name."""
    return await store.page(connection, **filters._asdict(), after=after, limit=limit)


async def template(connection: AsyncConnection, template_id: UUID, *, lock: bool = False) -> RowMapping:
    """A living template; 404 for none."""
    row = await store.find(connection, template_id, lock=lock)
    if row is None:
        raise not_found("template")
    return row


async def create(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping:
    """Make a template that says nothing yet; 409 when its name is taken in its channel."""
    try:
        return await store.add(connection, values)
    except IntegrityError as error:
        if "uq_templates_name_channel" not in str(error.orig):
            raise
        detail = f"There is a template {values['name']!r} for this channel. Nothing was changed; choose another name."
        raise Problem(409, "name_taken", "Name taken", detail) from None


async def change(connection: AsyncConnection, template_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Change what is known of a template."""
    return await store.change(connection, template_id, values)


async def remove(connection: AsyncConnection, template_id: UUID, now: datetime) -> None:
    """Put a template away. Messages that are queued still leave, by the version that they were made for."""
    await store.change(connection, template_id, {"deleted_at": now})


async def versions(
    connection: AsyncConnection, template_id: UUID, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Versions, newest first; 404 for no template."""
    await template(connection, template_id)
    return await store.versions(connection, template_id, before, limit)


async def version(connection: AsyncConnection, template_id: UUID, number: int) -> RowMapping:
    """A version; 404 for none."""
    row = await store.find_version(connection, template_id, number)
    if row is None:
        raise not_found("version of this template")
    return row


async def draft(connection: AsyncConnection, template_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Add a draft to a template that is locked; 422 for a schema that is none."""
    _require_schema(values.get("variables"))
    return await store.add_version(connection, template_id, values)


async def edit(connection: AsyncConnection, template_id: UUID, number: int, values: Mapping[str, Any]) -> RowMapping:
    """Change a draft; 409 when it is published, 422 for a schema that is none."""
    _require_schema(values.get("variables"))
    row = await store.change_version(connection, template_id, number, values)
    if row is None:
        raise published_already(number)
    return row


async def discard(connection: AsyncConnection, template_id: UUID, number: int) -> None:
    """Throw a draft away; 404 for none, 409 when it is published."""
    await version(connection, template_id, number)
    if not await store.remove_version(connection, template_id, number):
        raise published_already(number)


async def parts(connection: AsyncConnection, channel: Channel) -> Composer:
    """The layouts and partials of a channel that are in force, ready to be put into what is composed."""
    composer_parts: dict[str, dict[str, Part]] = {"LAYOUT": {}, "PARTIAL": {}}
    for row in await store.parts(connection, channel):
        found = Part(row["version"], row["locales"], row["default_locale"])
        composer_parts[row["kind"]][row["name"]] = found
    return Composer(composer_parts["LAYOUT"], composer_parts["PARTIAL"])


async def publish(
    connection: AsyncConnection,
    seen: RowMapping,
    compiled: Mapping[str, Any] | None,
    taken: Mapping[str, int],
    now: datetime,
) -> RowMapping:
    """Publish a draft of a locked template as it was `seen` and compiled; 409 when it was changed meanwhile."""
    template_id, number = seen["template_id"], seen["version"]
    current = await version(connection, template_id, number)
    if current["published_at"] is None:
        if current["updated_at"] != seen["updated_at"]:
            detail = "The draft was changed while it was being published. Read it again and repeat."
            raise Problem(409, "changed_meanwhile", "Changed meanwhile", detail)
        values = {"compiled": compiled, "parts": dict(taken), "published_at": now}
        await store.change_version(connection, template_id, number, values)
    return await store.put_in_force(connection, template_id, number, current["variables"])


def published_already(number: int) -> Problem:
    """409: what is published never changes."""
    detail = f"Version {number} is published and never changes; make a new version of it."
    return Problem(409, "version_published", "Published already", detail)


def _require_schema(schema: Mapping[str, Any] | None) -> None:
    if schema is not None and (fault := schema_fault(schema)) is not None:
        pointer, detail = fault
        raise invalid_field(f"/variables{pointer}", "invalid_schema", detail)
