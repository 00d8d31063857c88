"""Lay the ground that every Orion database has: functions, events in and out, idempotency keys.

`uuidv7()` comes with PostgreSQL 18 and is made here for 15 to 17. `ensure_partitions` runs with its owner's rights, so
that the service, which may run no DDL, can still have next month's partitions made.
"""

from alembic import op

revision = "0001_house"
down_revision = None
phase = "pre"

UUIDV7 = """
DO $do$ BEGIN
  IF current_setting('server_version_num')::integer < 180000 THEN
    EXECUTE $create$
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
    $create$;
  END IF;
END $do$
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


def upgrade() -> None:
    for function in (UUIDV7, UUIDV7_FLOOR, SET_UPDATED_AT, ENSURE_PARTITIONS):
        op.execute(function)
    op.execute("REVOKE EXECUTE ON FUNCTION ensure_partitions(regclass, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION ensure_partitions(regclass, integer) TO orion_user_service")
    _outbox()
    _inbox()
    _idempotency_keys()


def _outbox() -> None:
    op.execute("CREATE SEQUENCE outbox_sequence")
    op.execute("CREATE SEQUENCE outbox_position INCREMENT BY 1000 MINVALUE 1")
    op.execute("GRANT USAGE, SELECT ON SEQUENCE outbox_sequence, outbox_position TO orion_user_service")
    op.execute(
        """
        CREATE TABLE outbox (
            id uuid NOT NULL DEFAULT uuidv7(),
            sequence bigint NOT NULL DEFAULT nextval('outbox_sequence'),
            position bigint,
            type varchar(120) NOT NULL,
            subject varchar(255) NOT NULL,
            data jsonb NOT NULL,
            traceparent varchar(55),
            occurred_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_outbox PRIMARY KEY (id)
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute("CREATE INDEX ix_outbox_position ON outbox (position) WHERE position IS NOT NULL")
    op.execute("CREATE INDEX ix_outbox_unnumbered ON outbox (sequence) WHERE position IS NULL")
    op.execute(
        "COMMENT ON TABLE outbox IS 'Events written in the transaction that caused them; "
        "position is given after the commit'"
    )
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("CREATE TABLE outbox_default PARTITION OF outbox DEFAULT")
    op.execute("SELECT ensure_partitions('outbox', 3)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO orion_user_service")


def _inbox() -> None:
    op.execute(
        """
        CREATE TABLE inbox (
            source varchar(60) NOT NULL,
            id uuid NOT NULL,
            type varchar(120) NOT NULL,
            position bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_inbox PRIMARY KEY (source, id)
        )
        """
    )
    op.execute("COMMENT ON TABLE inbox IS 'Events of other services whose effect is in this database'")
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON inbox FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON inbox TO orion_user_service")
    op.execute(
        """
        CREATE TABLE inbox_cursors (
            source varchar(60) NOT NULL,
            position bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_inbox_cursors PRIMARY KEY (source)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE inbox_cursors IS 'How far each feed has been applied; moves in the transaction that applies'"
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON inbox_cursors FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON inbox_cursors TO orion_user_service")


def _idempotency_keys() -> None:
    op.execute(
        """
        CREATE TABLE idempotency_keys (
            key_hash bytea NOT NULL,
            fingerprint bytea NOT NULL,
            response_status smallint NOT NULL,
            response_headers jsonb NOT NULL DEFAULT '{}'::jsonb,
            response_body bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_idempotency_keys PRIMARY KEY (key_hash)
        )
        """
    )
    op.execute("CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at)")
    op.execute(
        "COMMENT ON TABLE idempotency_keys IS "
        "'Requests that took effect under an Idempotency-Key, with their sealed answers'"
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO orion_user_service")


def downgrade() -> None:
    for table in ("idempotency_keys", "inbox_cursors", "inbox", "outbox"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP SEQUENCE outbox_position")
    op.execute("DROP SEQUENCE outbox_sequence")
    op.execute("DROP FUNCTION ensure_partitions(regclass, integer)")
    op.execute("DROP FUNCTION set_updated_at()")
    op.execute("DROP FUNCTION uuidv7_floor(timestamptz)")
    op.execute("DROP FUNCTION IF EXISTS public.uuidv7()")
