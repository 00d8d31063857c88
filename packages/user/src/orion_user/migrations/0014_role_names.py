"""Refuse names of roles and permissions that look like others, and keep what belongs to an organization in it.

`skeleton` is written by the service with `display_name`. Rows from before have none and are compared once they are
named anew; there are no others than those that come with Orion, whose look is asked for apart.
"""

from alembic import op

revision = "0014_role_names"
down_revision = "0013_audit_actors"
phase = "pre"
accepted = {
    "wrong-phase": "the code before wrote no roles and no permissions but the seeds', none of which look like another",
}

KEEP_IN_ORGANIZATION = """
CREATE FUNCTION keep_role_in_organization() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'roles' THEN
    RAISE EXCEPTION 'role % stays with its organization', OLD.id
      USING ERRCODE = 'check_violation', TABLE = 'roles', CONSTRAINT = 'ck_roles_organization';
  END IF;
  IF EXISTS (
    SELECT FROM roles AS parent JOIN roles AS child ON child.id = NEW.child_role_id
    WHERE parent.id = NEW.parent_role_id AND parent.organization_id IS NOT NULL
      AND parent.organization_id IS DISTINCT FROM child.organization_id
  ) THEN
    RAISE EXCEPTION 'role % belongs to an organization, and role % not to the same',
      NEW.parent_role_id, NEW.child_role_id
      USING ERRCODE = 'check_violation', TABLE = 'role_inheritance', CONSTRAINT = 'ck_role_inheritance_organization';
  END IF;
  RETURN NEW;
END
$$
"""


def upgrade() -> None:
    op.execute("ALTER TABLE roles ADD COLUMN skeleton varchar(1800)")
    op.execute("COMMENT ON COLUMN roles.skeleton IS 'What display_name looks like (UTS 39); written with it'")
    op.execute(
        "CREATE UNIQUE INDEX uq_roles_look ON roles"
        " (organization_id, (translate(replace(name::text, 'rn', 'm'), '01i', 'oll'))) NULLS NOT DISTINCT"
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_roles_skeleton ON roles (organization_id, md5(skeleton)) NULLS NOT DISTINCT"
        " WHERE skeleton IS NOT NULL"
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_permissions_look ON permissions"
        " ((translate(replace(name::text, 'rn', 'm'), '01i', 'oll')))"
    )
    op.execute(KEEP_IN_ORGANIZATION)
    op.execute(
        "CREATE TRIGGER keep_role_in_organization BEFORE UPDATE OF organization_id ON roles FOR EACH ROW"
        " WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id) EXECUTE FUNCTION keep_role_in_organization()"
    )
    op.execute(
        "CREATE TRIGGER keep_role_in_organization BEFORE INSERT ON role_inheritance"
        " FOR EACH ROW EXECUTE FUNCTION keep_role_in_organization()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_role_in_organization ON role_inheritance")
    op.execute("DROP TRIGGER keep_role_in_organization ON roles")
    op.execute("DROP FUNCTION keep_role_in_organization()")
    op.execute("DROP INDEX uq_permissions_look")
    op.execute("DROP INDEX uq_roles_skeleton")
    op.execute("DROP INDEX uq_roles_look")
    op.execute("ALTER TABLE roles DROP COLUMN skeleton")
