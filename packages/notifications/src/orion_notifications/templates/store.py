"""Statements on templates and their versions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.kinds import Category, Channel
from orion_notifications.templates.rules import TemplateKind
from orion_notifications.templates.tables import Template, TemplateVersion

TEMPLATES = table_of(Template)
VERSIONS = table_of(TemplateVersion)

PUBLISHED = text("""
SELECT t.id, t.name, t.category::text AS category, t.priority::text AS priority, t.default_locale, t.variables,
  v.version, ARRAY(SELECT jsonb_object_keys(v.locales)) AS locales
FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.version = t.published_version
WHERE t.name = :name AND t.channel = CAST(:channel AS channel) AND t.kind = 'MESSAGE'
  AND t.deleted_at IS NULL AND t.is_active
""")

PINNED = text("""
SELECT t.id, t.name, t.category::text AS category, t.priority::text AS priority, t.default_locale, t.variables,
  v.version, ARRAY(SELECT jsonb_object_keys(v.locales)) AS locales
FROM templates t JOIN template_versions v ON v.template_id = t.id
WHERE t.id = :template_id AND v.version = :version AND v.published_at IS NOT NULL
  AND t.deleted_at IS NULL AND t.is_active
""")

PARTS = text("""
SELECT t.name, t.kind::text AS kind, t.default_locale, v.version, v.locales
FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.version = t.published_version
WHERE t.channel = CAST(:channel AS channel) AND t.kind <> 'MESSAGE' AND t.deleted_at IS NULL AND t.is_active
""")


async def find_published(connection: AsyncConnection, name: str, channel: Channel) -> RowMapping | None:
    """The version in force, without its sources (uq_templates_name_channel)."""
    parameters = {"name": name, "channel": channel.name}
    return (await connection.execute(PUBLISHED, parameters)).mappings().one_or_none()


async def find_pinned(connection: AsyncConnection, template_id: UUID, version: int) -> RowMapping | None:
    """A version that was published, in force or not (pk_templates, uq_template_versions_template_id_version)."""
    parameters = {"template_id": template_id, "version": version}
    return (await connection.execute(PINNED, parameters)).mappings().one_or_none()


async def find_source(connection: AsyncConnection, template_id: UUID, version: int, locale: str) -> RowMapping | None:
    """What one locale is rendered from, and the channel (uq_template_versions_template_id_version, pk_templates)."""
    source = func.coalesce(VERSIONS.c.compiled, VERSIONS.c.locales)[locale].label("source")
    statement = (
        select(source, TEMPLATES.c.channel, VERSIONS.c.tracks_opens, VERSIONS.c.tracks_clicks)
        .join(TEMPLATES, TEMPLATES.c.id == VERSIONS.c.template_id)
        .where(VERSIONS.c.template_id == template_id, VERSIONS.c.version == version, source.is_not(None))
    )
    return (await connection.execute(statement)).mappings().one_or_none()


async def parts(connection: AsyncConnection, channel: Channel) -> Sequence[RowMapping]:
    """Layouts and partials of a channel that are in force (ix_templates_channel)."""
    return (await connection.execute(PARTS, {"channel": channel.name})).mappings().all()


async def page(
    connection: AsyncConnection,
    *,
    words: str | None,
    category: Category | None,
    channel: Channel | None,
    kind: TemplateKind | None,
    tag: str | None,
    after: Sequence[Any] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Living templates by name and channel. There are hundreds, so what is left out is passed over."""
    statement = select(TEMPLATES).where(TEMPLATES.c.deleted_at.is_(None))
    if words is not None:
        searched = (TEMPLATES.c[name] for name in ("name", "display_name", "description"))
        statement = statement.where(or_(*(column.icontains(words, autoescape=True) for column in searched)))
    for column, value in (("category", category), ("channel", channel), ("kind", kind)):
        if value is not None:
            statement = statement.where(TEMPLATES.c[column] == value)
    if tag is not None:
        statement = statement.where(TEMPLATES.c.tags.contains([tag]))  # ix_templates_tags
    if after is not None:
        name, template_id = after
        statement = statement.where(
            or_(TEMPLATES.c.name > name, (TEMPLATES.c.name == name) & (TEMPLATES.c.id > template_id))
        )
    statement = statement.order_by(TEMPLATES.c.name, TEMPLATES.c.id).limit(limit)
    return (await connection.execute(statement)).mappings().all()


