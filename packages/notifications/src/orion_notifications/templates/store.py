"""Statements on templates and their versions."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.kinds import Channel
from orion_notifications.templates.tables import TemplateVersion

PUBLISHED = text("""
SELECT t.id, t.name, t.category::text AS category, t.priority::text AS priority, t.default_locale, t.variables,
  v.version, ARRAY(SELECT jsonb_object_keys(v.locales)) AS locales
FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.version = t.published_version
WHERE t.name = :name AND t.channel = CAST(:channel AS channel) AND t.deleted_at IS NULL AND t.is_active
""")


async def find_published(connection: AsyncConnection, name: str, channel: Channel) -> RowMapping | None:
    """The version in force, without its sources (uq_templates_name_channel)."""
    parameters = {"name": name, "channel": channel.name}
    return (await connection.execute(PUBLISHED, parameters)).mappings().one_or_none()


async def find_source(
    connection: AsyncConnection, template_id: UUID, version: int, locale: str
) -> dict[str, Any] | None:
    """The sources of one locale (uq_template_versions_template_id_version)."""
    versions = table_of(TemplateVersion)
    statement = select(versions.c.locales[locale]).where(
        versions.c.template_id == template_id, versions.c.version == version
    )
    return (await connection.execute(statement)).scalar_one_or_none()
