"""Name the services and operators that act, and let a person be erased from the audit trail.

The service may still change no row by itself: `erase_audit_logs` runs with its owner's rights, and the trigger lets it
empty what tells of the person and nothing else.
"""

from alembic import op

revision = "0013_audit_actors"
down_revision = "0012_outbox_pruned"
phase = "pre"

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


def upgrade() -> None:
    op.execute("ALTER TABLE audit_logs ADD COLUMN actor_name varchar(100)")
    op.execute("COMMENT ON COLUMN audit_logs.actor_name IS 'Who has no id elsewhere'")
    op.execute("CREATE INDEX ix_audit_logs_on_behalf_of ON audit_logs (on_behalf_of) WHERE on_behalf_of IS NOT NULL")
    op.execute(ERASE)
    op.execute("REVOKE EXECUTE ON FUNCTION erase_audit_logs(uuid, timestamp with time zone) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION erase_audit_logs(uuid, timestamp with time zone) TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP FUNCTION erase_audit_logs(uuid, timestamp with time zone)")
    op.execute("DROP INDEX ix_audit_logs_on_behalf_of")
    op.execute("ALTER TABLE audit_logs DROP COLUMN actor_name")
