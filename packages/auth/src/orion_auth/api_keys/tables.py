"""What auth keeps of the API keys that user tells of."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, CIDR
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped, digest_check


class ApiKey(Identified, Timestamped, Table):
    """A key, under the id that it has in user. So tokens are given for it while user is away."""

    __tablename__ = "api_keys"

    prefix: Mapped[str] = mapped_column(String(16), comment="Public selector, not a secret")
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    user_id: Mapped[UUID | None] = mapped_column(comment="No foreign key: user may tell of one who is gone here")
    service: Mapped[str | None] = mapped_column(String(60))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(121)))
    allowed_cidrs: Mapped[list[str]] = mapped_column(ARRAY(CIDR), comment="Empty: from everywhere")
    rate_limit: Mapped[int | None] = mapped_column(comment="Requests in a minute, at each service")
    ends_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("prefix"),
        CheckConstraint(digest_check("key_hash"), name="key_hash"),
        CheckConstraint("num_nonnulls(user_id, service) = 1", name="owner"),
        CheckConstraint("rate_limit > 0", name="rate_limit"),
        Index("ix_api_keys_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("ix_api_keys_ends_at", "ends_at", postgresql_where=text("ends_at IS NOT NULL")),
        {
            "info": {"retention": Rows("ends_at", timedelta(days=7), "a key that has ended opens nothing any more")},
            "comment": "API keys as user tells of them, to give tokens for",
        },
    )
