"""Table of preferences: also the little that this service knows of a user, fed by the events of auth and user."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, Timestamped
from orion_notifications.base import Table


class UserPreference(Identified, Annotated, Timestamped, Table):
    """What one user wants, and where to reach them.

    `category_channels` overrides the switches, as user tells it: `{"MARKETING": {"EMAIL": false}}`. `chosen_channels`
    is the same as chosen here, `type_channels` by type. Quiet hours are local times of `quiet_hours_timezone` (the
    user's own zone where null); they may pass midnight, and then belong to the day they start on. `quiet_hours_days`
    are ISO weekdays, Monday = 1; `quiet_hours_overrides` are other hours of single ones: `{"6": ["23:30", "10:00"]}`.
    `digests` are the categories that are told of together: `{"SOCIAL": "DAILY"}`, at the local time `digest_at`.
    """

    __tablename__ = "user_preferences"

    user_id: Mapped[UUID]
    name: Mapped[str | None] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(255))
    email_verified_at: Mapped[datetime | None]
    phone: Mapped[str | None] = mapped_column(String(16))
    locale: Mapped[str] = mapped_column(String(35), server_default=text("'en'"))
    timezone: Mapped[str] = mapped_column(String(64), server_default=text("'UTC'"))
    email_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    sms_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    push_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    in_app_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    webhook_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    slack_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    discord_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    category_channels: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    chosen_channels: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    type_channels: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    quiet_hours_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    quiet_hours_start: Mapped[time | None]
    quiet_hours_end: Mapped[time | None]
    quiet_hours_timezone: Mapped[str | None] = mapped_column(String(64))
    quiet_hours_days: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), server_default=text("'{1,2,3,4,5,6,7}'"))
    quiet_hours_overrides: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    digests: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    digest_at: Mapped[time] = mapped_column(server_default=text("'09:00'"))
    refuses_tracking: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        UniqueConstraint("user_id"),
        CheckConstraint("email = lower(email)", "email"),
        CheckConstraint(r"phone ~ '^\+[1-9][0-9]{1,14}$'", "phone"),
        CheckConstraint("jsonb_typeof(category_channels) = 'object'", "category_channels"),
        CheckConstraint(
            "NOT quiet_hours_enabled OR coalesce(quiet_hours_start <> quiet_hours_end, false)", "quiet_hours"
        ),
        CheckConstraint("quiet_hours_days <@ '{1,2,3,4,5,6,7}'::smallint[]", "quiet_hours_days"),
        {"info": {"retention": Forever("one row a user, until the person is forgotten")}},
    )
