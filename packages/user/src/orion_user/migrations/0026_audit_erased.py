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
UPDATE audit_logs SET updated_at = erased_at
WHERE id IN (SELECT id FROM audit_logs WHERE erased_at IS NOT NULL AND updated_at <> erased_at LIMIT 1000)
"""


def upgrade() -> None:
    op.execute(REFUSE_CHANGE)
    op.execute(TRIGGER.format("stay_append_only"))
    op.execute("DROP TRIGGER refuse_change ON audit_logs")


def downgrade() -> None:
    op.execute(TRIGGER.format("refuse_change"))
    op.execute("DROP TRIGGER stay_append_only ON audit_logs")
    op.execute(REFUSE_CHANGE_BEFORE)
