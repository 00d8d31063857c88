"""What every Orion database has before its own tables: functions, outbox, inbox, idempotency keys.

The SQL here is what the models say; the first migration of each service holds the same objects in frozen form, and a
test compares the two catalogs.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    String,
    Table,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

UUIDV7 = """
CREATE FUNCTION uuidv7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  -- RFC 9562 §5.7: 48 bits of milliseconds over a random UUID, then version 7; the variant of gen_random_uuid() stays.
  SELECT encode(
    set_byte(
      overlay(random_bytes PLACING milliseconds FROM 1 FOR 6),
      6, (get_byte(random_bytes, 6) & 15) | 112
    ), 'hex')::uuid
  FROM (SELECT
    uuid_send(gen_random_uuid()) AS random_bytes,
    substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) AS milliseconds
  ) AS parts
$$
"""

UUIDV7_FLOOR = """
CREATE FUNCTION uuidv7_floor(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT rpad(lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$
"""

SET_UPDATED_AT = """
CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$
"""

ENSURE_PARTITIONS = """
CREATE FUNCTION ensure_partitions(parent regclass, months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  this_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
  first_day timestamp;
  first_id uuid;
  next_id uuid;
  partition_name text;
  passed_over boolean;
  made integer := 0;
BEGIN
  IF months_ahead NOT BETWEEN 0 AND 24 THEN
    RAISE EXCEPTION 'months_ahead must be between 0 and 24, not %', months_ahead USING ERRCODE = '22023';
  END IF;
  IF pg_get_partkeydef(parent) IS DISTINCT FROM 'RANGE (id)' THEN
    RAISE EXCEPTION '% is not partitioned by RANGE (id)', parent USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'), parent::oid::integer);
  FOR month IN 0..months_ahead LOOP
    first_day := this_month + make_interval(months => month);
    partition_name := (SELECT relname FROM pg_class WHERE oid = parent) || to_char(first_day, '"_y"YYYY"m"MM');
    CONTINUE WHEN to_regclass('public.' || quote_ident(partition_name)) IS NOT NULL;
    first_id := public.uuidv7_floor(first_day AT TIME ZONE 'UTC');
    next_id := public.uuidv7_floor((first_day + interval '1 month') AT TIME ZONE 'UTC');
    -- A month whose rows are in the default partition cannot be cut out of it without deleting them there, which
    -- foreign keys would cascade and append-only tables refuse. They stay where they are; later months get their own.
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE id >= %L AND id < %L)', parent, first_id, next_id)
      INTO passed_over;
    IF NOT passed_over THEN
      BEGIN
        EXECUTE format(
          'CREATE TABLE public.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
          partition_name, parent, first_id, next_id
        );
        made := made + 1;
      EXCEPTION WHEN check_violation THEN
        passed_over := true;  -- a row came between the look and the lock
      END;
    END IF;
    IF passed_over THEN
      RAISE WARNING '% is not made: the default partition of % has rows of that month', partition_name, parent;
    END IF;
  END LOOP;
  RETURN made;
END
$$
"""

MONTHS_AHEAD = 3
"""Partitions beyond the present month that are kept ready: by migrations, deploys, and every service daily."""


def functions(server_version: int) -> list[str]:
    """CREATE FUNCTION statements for a server of that `server_version_num`; PostgreSQL 18 has its own uuidv7()."""
    missing = [] if server_version >= 180000 else [UUIDV7]
    return [*missing, UUIDV7_FLOOR, SET_UPDATED_AT, ENSURE_PARTITIONS]


def add_tables(metadata: MetaData) -> None:
    """Declare the tables of the house in a service's metadata."""
    _outbox(metadata)
    _inbox(metadata)
    _idempotency_keys(metadata)


def timestamps() -> tuple[Column[object], Column[object]]:
    """`created_at` and `updated_at`; the latter is kept by the trigger `set_updated_at`."""
    return tuple(
        Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())
        for name in ("created_at", "updated_at")
    )  # pyright: ignore[reportReturnType]


def _outbox(metadata: MetaData) -> None:
    order = Sequence("outbox_sequence", metadata=metadata)
    table = Table(
        "outbox",
        metadata,
        Column("id", Uuid, primary_key=True, server_default=func.uuidv7()),
        Column("sequence", BigInteger, nullable=False, server_default=order.next_value()),
        Column("position", BigInteger),
        Column("type", String(120), nullable=False),
        Column("subject", String(255), nullable=False),
        Column("data", JSONB, nullable=False),
        Column("traceparent", String(55)),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        *timestamps(),
        postgresql_partition_by="RANGE (id)",
        comment="Events written in the transaction that caused them; position is given after the commit",
    )
    Index("ix_outbox_position", table.c.position, postgresql_where=table.c.position.is_not(None))
    Index("ix_outbox_unnumbered", table.c.sequence, postgresql_where=table.c.position.is_(None))
    Sequence("outbox_position", increment=1000, minvalue=1, metadata=metadata)


def _inbox(metadata: MetaData) -> None:
    Table(
        "inbox",
        metadata,
        Column("source", String(60), nullable=False),
        Column("id", Uuid, nullable=False),
        Column("type", String(120), nullable=False),
        Column("position", BigInteger, nullable=False),
        *timestamps(),
        PrimaryKeyConstraint("source", "id"),
        comment="Events of other services whose effect is in this database",
    )
    Table(
        "inbox_cursors",
        metadata,
        Column("source", String(60), primary_key=True),
        Column("position", BigInteger, nullable=False),
        *timestamps(),
        comment="How far each feed has been applied; moves in the transaction that applies",
    )


def _idempotency_keys(metadata: MetaData) -> None:
    table = Table(
        "idempotency_keys",
        metadata,
        Column("key_hash", LargeBinary, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("response_status", SmallInteger, nullable=False),
        Column("response_headers", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("response_body", LargeBinary, nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        *timestamps(),
        comment="Requests that took effect under an Idempotency-Key, with their sealed answers",
    )
    Index("ix_idempotency_keys_expires_at", table.c.expires_at)
