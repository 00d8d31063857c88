"""Have an erased entry of the audit trail say in `updated_at` when it was erased, so that no column of it is covered by nothing.

The backfill changes nothing else: of erased entries the trigger lets through no other change.
"""

from alembic import op

revision = "0026_audit_erased"
down_revision = "0025_audit_streams"
phase = "pre"

REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
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

REFUSE_CHANGE_BEFORE = """
CREATE OR REPLACE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  expected audit_logs := OLD;
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL THEN
    expected.erased_at := NEW.erased_at;
    expected.updated_at := NEW.updated_at;
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

TRIGGER = (
    "CREATE TRIGGER {} BEFORE UPDATE OR DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_audit_log_change()"
)

backfill = """
WITH RECURSIVE ranges (above, upto) AS (
  SELECT start.id, (SELECT id FROM audit_logs WHERE id > start.id ORDER BY id OFFSET 4999 LIMIT 1)
  FROM (
    SELECT coalesce(nullif(current_setting('orion.audit_erased', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
  ) AS start (id)
  UNION ALL
  SELECT upto, (SELECT id FROM audit_logs WHERE id > ranges.upto ORDER BY id OFFSET 4999 LIMIT 1)
  FROM ranges
  WHERE upto IS NOT NULL
), batch AS MATERIALIZED (
  SELECT above, coalesce(upto, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AS upto
  FROM ranges CROSS JOIN LATERAL (
    SELECT FROM audit_logs
    WHERE id > above AND id <= coalesce(upto, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      AND erased_at IS NOT NULL AND updated_at <> erased_at
    ORDER BY id
    LIMIT 1
  ) AS found
  LIMIT 1
)
UPDATE audit_logs SET updated_at = erased_at
WHERE id > (SELECT above FROM batch)
  AND id <= (SELECT set_config('orion.audit_erased', upto::text, false)::uuid FROM batch)
  AND erased_at IS NOT NULL AND updated_at <> erased_at
"""
"""By ranges of ids, each batch the next one in which there is something to do; the session knows how far it has got.

So the trail is gone over once, however many batches it takes; a deploy that goes on with what another began goes over
it once more.
"""


def upgrade() -> None:
    op.execute(REFUSE_CHANGE)
    op.execute(TRIGGER.format("stay_append_only"))
    op.execute("DROP TRIGGER refuse_change ON audit_logs")


def downgrade() -> None:
    op.execute(TRIGGER.format("refuse_change"))
    op.execute("DROP TRIGGER stay_append_only ON audit_logs")
    op.execute(REFUSE_CHANGE_BEFORE)
