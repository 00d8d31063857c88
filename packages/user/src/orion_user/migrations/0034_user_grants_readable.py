"""Let decisions read what users were given, now that all of it is there, and keep it when a table is emptied."""

from alembic import op

revision = "0034_user_grants_readable"
down_revision = "0033_audit_addresses"
phase = "pre"

TRUNCATE_USER_GRANTS = """
CREATE FUNCTION truncate_user_grants() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM user_grants WHERE (role_id IS NOT NULL) = (TG_TABLE_NAME = 'user_roles');
  RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.execute(TRUNCATE_USER_GRANTS)
    for given in ("user_roles", "user_permissions"):
        op.execute(
            f"CREATE TRIGGER keep_user_grants_truncate AFTER TRUNCATE ON {given}"
            " FOR EACH STATEMENT EXECUTE FUNCTION truncate_user_grants()"
        )
    op.execute("GRANT SELECT ON user_grants TO orion_user_service")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON user_grants FROM orion_user_service")
    for given in ("user_roles", "user_permissions"):
        op.execute(f"DROP TRIGGER keep_user_grants_truncate ON {given}")
    op.execute("DROP FUNCTION truncate_user_grants()")
