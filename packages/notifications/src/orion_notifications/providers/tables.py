"""Tables of provider accounts, and of what they still let through."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.kinds import Channel
from orion_notifications.providers.rules import ProviderHealth


class ProviderAccount(Identified, Annotated, Timestamped, Table):
    """An account with somebody who carries messages. Accounts of one channel share its load by `weight`.

    `health` is what the worker that saw it change last has measured; every worker measures for itself.
    """

    __tablename__ = "provider_accounts"

    channel: Mapped[Channel]
    provider: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(100))
    sealed_credentials: Mapped[bytes | None] = mapped_column(LargeBinary, info={"sealed": True})
    weight: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    rate_limit: Mapped[int | None]
    rate_limit_seconds: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    health: Mapped[ProviderHealth] = mapped_column(native_enum(ProviderHealth), server_default=text("'HEALTHY'"))
    health_changed_at: Mapped[datetime | None]

    __table_args__ = (
        # Also the index by channel: its leading column.
        UniqueConstraint("channel", "name"),
        CheckConstraint("weight BETWEEN 0 AND 1000", "weight"),
        CheckConstraint("rate_limit > 0 AND rate_limit_seconds > 0", "rate_limit"),
        {"info": {"retention": Forever("settings")}},
    )


class ProviderBucket(Table):
    """What an account with a rate limit still lets through, for all workers together.

    A token bucket as one moment (the generic cell rate algorithm, ITU-T I.371): `full_at` is when it will be full
    again. Apart from the account, since it changes many times a second.
    """

    __tablename__ = "provider_buckets"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("provider_accounts.id", ondelete="CASCADE"), primary_key=True)
    full_at: Mapped[datetime]
    granted: Mapped[int] = mapped_column(SmallInteger, comment="What was given out the last time that it was asked")

    __table_args__ = ({"info": {"retention": Follows("provider_accounts", "one row an account with a limit")}},)
