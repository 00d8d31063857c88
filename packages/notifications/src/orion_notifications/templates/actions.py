"""What can be done with templates."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.templates import store
from orion_notifications.templates.rules import Compiled, TemplateFaultError, compile_content

KEPT_TEMPLATES = 1_000


@dataclass(frozen=True)
class PublishedTemplate:
    """The version of a template that is in force."""

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
        return await asyncio.to_thread(compile_content, row["source"], row["channel"])

    def _keep(self, key: tuple[UUID, int, str], compiled: Compiled) -> None:
        self._compiled[key] = compiled
        if len(self._compiled) > KEPT_TEMPLATES:
            self._compiled.popitem(last=False)
