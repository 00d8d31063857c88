"""The audit trail: what was done, by whom, to whom; and the checkpoints that make tampering show.

How it is made believable, so that the columns can be read (`orion audit verify` does it):

- The personal part of a row (`rules.PERSONAL`) is committed to, not hashed directly: `commitment` is
  SHA-256(salt || canonical JSON of the personal part), with 32 random bytes of salt.
- `leaf_hash` is SHA-256(0x00 || transaction_id || canonical JSON of `rules.HASHED` and the commitment), the leaf of a
  Merkle tree as in RFC 9162 §2.1. `updated_at` is `created_at` until the row is erased, and `erased_at` from then on;
  that one is proved by the entry about the erasure. So no column can be changed unseen.
- A checkpoint takes all rows written by transactions below its `horizon` that no earlier one has, in the order of
  `leaf_ids`, keeps their tree's root, and is signed together with the hash of the checkpoint before it. So
  transactions that commit late are never passed over, and rows need not be updated to be numbered.
- Erasing a person (GDPR Art. 17) empties salt and personal part and leaves the commitment: without the salt it says
  nothing, and every proof stays valid. No other UPDATE or DELETE gets past the trigger, the owner's own included.
- A TRUNCATE of either table is refused too. Retention drops whole partitions; the checkpoints stay and prove what was
  there.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, LargeBinary, String, Uuid, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever, Months
from orion_core.service import service_role
from orion_core.tables import APPEND_ONLY, Identified, IpAddress, Timestamped, after_create, digest_check, native_enum
from orion_user.audit.rules import PERSONAL, ActorType, AuditStatus
from orion_user.base import Table, trigger


class AuditLog(Identified, Timestamped, Table):
    """One thing that was done or tried. Ids have no foreign keys: history outlives what it tells of."""

    __tablename__ = "audit_logs"

    service: Mapped[str] = mapped_column(String(60))
    actor_type: Mapped[ActorType] = mapped_column(native_enum(ActorType))
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str | None] = mapped_column(String(100), comment="Who has no id elsewhere")
    on_behalf_of: Mapped[UUID | None]
    user_id: Mapped[UUID | None] = mapped_column(comment="Whom it was done to")
    action: Mapped[str] = mapped_column(String(100))
    resource_type: Mapped[str] = mapped_column(String(60))
    resource_id: Mapped[str | None] = mapped_column(String(255))
    old_values: Mapped[dict[str, Any] | None]
    new_values: Mapped[dict[str, Any] | None]
    changed_fields: Mapped[list[str]] = mapped_column(ARRAY(String(100)), server_default=text("'{}'"))
    session_id: Mapped[UUID | None]
    request_id: Mapped[str | None] = mapped_column(String(64))
    ip_address: Mapped[IpAddress | None] = mapped_column(INET)
    user_agent: Mapped[str | None] = mapped_column(String(512))
    status: Mapped[AuditStatus] = mapped_column(native_enum(AuditStatus))
    error: Mapped[str | None] = mapped_column(String(1000))
    duration_ms: Mapped[int | None]
    timestamp: Mapped[datetime] = mapped_column(server_default=text("now()"))
    transaction_id: Mapped[int] = mapped_column(
        BigInteger, server_default=text("pg_current_xact_id()::text::bigint"), comment="Checkpoints go by it"
    )
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    commitment: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of salt and personal part")
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the rest and the commitment")
    erased_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(actor_type = 'SYSTEM') = (actor_id IS NULL)", name="actor"),
        CheckConstraint("duration_ms >= 0", name="duration_ms"),
        CheckConstraint(digest_check("salt"), name="salt"),
        CheckConstraint(digest_check("commitment"), name="commitment"),
        CheckConstraint(digest_check("leaf_hash"), name="leaf_hash"),
        CheckConstraint(f"erased_at IS NULL OR num_nonnulls(salt, {', '.join(PERSONAL)}) = 0", name="erased"),
        CheckConstraint("erased_at IS NOT NULL OR salt IS NOT NULL", name="salted"),
        Index(None, "user_id", "action", "timestamp"),
        # Behind what is asked for stands the id, by which pages go.
        Index("ix_audit_logs_user_id_id", "user_id", "id", postgresql_where=text("user_id IS NOT NULL")),
        Index(None, "actor_id", "id"),
        Index(None, "action", "id"),
        Index(None, "resource_type", "resource_id", "id"),
        Index("ix_audit_logs_status_id", "status", "id", postgresql_where=text("status <> 'SUCCESS'")),
        Index("ix_audit_logs_session_id_id", "session_id", "id", postgresql_where=text("session_id IS NOT NULL")),
        Index("ix_audit_logs_request_id_id", "request_id", "id", postgresql_where=text("request_id IS NOT NULL")),
        Index("ix_audit_logs_on_behalf_of", "on_behalf_of", postgresql_where=text("on_behalf_of IS NOT NULL")),
        # A row's place in the table follows both, so a few pages of summary stand for an index of the whole.
        Index("ix_audit_logs_brin", "timestamp", "transaction_id", postgresql_using="brin"),
        {
            "postgresql_partition_by": "RANGE (id)",
            "info": {
                "retention": Months(
                    keep=timedelta(days=2555),
                    at_least=timedelta(days=365),
                    why="seven years, the longest that is commonly asked of business records",
                ),
                "grants": APPEND_ONLY,
            },
        },
    )


REFUSE_CHANGE = """
CREATE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  expected audit_logs := OLD;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.erased_at IS NOT NULL THEN
    expected.erased_at := coalesce(OLD.erased_at, NEW.erased_at);
    NEW.updated_at := expected.erased_at;
    expected.updated_at := expected.erased_at;
    expected.salt := NULL;
    expected.old_values := NULL;
    expected.new_values := NULL;
    expected.error := NULL;
    expected.ip_address := NULL;
    expected.user_agent := NULL;
    IF NEW IS NOT DISTINCT FROM expected THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit_logs is append-only' USING
    ERRCODE = 'restrict_violation',
    HINT = 'The one change allowed is to erase: set erased_at, empty salt and personal columns. '
           'Retention detaches partitions.';
