"""Tables of templates and their versions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, SoftDeleted, Timestamped, after_create, native_enum
from orion_notifications.base import Table
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.templates.rules import TemplateKind


class Template(Identified, Annotated, Timestamped, SoftDeleted, Table):
    """What a kind of message says through one channel; or a layout or a partial, of which such messages are made.

    `variables` is the JSON Schema of what rendering needs; a property with `"x-secret": true` is sealed and never kept
    in clear.
    """

    __tablename__ = "templates"

    name: Mapped[str] = mapped_column(String(100))
    display_name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(1000), server_default=text("''"))
    category: Mapped[Category]
    channel: Mapped[Channel]
    kind: Mapped[TemplateKind] = mapped_column(native_enum(TemplateKind), server_default=text("'MESSAGE'"))
    priority: Mapped[Priority] = mapped_column(server_default=text("'NORMAL'"))
    default_locale: Mapped[str] = mapped_column(String(35), server_default=text("'en'"))
    variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    published_version: Mapped[int | None]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(50)), server_default=text("'{}'"))

    __table_args__ = (
        CheckConstraint("name ~ '^[a-z][a-z0-9_]*$'", "name"),
        CheckConstraint("jsonb_typeof(variables) = 'object'", "variables"),
        Index("uq_templates_name_channel", "name", "channel", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_templates_category", "category"),
        Index("ix_templates_channel", "channel"),
        Index("ix_templates_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_templates_tags", "tags", postgresql_using="gin"),
        {"info": {"retention": Forever("messages refer to them")}},
    )


class TemplateVersion(Identified, Annotated, Timestamped, Table):
    """One edition of a template in all its languages; immutable once `published_at` is set.

    `locales` maps a BCP 47 tag to what was written: `{"subject": …, "text": …, "html": …, "mjml": …}`, each a Liquid
    source or null. `compiled` is what messages are rendered from, made of it, of `layout` and of partials when it was
    published, in the versions that `parts` tells; where it is null, `locales` is that itself.
    """

    __tablename__ = "template_versions"

    template_id: Mapped[UUID] = mapped_column(ForeignKey("templates.id", ondelete="RESTRICT"))
    version: Mapped[int]
    locales: Mapped[dict[str, Any]]
    layout: Mapped[str | None] = mapped_column(String(100))
    variables: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The schema that becomes the template's with this version; null: it stays as it is."""
    compiled: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    parts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    tracks_opens: Mapped[bool] = mapped_column(server_default=text("false"))
    tracks_clicks: Mapped[bool] = mapped_column(server_default=text("false"))
    changelog: Mapped[str] = mapped_column(String(1000), server_default=text("''"))
    created_by: Mapped[UUID | None]
    published_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("template_id", "version"),
        CheckConstraint("version >= 1", "version"),
        CheckConstraint("jsonb_typeof(locales) = 'object' AND locales <> '{}'", "locales"),
        CheckConstraint("jsonb_typeof(variables) = 'object'", "variables"),
        CheckConstraint("jsonb_typeof(compiled) = 'object'", "compiled"),
        {"info": {"retention": Forever("what a message said can be shown as long as there is the message")}},
    )


REFUSE_PUBLISHED_CHANGE = """
CREATE FUNCTION refuse_published_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'version % of template % is published and can no longer change', OLD.version, OLD.template_id
    USING ERRCODE = '23514', CONSTRAINT = 'ck_template_versions_immutable', TABLE = 'template_versions';
END
$$
"""

IMMUTABLE_VERSIONS = """
CREATE TRIGGER refuse_published_change BEFORE UPDATE OR DELETE ON template_versions FOR EACH ROW
WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION refuse_published_change()
"""

REQUIRE_PUBLISHED_VERSION = """
CREATE FUNCTION require_published_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM template_versions
    WHERE template_id = NEW.id AND version = NEW.published_version AND published_at IS NOT NULL
  ) THEN
    RAISE EXCEPTION 'template % has no published version %', NEW.name, NEW.published_version
      USING ERRCODE = '23503', CONSTRAINT = 'fk_templates_published_version', TABLE = 'templates';
  END IF;
  RETURN NULL;
END
$$
"""

# Deferred, because a template and its first version point at each other. Published versions are never deleted, so
# looking when the template changes is enough.
PUBLISHED_VERSION = """
CREATE CONSTRAINT TRIGGER require_published_version AFTER INSERT OR UPDATE OF published_version ON templates
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.published_version IS NOT NULL)
EXECUTE FUNCTION require_published_version()
"""

after_create(Template, REQUIRE_PUBLISHED_VERSION, PUBLISHED_VERSION)
after_create(TemplateVersion, REFUSE_PUBLISHED_CHANGE, IMMUTABLE_VERSIONS)
