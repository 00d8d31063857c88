"""WebAuthn credentials: hardware keys and passkeys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, owner
from orion_core.retention.declarations import Follows
from orion_core.tables import Identified, Timestamped


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
    name: Mapped[str] = mapped_column(String(100))
    last_used_at: Mapped[datetime | None]

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
