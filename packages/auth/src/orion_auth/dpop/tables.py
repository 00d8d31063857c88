"""Which proofs of keys were used up."""

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table
from orion_core.retention.declarations import Rows
from orion_core.tables import Timestamped, digest_check


class DpopProof(Timestamped, Table):
    """A proof of a key with which tokens were got. What a refused request showed is not kept."""

    __tablename__ = "dpop_proofs"

    proof_hash: Mapped[bytes] = mapped_column(
        LargeBinary, primary_key=True, comment="SHA-256 of the key's thumbprint and the proof's jti"
    )
    expires_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "expires_at"),
        CheckConstraint(digest_check("proof_hash"), name="proof_hash"),
        {
            "info": {"retention": Rows("expires_at", timedelta(), "a proof is good for a minute")},
            "comment": "Proofs of keys that were used up (RFC 9449)",
        },
    )
