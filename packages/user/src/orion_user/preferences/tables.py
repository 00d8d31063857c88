"""What a user has chosen."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows
from orion_core.tables import Identified, Timestamped
from orion_user.base import Table, object_check

KINDS = ("notifications", "privacy", "display", "security")


class UserPreferences(Identified, Timestamped, Table):
    """One row for each user. A key that is absent from a kind has its default, so defaults can change for everyone."""

    __tablename__ = "user_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    notifications: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    privacy: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    display: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    security: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    locale: Mapped[str] = mapped_column(String(35), server_default="en", comment="BCP 47")
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC", comment="IANA name")

    __table_args__ = (
        *(CheckConstraint(object_check(kind), name=kind) for kind in KINDS),
        {"info": {"retention": Follows("users", "what its user has chosen")}},
    )
