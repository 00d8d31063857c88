"""WebAuthn credentials: hardware keys and passkeys, whose they are, and the challenges that they answer."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, owner
from orion_auth.passkeys.rules import WebAuthnPurpose
from orion_core.retention.declarations import Follows, Rows
from orion_core.tables import Identified, Timestamped, digest_check, native_enum


class WebAuthnCredential(Identified, Timestamped, Table):
    """One credential record (Web Authentication Level 3, §4 "credential record")."""

    __tablename__ = "webauthn_credentials"

    user_id: Mapped[UUID] = owner()
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary, comment="COSE_Key (RFC 9052)")
    sign_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    transports: Mapped[list[str]] = mapped_column(ARRAY(String(40)), server_default=text("'{}'"))
    aaguid: Mapped[UUID | None]
    backup_eligible: Mapped[bool] = mapped_column(server_default=text("false"))
    backed_up: Mapped[bool] = mapped_column(server_default=text("false"))
    user_verified: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether it has ever verified its user, by PIN or biometrics"
    )
    is_discoverable: Mapped[bool | None] = mapped_column(
        comment="Whether it is found without naming its user (credProps); empty when the client did not say"
    )
    name: Mapped[str] = mapped_column(String(100))
    last_used_at: Mapped[datetime | None]
    cloned_at: Mapped[datetime | None] = mapped_column(
        comment="When its counter ran backwards: a copy of it is about, and it is refused since"
    )

    __table_args__ = (
        UniqueConstraint("credential_id"),
        Index(None, "user_id"),
        CheckConstraint("octet_length(credential_id) BETWEEN 16 AND 1023", name="credential_id"),
        CheckConstraint("sign_count BETWEEN 0 AND 4294967295", name="sign_count"),
        CheckConstraint("backup_eligible OR NOT backed_up", name="backup"),
        {
            "info": {"retention": Follows("identities", "worthless without its user")},
            "comment": "WebAuthn credentials: hardware keys and passkeys",
        },
    )


class WebAuthnUser(Identified, Timestamped, Table):
    """What authenticators know a user by: random, so that it tells nothing of him (Level 3, §14.6.1)."""

    __tablename__ = "webauthn_users"

    user_id: Mapped[UUID] = owner()
    handle: Mapped[bytes] = mapped_column(LargeBinary, comment="user.id of WebAuthn: 32 random bytes")

    __table_args__ = (
        UniqueConstraint("user_id"),
        UniqueConstraint("handle"),
        CheckConstraint("octet_length(handle) = 32", name="handle"),
        {
            "info": {"retention": Follows("identities", "worthless without its user")},
            "comment": "What authenticators know a user by",
        },
    )


class WebAuthnChallenge(Identified, Timestamped, Table):
    """A challenge that waits for its answer, which removes it."""

    __tablename__ = "webauthn_challenges"

    purpose: Mapped[WebAuthnPurpose] = mapped_column(native_enum(WebAuthnPurpose))
    challenge_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the challenge")
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("identities.id", ondelete="CASCADE"), comment="Who may answer it; empty when anybody may"
    )
    sign_in_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("two_factor_challenges.id", ondelete="CASCADE"),
        comment="The half-finished sign-in that it is the second factor of",
    )
    needs_verification: Mapped[bool] = mapped_column(comment="Whether a touch is not enough: PIN or biometrics")
    expires_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("challenge_hash"),
        Index(None, "user_id"),
        Index(None, "sign_in_id"),
        Index(None, "expires_at"),
        CheckConstraint(digest_check("challenge_hash"), name="challenge_hash"),
        CheckConstraint("(purpose = 'SIGN_IN') = (user_id IS NULL)", name="user_id"),
        CheckConstraint(
            "CASE WHEN sign_in_id IS NULL THEN purpose <> 'SECOND_FACTOR'"
            " ELSE purpose IN ('SECOND_FACTOR', 'REGISTRATION') END",
            name="sign_in_id",
        ),
        {
            "info": {"retention": Rows("expires_at", timedelta(hours=1), "nobody can answer it any more")},
            "comment": "Challenges to authenticators that wait for their answers",
        },
    )
