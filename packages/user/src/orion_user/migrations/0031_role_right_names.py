"""Find what roles come to by the name of a permission, which stays. Old rows get theirs by the backfill."""

from alembic import op

revision = "0031_role_right_names"
down_revision = "0030_audit_search"
phase = "pre"

NAME_ROLE_RIGHT = """
CREATE FUNCTION name_role_right() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  NEW.permission := (SELECT name FROM permissions WHERE id = NEW.permission_id);
  RETURN NEW;
END
$$
"""
KEEP_PERMISSION_NAME = """
CREATE FUNCTION keep_permission_name() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'permission % keeps its name', OLD.name
    USING ERRCODE = 'check_violation', TABLE = 'permissions', CONSTRAINT = 'ck_permissions_name_stays';
END
$$
"""

backfill = """
UPDATE role_rights SET permission = (SELECT name FROM permissions WHERE permissions.id = role_rights.permission_id)
WHERE id IN (SELECT id FROM role_rights WHERE permission IS NULL LIMIT 1000)
"""


def upgrade() -> None:
    op.execute("ALTER TABLE role_rights ADD COLUMN permission varchar(121)")
    op.execute("COMMENT ON COLUMN role_rights.permission IS 'Its name, which stays; filled in by a trigger'")
    op.execute(NAME_ROLE_RIGHT)
    op.execute(
        "CREATE TRIGGER name_role_right BEFORE INSERT ON role_rights FOR EACH ROW EXECUTE FUNCTION name_role_right()"
    )
    op.execute(KEEP_PERMISSION_NAME)
    op.execute(
        "CREATE TRIGGER keep_permission_name BEFORE UPDATE OF name ON permissions FOR EACH ROW"
        " WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION keep_permission_name()"
    )
    op.execute(
        "CREATE INDEX ix_role_rights_role_id_permission ON role_rights (role_id, permission) WHERE ended_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_role_rights_role_id_permission")
    op.execute("DROP TRIGGER keep_permission_name ON permissions")
    op.execute("DROP FUNCTION keep_permission_name()")
    op.execute("DROP TRIGGER name_role_right ON role_rights")
    op.execute("DROP FUNCTION name_role_right()")
    op.execute("ALTER TABLE role_rights DROP COLUMN permission")
