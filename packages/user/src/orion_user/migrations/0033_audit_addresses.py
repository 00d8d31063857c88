"""Let erasing a person reach the entries of the audit trail that named the address which was invited.

None is written any more, but those that were stay for seven years.
"""

from alembic import op

revision = "0033_audit_addresses"
down_revision = "0032_user_grants"
phase = "pre"

ERASE = """
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
SIGNATURE = "erase_audit_logs_of_address(text, timestamp with time zone)"


def upgrade() -> None:
    op.execute(ERASE)
    op.execute(f"REVOKE EXECUTE ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO orion_user_service")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
