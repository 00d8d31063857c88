"""Second factors: how a user shows them, his recovery codes, and what is half finished."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import PHONE_CHECK, Origin, Table, owner, sealed
from orion_auth.two_factor_methods import ChallengePurpose, TwoFactorMethod
from orion_core.retention.declarations import Follows, Rows
from orion_core.tables import Identified, Timestamped, digest_check, native_enum


class TwoFactorAuth(Identified, Timestamped, Table):
    """The second factors of one user."""

    __tablename__ = "two_factor_auth"

    user_id: Mapped[UUID] = owner()
    is_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    is_required: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="This user must have one, whatever the installation asks of all"
    )
    is_wanted: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="The user wants to be asked for one; lifts nothing that is required"
    )
    primary_method: Mapped[TwoFactorMethod | None] = mapped_column(native_enum(TwoFactorMethod))
    totp_secret: Mapped[bytes | None] = sealed()
    totp_verified_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None] = mapped_column(
        BigInteger, comment="The last time step accepted; it and earlier ones are refused (RFC 6238 §5.2)"
    )
    sms_phone: Mapped[str | None] = mapped_column(String(16), comment="E.164")
    sms_verified_at: Mapped[datetime | None]
    email_verified_at: Mapped[datetime | None]
    hardware_key_verified_at: Mapped[datetime | None]
    recovery_email: Mapped[str | None] = mapped_column(String(255))
    recovery_email_verified_at: Mapped[datetime | None]
    recovery_phone: Mapped[str | None] = mapped_column(String(16), comment="E.164")
    recovery_phone_verified_at: Mapped[datetime | None]
    backup_codes_generated_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_method: Mapped[TwoFactorMethod | None] = mapped_column(native_enum(TwoFactorMethod))

    __table_args__ = (
        UniqueConstraint("user_id"),
        CheckConstraint("NOT is_enabled OR primary_method IS NOT NULL", name="enabled"),
        CheckConstraint("totp_verified_at IS NULL OR totp_secret IS NOT NULL", name="totp"),
        CheckConstraint("sms_verified_at IS NULL OR sms_phone IS NOT NULL", name="sms"),
        CheckConstraint(PHONE_CHECK.format("sms_phone"), name="sms_phone"),
        CheckConstraint(PHONE_CHECK.format("recovery_phone"), name="recovery_phone"),
        CheckConstraint("recovery_email = lower(recovery_email)", name="recovery_email"),
        CheckConstraint(
            "recovery_email_verified_at IS NULL OR recovery_email IS NOT NULL", name="recovery_email_verified"
        ),
        CheckConstraint(
            "recovery_phone_verified_at IS NULL OR recovery_phone IS NOT NULL", name="recovery_phone_verified"
        ),
        {
            "info": {"retention": Follows("identities", "worthless without its user")},
            "comment": "The second factors of one user",
        },
    )


class TwoFactorBackupCode(Identified, Origin, Timestamped, Table):
    """A recovery code, good once."""

    __tablename__ = "two_factor_backup_codes"

    user_id: Mapped[UUID] = owner()
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="HMAC-SHA-256 under a server key")
    used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("user_id", "code_hash"),
        Index("ix_two_factor_backup_codes_unused", "user_id", postgresql_where=text("used_at IS NULL")),
        Index("ix_two_factor_backup_codes_used_at", "used_at", postgresql_where=text("used_at IS NOT NULL")),
        CheckConstraint(digest_check("code_hash"), name="code_hash"),
        {
            "info": {
                "retention": Rows(
                    "used_at", timedelta(days=90), "a used code is worth nothing; unused ones go with their user"
                )
            },
            "comment": "Recovery codes, each good once",
        },
    )


class TwoFactorChallenge(Identified, Timestamped, Table):
    """A code sent out, or a sign-in that still lacks its second factor; counted apart from passwords."""

    __tablename__ = "two_factor_challenges"

    user_id: Mapped[UUID] = owner()
    purpose: Mapped[ChallengePurpose] = mapped_column(native_enum(ChallengePurpose))
    methods: Mapped[list[TwoFactorMethod]] = mapped_column(ARRAY(native_enum(TwoFactorMethod)))
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary, comment="HMAC-SHA-256 under a server key")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("5"))
    codes_sent: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    expires_at: Mapped[datetime]
    consumed_at: Mapped[datetime | None]
    context: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    __table_args__ = (
        Index(None, "user_id", "purpose"),
        Index(None, "expires_at"),
        CheckConstraint(digest_check("code_hash"), name="code_hash"),
        CheckConstraint("attempts BETWEEN 0 AND max_attempts", name="attempts"),
        CheckConstraint("cardinality(methods) > 0", name="methods"),
        {
            "info": {"retention": Rows("expires_at", timedelta(days=30), "long enough to answer who asked for a code")},
            "comment": "Codes sent out and half-finished sign-ins",
        },
    )