async def find(connection: AsyncConnection, template_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """A living template (pk_templates); locked: nobody changes it or its versions meanwhile."""
    statement = select(TEMPLATES).where(TEMPLATES.c.id == template_id, TEMPLATES.c.deleted_at.is_(None))
    if lock:
        statement = statement.with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping:
    """Insert a template; a name that is taken breaks uq_templates_name_channel."""
    return (await connection.execute(insert(TEMPLATES).values(**values).returning(TEMPLATES))).mappings().one()


async def change(connection: AsyncConnection, template_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Change a template (pk_templates)."""
    statement = update(TEMPLATES).where(TEMPLATES.c.id == template_id).values(**values).returning(TEMPLATES)
    return (await connection.execute(statement)).mappings().one()


async def versions(
    connection: AsyncConnection, template_id: UUID, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Versions, newest first, without their sources (uq_template_versions_template_id_version)."""
    shown = (VERSIONS.c[name] for name in ("version", "changelog", "created_by", "published_at"))
    locales = text("ARRAY(SELECT jsonb_object_keys(locales) ORDER BY 1) AS locale_names")
    statement = select(*shown, VERSIONS.c.created_at, VERSIONS.c.updated_at, locales).where(
        VERSIONS.c.template_id == template_id
    )
    if before is not None:
        statement = statement.where(VERSIONS.c.version < before)
    return (await connection.execute(statement.order_by(VERSIONS.c.version.desc()).limit(limit))).mappings().all()


async def find_version(connection: AsyncConnection, template_id: UUID, version: int) -> RowMapping | None:
    """A version with its sources (uq_template_versions_template_id_version)."""
    statement = select(VERSIONS).where(VERSIONS.c.template_id == template_id, VERSIONS.c.version == version)
    return (await connection.execute(statement)).mappings().one_or_none()


async def add_version(connection: AsyncConnection, template_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Insert the next version; the template is locked, so that no other takes its number."""
    last = select(func.coalesce(func.max(VERSIONS.c.version), 0)).where(VERSIONS.c.template_id == template_id)
    statement = insert(VERSIONS).values(template_id=template_id, version=last.scalar_subquery() + 1, **values)
    return (await connection.execute(statement.returning(VERSIONS))).mappings().one()


async def change_version(
    connection: AsyncConnection, template_id: UUID, version: int, values: Mapping[str, Any]
) -> RowMapping | None:
    """Change a draft; None when it is published by now (uq_template_versions_template_id_version)."""
    statement = (
        update(VERSIONS)
        .where(VERSIONS.c.template_id == template_id, VERSIONS.c.version == version, VERSIONS.c.published_at.is_(None))
        .values(**values)
        .returning(VERSIONS)
    )
    return (await connection.execute(statement)).mappings().one_or_none()


async def remove_version(connection: AsyncConnection, template_id: UUID, version: int) -> bool:
    """Delete a draft; False when it is published by now (uq_template_versions_template_id_version)."""
    statement = delete(VERSIONS).where(
        VERSIONS.c.template_id == template_id, VERSIONS.c.version == version, VERSIONS.c.published_at.is_(None)
    )
    return (await connection.execute(statement.returning(VERSIONS.c.id))).one_or_none() is not None


async def put_in_force(
    connection: AsyncConnection, template_id: UUID, version: int, variables: Mapping[str, Any] | None
) -> RowMapping:
    """Make a published version the one that messages are rendered from, with its schema if it has one."""
    schema = TEMPLATES.c.variables if variables is None else variables
    return await change(connection, template_id, {"published_version": version, "variables": schema})
