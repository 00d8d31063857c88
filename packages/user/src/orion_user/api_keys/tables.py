"""Keys of programs. The secret is shown once, when the key is made."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import CIDR, INET
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.last_minute import PAIRS, Seconds
from orion_core.retention.declarations import Follows, Forever, Rows
from orion_core.tables import Annotated, Identified, IpAddress, Timestamped, digest_check
from orion_user.base import Table, object_check


class ApiKey(Identified, Timestamped, Annotated, Table):
    """`orn_<env>_<prefix>_<secret><checksum>`: the public prefix finds the row; of the secret its digest is kept.

    It belongs to a user or to a service. Its scopes are a ceiling: it can never do what its owner cannot do any more.
    """

    __tablename__ = "api_keys"

    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16), unique=True, comment="Public selector, not a secret")
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    service: Mapped[str | None] = mapped_column(String(60))
    issued_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who made it: of a service's key an administrator"
    )
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(121)), server_default=text("'{}'"))
    allowed_cidrs: Mapped[list[str]] = mapped_column(
        ARRAY(CIDR), server_default=text("'{}'"), comment="Empty: from everywhere"
    )
    rate_limit: Mapped[int | None] = mapped_column(comment="Requests in a minute")
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[IpAddress | None] = mapped_column(INET)
    usage_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(200))
    rotated_from_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id", ondelete="SET NULL"))
    overlap_until: Mapped[datetime | None] = mapped_column(comment="Of a rotated key: until when it still works")

    __table_args__ = (
        CheckConstraint("prefix ~ '^[A-Za-z0-9]{8,16}$'", name="prefix"),
        CheckConstraint(digest_check("key_hash"), name="key_hash"),
        CheckConstraint("num_nonnulls(user_id, service) = 1", name="owner"),
        CheckConstraint("rate_limit > 0", name="rate_limit"),
        CheckConstraint("usage_count >= 0", name="usage_count"),
        CheckConstraint("created_at < expires_at", name="expires_at"),
        CheckConstraint("rotated_from_id <> id", name="rotated_from_id"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        Index("ix_api_keys_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("ix_api_keys_issued_by", "issued_by", postgresql_where=text("issued_by IS NOT NULL")),
        Index("ix_api_keys_service", "service", postgresql_where=text("service IS NOT NULL")),
        Index("ix_api_keys_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_api_keys_rotated_from_id", "rotated_from_id", postgresql_where=text("rotated_from_id IS NOT NULL")),
        {"info": {"retention": Forever("few, and the audit trail names them; a user's go with the user")}},
    )


class ApiKeyRate(Identified, Seconds, Timestamped, Table):
    """How often a key with a `rate_limit` was used.

    UNLOGGED: it is written with every such use, and after a crash counting from nothing is harmless.
    """

    __tablename__ = "api_key_rates"

    api_key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))

    __table_args__ = (
        UniqueConstraint("api_key_id"),
        CheckConstraint(PAIRS, name="pairs"),
        {
            "info": {"retention": Follows("api_keys", "one row for each key that has a limit")},
            "prefixes": ["UNLOGGED"],
            "comment": "Uses of API keys in the last minute; lost on a crash, which is harmless",
        },
    )


class LeakReportRate(Identified, Seconds, Timestamped, Table):
    """How often a key was reported from one network.

    UNLOGGED as the uses of keys are. A report needs no sign-in, so there is nobody else to count it for.
    """

    __tablename__ = "leak_report_rates"

    network: Mapped[str] = mapped_column(String(43))
    counts_until: Mapped[datetime] = mapped_column(comment="From when on none of them counts", sort_order=52)

    __table_args__ = (
        UniqueConstraint("network"),
        CheckConstraint(PAIRS, name="pairs"),
        Index(None, "counts_until"),
        {
            "info": {"retention": Rows("counts_until", timedelta(hours=1), "a minute that is over counts nothing")},
            "prefixes": ["UNLOGGED"],
            "comment": "Reports of found API keys in the last minute; lost on a crash, which is harmless",
        },
    )