END
$$
"""
ERASE = """
CREATE FUNCTION erase_audit_logs(person uuid, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  erased integer;
BEGIN
  UPDATE audit_logs
  SET erased_at = at, salt = NULL, old_values = NULL, new_values = NULL, error = NULL, ip_address = NULL,
      user_agent = NULL
  WHERE erased_at IS NULL
    AND (user_id = person OR actor_id = person OR on_behalf_of = person
      OR (resource_type = 'user' AND resource_id = person::text));
  GET DIAGNOSTICS erased = ROW_COUNT;
  RETURN erased;
END
$$
"""
"""Runs with its owner's rights: the service may change no row of the trail but by this and the next."""
ERASE_SIGNATURE = "erase_audit_logs(uuid, timestamp with time zone)"
ERASE_ADDRESS = """
CREATE FUNCTION erase_audit_logs_of_address(address text, at timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RETURN QUERY
  WITH emptied AS (
    UPDATE audit_logs
    SET erased_at = at, salt = NULL, old_values = NULL, new_values = NULL, error = NULL, ip_address = NULL,
        user_agent = NULL
    WHERE erased_at IS NULL
      AND resource_type = 'membership'
      AND address IN (old_values ->> 'email', new_values ->> 'email')
    RETURNING resource_id
  )
  SELECT DISTINCT emptied.resource_id::text FROM emptied;
END
$$
"""
"""The same for entries that once named an address which was invited, whose owner was not known; the memberships'."""
ERASE_ADDRESS_SIGNATURE = "erase_audit_logs_of_address(text, timestamp with time zone)"
REFUSE_TRUNCATE = """
CREATE FUNCTION refuse_audit_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING
    ERRCODE = 'restrict_violation',
    HINT = 'Retention detaches partitions of audit_logs; the checkpoints stay.';
END
$$
"""
REFUSE_TRUNCATE_OF = (
    "CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_truncate()"
)
after_create(
    AuditLog,
    REFUSE_CHANGE,
    # By its name it comes after set_updated_at, so that nothing changes the row once it was looked at.
    trigger("stay_append_only", "BEFORE UPDATE OR DELETE", "audit_logs", "refuse_audit_log_change"),
    REFUSE_TRUNCATE,
    REFUSE_TRUNCATE_OF.format("audit_logs"),
    ERASE,
    f"REVOKE EXECUTE ON FUNCTION {ERASE_SIGNATURE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {ERASE_SIGNATURE} TO {service_role('user')}",
    ERASE_ADDRESS,
    f"REVOKE EXECUTE ON FUNCTION {ERASE_ADDRESS_SIGNATURE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {ERASE_ADDRESS_SIGNATURE} TO {service_role('user')}",
)


class AuditCheckpoint(Identified, Timestamped, Table):
    """A signed statement of which rows the audit trail had.

    `number` counts from 1 without gaps and `previous_hash` chains, so a checkpoint that is missing shows; the latest
    one's `hash`, kept anywhere outside, shows a cut tail.
    """

    __tablename__ = "audit_checkpoints"

    number: Mapped[int] = mapped_column(BigInteger, unique=True)
    horizon: Mapped[int] = mapped_column(BigInteger, comment="All transactions below it are covered")
    after_id: Mapped[UUID | None] = mapped_column(
        comment="Of the transaction at the horizon, the entries up to this one"
    )
    leaf_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), comment="Ids of audit_logs, in the order of the leaves")
    tree_size: Mapped[int] = mapped_column(BigInteger, comment="Leaves of this and all earlier checkpoints")
    root_hash: Mapped[bytes] = mapped_column(LargeBinary)
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of everything before it in the row")
    key_id: Mapped[str] = mapped_column(String(64))
    signature: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        CheckConstraint("number >= 1 AND (number = 1) = (previous_hash IS NULL)", name="chain"),
        CheckConstraint("cardinality(leaf_ids) BETWEEN 1 AND 10000", name="leaf_ids"),
        CheckConstraint("tree_size >= cardinality(leaf_ids)", name="tree_size"),
        *(CheckConstraint(digest_check(column), name=column) for column in ("root_hash", "previous_hash", "hash")),
        {
            "info": {
                "retention": Forever(
                    "the chain of signatures proves what the trail had, also once its months are gone"
                ),
                "grants": APPEND_ONLY,
            }
        },
    )


class AuditSigningKey(Identified, Timestamped, Table):
    """A key that checkpoints are signed with (Ed25519); the newest one signs. The private half is sealed."""

    __tablename__ = "audit_signing_keys"

    key_id: Mapped[str] = mapped_column(String(64), unique=True, comment="RFC 7638 thumbprint")
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    private_key: Mapped[bytes] = mapped_column(LargeBinary, info={"sealed": True})

    __table_args__ = (
        CheckConstraint(digest_check("public_key"), name="public_key"),
        {"info": {"retention": Forever("what they signed is checked as long as there are checkpoints")}},
    )


after_create(AuditCheckpoint, REFUSE_TRUNCATE_OF.format("audit_checkpoints"))
