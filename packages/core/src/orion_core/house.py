"""What every Orion database has before its own tables: functions, outbox, inbox, idempotency keys.

The SQL here is what the models say; the first migration of each service holds the same objects in frozen form, and a
test compares the two catalogs.
"""

from datetime import timedelta

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

from orion_core.retention.declarations import Forever, Months, Rows

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

DROP_OLDEST_PARTITION = """
CREATE FUNCTION drop_oldest_partition(parent regclass, before timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  minimum interval := public.retention_minimum(parent);
  bounds constant text := '^FOR VALUES FROM [(]''([0-9a-f-]{36})''[)] TO [(]''([0-9a-f-]{36})''[)]';
  month record;
  referrer record;
  referred_to boolean;
BEGIN
  IF minimum IS NULL THEN
    RAISE EXCEPTION 'the months of % are kept for ever', parent USING ERRCODE = '22023';
  END IF;
  IF (before <= now() - minimum) IS NOT TRUE THEN
    RAISE EXCEPTION 'the months of % are kept for at least %; those before % stay', parent, minimum, before
      USING ERRCODE = '22023';
  END IF;
  <<months>>
  FOR month IN
    SELECT c.relname, c.oid::regclass AS name, found.bound[1]::uuid AS first_id, found.bound[2]::uuid AS next_id
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid,
      regexp_match(pg_get_expr(c.relpartbound, c.oid), bounds) AS found (bound)
    WHERE i.inhparent = parent AND NOT i.inhdetachpending AND found.bound IS NOT NULL
    ORDER BY 4
  LOOP
    EXIT WHEN month.next_id > public.uuidv7_floor(before);
    -- Looked for without a lock, by the index of the foreign key. DETACH looks again, having locked both tables.
    FOR referrer IN
      SELECT k.conrelid::regclass AS name, a.attname
      FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
      WHERE k.contype = 'f' AND k.confrelid = parent AND k.conparentid = 0
    LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM %1$s WHERE %2$I >= %3$L AND %2$I < %4$L)',
        referrer.name, referrer.attname, month.first_id, month.next_id) INTO referred_to;
      IF referred_to THEN
        RAISE WARNING '% stays: % refers to rows of it', month.name, referrer.name;
        CONTINUE months;
      END IF;
    END LOOP;
    EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', parent, month.name);
    EXECUTE format('DROP TABLE %s', month.name);
    RETURN month.relname;
  END LOOP;
  RETURN NULL;
END
$$
"""
"""Detaches and drops the oldest partition whose rows were all made before a moment, and says its name.

One at a time, so that its lock, which keeps everybody from the table, is held for one month's files only.
"""

MONTHS_AHEAD = 3
"""Partitions beyond the present month that are kept ready: by migrations, deploys, and every service daily."""

WRITE_DOWN_PRUNED = """
SELECT setval('outbox_pruned', gone.position)
FROM (
  SELECT CASE
    WHEN EXISTS (SELECT FROM outbox WHERE position IS NULL AND id < :floor) THEN nextval('outbox_position')
    ELSE (SELECT max(position) FROM outbox WHERE position IS NOT NULL AND id < :floor)
  END AS position
) AS gone
WHERE gone.position > (SELECT last_value FROM outbox_pruned)
"""
"""The last position that goes; of events that nobody has numbered, one that is beyond all that were given.

A sequence holds it, which no rollback sets back: better a reader told of a gap that is not there than one not told.
"""

OUTBOX_RETENTION = Months(
    keep=timedelta(days=30),
    at_least=timedelta(days=7),
    why="a reader that was away for longer is told so, and has to be filled anew",
    write_down=WRITE_DOWN_PRUNED,
)

INBOX_RETENTION = Rows(
    column="created_at",
    keep=timedelta(days=180),
    at_least=timedelta(days=62),
    why="tells an event that is read again, which it is when a feed was restored from a backup; so it is longer than "
    "feeds keep their events, by the age of the oldest backup",
)

FOR_THE_SERVICE = ("ensure_partitions(regclass, integer)", "drop_oldest_partition(regclass, timestamp with time zone)")
"""Functions that run with their owner's rights, which the service's role may call and nobody else."""


def functions(server_version: int) -> list[str]:
    """CREATE FUNCTION statements for a server of that `server_version_num`; PostgreSQL 18 has its own uuidv7()."""
    missing = [] if server_version >= 180000 else [UUIDV7]
    return [*missing, UUIDV7_FLOOR, SET_UPDATED_AT, ENSURE_PARTITIONS, DROP_OLDEST_PARTITION]


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
        info={"retention": OUTBOX_RETENTION},
        comment="Events written in the transaction that caused them; position is given after the commit",
    )
    Index("ix_outbox_position", table.c.position, postgresql_where=table.c.position.is_not(None))
    Index("ix_outbox_unnumbered", table.c.sequence, postgresql_where=table.c.position.is_(None))
    Sequence("outbox_position", increment=1000, minvalue=1, metadata=metadata)
    Sequence("outbox_pruned", minvalue=0, start=0, metadata=metadata)


def _inbox(metadata: MetaData) -> None:
    table = Table(
        "inbox",
        metadata,
        Column("source", String(60), nullable=False),
        Column("id", Uuid, nullable=False),
        Column("type", String(120), nullable=False),
        Column("position", BigInteger, nullable=False),
        *timestamps(),
        PrimaryKeyConstraint("source", "id"),
        info={"retention": INBOX_RETENTION},
        comment="Events of other services whose effect is in this database",
    )
    Index("ix_inbox_created_at", table.c.created_at)
    Table(
        "inbox_cursors",
        metadata,
        Column("source", String(60), primary_key=True),
        Column("position", BigInteger, nullable=False),
        *timestamps(),
        info={"retention": Forever("one row for each feed that is followed")},
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
        info={"retention": Rows("expires_at", timedelta(), "an answer is repeated for a day, and never after that")},
        comment="Requests that took effect under an Idempotency-Key, with their sealed answers",
    )
    Index("ix_idempotency_keys_expires_at", table.c.expires_at)
