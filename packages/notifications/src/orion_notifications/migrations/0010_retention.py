"""Let old rows go: months whose time is over can be dropped, and what is due by row is found by an index.

`drop_oldest_partition` runs with its owner's rights, since the service may run no DDL. `retention_minimum` says what it
refuses, and is not the service's to change.
"""

from alembic import op

revision = "0010_retention"
down_revision = "0009_push"
phase = "pre"

RETENTION_MINIMUM = """
CREATE FUNCTION retention_minimum(parent regclass) RETURNS interval
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE (SELECT relname FROM pg_class WHERE oid = parent AND relnamespace = 'public'::regnamespace)
    WHEN 'delivery_attempts' THEN interval '168 hours'
    WHEN 'notifications' THEN interval '720 hours'
    WHEN 'outbox' THEN interval '168 hours'
    ELSE NULL::interval
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


def upgrade() -> None:
    op.execute(RETENTION_MINIMUM)
    op.execute(DROP_OLDEST_PARTITION)
    op.execute("REVOKE EXECUTE ON FUNCTION drop_oldest_partition(regclass, timestamp with time zone) FROM PUBLIC")
    op.execute(
        "GRANT EXECUTE ON FUNCTION drop_oldest_partition(regclass, timestamp with time zone) TO orion_notifications_service"
    )
    op.execute("CREATE INDEX ix_inbox_created_at ON inbox (created_at)")
    op.execute(
        "CREATE INDEX ix_push_subscriptions_disabled_at ON push_subscriptions (disabled_at) WHERE disabled_at IS NOT NULL"
    )
    op.execute("CREATE INDEX ix_suppressions_expires_at ON suppressions (expires_at) WHERE expires_at IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX ix_suppressions_expires_at")
    op.execute("DROP INDEX ix_push_subscriptions_disabled_at")
    op.execute("DROP INDEX ix_inbox_created_at")
    op.execute("DROP FUNCTION drop_oldest_partition(regclass, timestamp with time zone)")
    op.execute("DROP FUNCTION retention_minimum(regclass)")
