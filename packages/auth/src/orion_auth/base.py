"""The declarative base of auth's tables, and what several of its slices say in the same words.

Two decisions hold for every table of this database:

- What hangs on a user and is worthless without him (credentials, tokens, devices, linked accounts) has a foreign key to
  `identities` with ON DELETE CASCADE.
- `login_attempts`, `security_events` and `session_blacklist` have a `user_id` without a foreign key. The first two are
  append-only history: it has to outlive the user it tells of, and neither a cascade nor a SET NULL may rewrite it. The
  third must go on refusing a deleted user's tokens until they would have died anyway.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, Row, String
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from orion_core.tables import TYPES, IpAddress, service_metadata

AnyRow = Row[*tuple[Any, ...]]
"""A row of a store's statement, whose columns stand in that statement."""


class Table(DeclarativeBase):
    """Base of every model of auth."""

    metadata = service_metadata("auth")
    type_annotation_map = TYPES


def owner(**options: Any) -> Mapped[UUID]:
    """`user_id` of something that lives and dies with its user."""
    return mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), **options)


class Origin:
    """Where a request came from, as far as the network told."""

    ip_address: Mapped[IpAddress | None] = mapped_column(INET)
    user_agent: Mapped[str | None] = mapped_column(String(512))


class Place:
    """Where on Earth an address is thought to be; empty without a geography database."""

    country: Mapped[str | None] = mapped_column(String(2), comment="ISO 3166-1 alpha-2")
    region: Mapped[str | None] = mapped_column(String(100))
    city: Mapped[str | None] = mapped_column(String(100))
    location: Mapped[dict[str, Any] | None] = mapped_column(comment="latitude, longitude, accuracy in kilometres")


def sealed() -> Mapped[bytes | None]:
    """A secret that must be read back: AES-256-GCM ciphertext bound to its row, never clear text."""
    return mapped_column(LargeBinary, info={"sealed": True})


PHONE_CHECK = r"{} ~ '^\+[1-9][0-9]{{1,14}}$'"
"""CHECK that a column is a phone number in E.164 (ITU-T E.164: at most 15 digits)."""
