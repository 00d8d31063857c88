"""Table of the rules by which messages follow from events."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, SoftDeleted, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.kinds import Channel, ChannelRule, Priority


class NotificationRule(Identified, Annotated, Timestamped, SoftDeleted, Table):
    """What is sent when an event is heard of.

    `variables` says where each variable of the template comes from, `opened_variables` which of them are what was
    sealed in the event: only rules that Orion is delivered with (`is_system`) have those; they are always on and go one
    way. Such rules are never put away, and where one is missing its events wait for it. `failures` is how often a rule
    could not be followed since it was last changed.
    """

    __tablename__ = "notification_rules"

    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(1000), server_default=text("''"))
    event_type: Mapped[str] = mapped_column(String(120))
    condition: Mapped[str | None] = mapped_column(String(2000))
    type: Mapped[str] = mapped_column(String(100))
    template: Mapped[str] = mapped_column(String(100))
    channels: Mapped[list[Channel]] = mapped_column(ARRAY(Table.type_annotation_map[Channel]))
    channel_rule: Mapped[ChannelRule] = mapped_column(native_enum(ChannelRule), server_default=text("'ALL'"))
    escalate_after_seconds: Mapped[int] = mapped_column(server_default=text("600"))
    priority: Mapped[Priority | None]
    user_fact: Mapped[str | None] = mapped_column(String(60))
    address: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    locale_fact: Mapped[str | None] = mapped_column(String(60))
    expires_fact: Mapped[str | None] = mapped_column(String(60))
    variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    opened_variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    once_per: Mapped[str | None] = mapped_column(String(200))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_system: Mapped[bool] = mapped_column(server_default=text("false"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(500))
    last_error_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("name ~ '^[a-z][a-z0-9_.]*$' AND is_system = (name LIKE 'orion.%')", "name"),
        CheckConstraint("cardinality(channels) BETWEEN 1 AND 7", "channels"),
        CheckConstraint("escalate_after_seconds BETWEEN 1 AND 604800", "escalate_after_seconds"),
        CheckConstraint("user_fact IS NOT NULL OR address IS NOT NULL", "recipient"),
        CheckConstraint("jsonb_typeof(variables) = 'object'", "variables"),
        CheckConstraint("is_system OR opened_variables = '{}'", "secrets_of_ours"),
        CheckConstraint("opened_variables = '{}' OR is_active AND channel_rule = 'ALL'", "secrets_go_one_way"),
        CheckConstraint("NOT is_system OR deleted_at IS NULL AND once_per IS NOT NULL", "system"),
        CheckConstraint("(failures > 0) = (last_error IS NOT NULL AND last_error_at IS NOT NULL)", "failures"),
        Index("uq_notification_rules_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_notification_rules_event_type", "event_type", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_notification_rules_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        {"info": {"retention": Forever("an operator's setting")}},
    )
