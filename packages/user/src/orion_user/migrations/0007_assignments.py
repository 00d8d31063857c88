"""Add the roles and permissions that users have been given.

That the same grant cannot be there twice at one time is an exclusion constraint, which needs the contributed module
btree_gist. It is trusted, so the database's owner may create it, but its files have to be on the server.
"""

from alembic import op

revision = "0007_assignments"
down_revision = "0006_memberships"
phase = "pre"

REQUIRE_BTREE_GIST = """
DO $do$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist') THEN
    RAISE EXCEPTION 'this PostgreSQL server has no extension btree_gist'
      USING ERRCODE = '58P01', HINT = 'Install the contributed modules (Debian: postgresql-contrib) and migrate again.';
  END IF;
  CREATE EXTENSION IF NOT EXISTS btree_gist;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE EXCEPTION '% may not create the extension btree_gist in this database', current_user
    USING ERRCODE = '42501', HINT = 'Have a superuser run CREATE EXTENSION btree_gist here, and migrate again.';
END $do$
"""


def upgrade() -> None:
    op.execute(REQUIRE_BTREE_GIST)
    _user_roles()
    _user_permissions()
    for table in ("user_roles", "user_permissions"):
        _finish(table)


def _user_roles() -> None:
    op.execute(
        """
        CREATE TABLE user_roles (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            role_id uuid NOT NULL,
            scope permission_scope NOT NULL DEFAULT 'GLOBAL',
            scope_id uuid,
            condition varchar(2000),
            starts_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz,
            reason varchar(500),
            assigned_by uuid,
            scope_organization_id uuid GENERATED ALWAYS AS (CASE WHEN scope = 'ORG' THEN scope_id END) STORED,
            scope_team_id uuid GENERATED ALWAYS AS (CASE WHEN scope = 'TEAM' THEN scope_id END) STORED,
            scope_user_id uuid GENERATED ALWAYS AS (CASE WHEN scope = 'USER' THEN scope_id END) STORED,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_user_roles PRIMARY KEY (id),
            CONSTRAINT fk_user_roles_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT fk_user_roles_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE RESTRICT,
            CONSTRAINT fk_user_roles_assigned_by FOREIGN KEY (assigned_by) REFERENCES users (id) ON DELETE SET NULL,
            CONSTRAINT fk_user_roles_scope_organization_id
                FOREIGN KEY (scope_organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
            CONSTRAINT fk_user_roles_scope_team_id
                FOREIGN KEY (scope_team_id) REFERENCES teams (id) ON DELETE CASCADE,
            CONSTRAINT fk_user_roles_scope_user_id
                FOREIGN KEY (scope_user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT ck_user_roles_scope_id CHECK ((scope = 'GLOBAL') = (scope_id IS NULL)),
            CONSTRAINT ck_user_roles_period CHECK (starts_at < expires_at),
            CONSTRAINT ck_user_roles_condition CHECK (condition <> ''),
            CONSTRAINT ck_user_roles_metadata CHECK (jsonb_typeof(metadata) = 'object'),
            CONSTRAINT ex_user_roles_overlap EXCLUDE USING gist (
                user_id WITH =,
                role_id WITH =,
                scope WITH =,
                COALESCE(scope_id, '00000000-0000-0000-0000-000000000000'::uuid) WITH =,
                (md5(COALESCE(condition, ''))::uuid) WITH =,
                tstzrange(starts_at, expires_at) WITH &&
            )
        )
        """
    )
    op.execute("CREATE INDEX ix_user_roles_user_id_role_id ON user_roles (user_id, role_id)")
    op.execute("CREATE INDEX ix_user_roles_role_id ON user_roles (role_id)")


def _user_permissions() -> None:
    op.execute(
        """
        CREATE TABLE user_permissions (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            permission_id uuid NOT NULL,
            effect permission_effect NOT NULL DEFAULT 'ALLOW',
            scope permission_scope NOT NULL DEFAULT 'GLOBAL',
            scope_id uuid,
            condition varchar(2000),
            starts_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz,
            reason varchar(500),
            assigned_by uuid,
            scope_organization_id uuid GENERATED ALWAYS AS (CASE WHEN scope = 'ORG' THEN scope_id END) STORED,
            scope_team_id uuid GENERATED ALWAYS AS (CASE WHEN scope = 'TEAM' THEN scope_id END) STORED,
            scope_user_id uuid GENERATED ALWAYS AS (CASE WHEN scope = 'USER' THEN scope_id END) STORED,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_user_permissions PRIMARY KEY (id),
            CONSTRAINT fk_user_permissions_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT fk_user_permissions_permission_id
                FOREIGN KEY (permission_id) REFERENCES permissions (id) ON DELETE RESTRICT,
            CONSTRAINT fk_user_permissions_assigned_by
                FOREIGN KEY (assigned_by) REFERENCES users (id) ON DELETE SET NULL,
            CONSTRAINT fk_user_permissions_scope_organization_id
                FOREIGN KEY (scope_organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
            CONSTRAINT fk_user_permissions_scope_team_id
                FOREIGN KEY (scope_team_id) REFERENCES teams (id) ON DELETE CASCADE,
            CONSTRAINT fk_user_permissions_scope_user_id
                FOREIGN KEY (scope_user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT ck_user_permissions_scope_id CHECK ((scope = 'GLOBAL') = (scope_id IS NULL)),
            CONSTRAINT ck_user_permissions_period CHECK (starts_at < expires_at),
            CONSTRAINT ck_user_permissions_condition CHECK (condition <> ''),
            CONSTRAINT ck_user_permissions_metadata CHECK (jsonb_typeof(metadata) = 'object'),
            CONSTRAINT ex_user_permissions_overlap EXCLUDE USING gist (
                user_id WITH =,
                permission_id WITH =,
                effect WITH =,
                scope WITH =,
                COALESCE(scope_id, '00000000-0000-0000-0000-000000000000'::uuid) WITH =,
                (md5(COALESCE(condition, ''))::uuid) WITH =,
                tstzrange(starts_at, expires_at) WITH &&
            )
        )
        """
    )
    op.execute("CREATE INDEX ix_user_permissions_user_id_permission_id ON user_permissions (user_id, permission_id)")
    op.execute("CREATE INDEX ix_user_permissions_permission_id ON user_permissions (permission_id)")


def _finish(table: str) -> None:
    for column in ("expires_at", "assigned_by", "scope_organization_id", "scope_team_id", "scope_user_id"):
        op.execute(f"CREATE INDEX ix_{table}_{column} ON {table} ({column}) WHERE {column} IS NOT NULL")
    op.execute(f"COMMENT ON COLUMN {table}.condition IS 'CEL; validated when written'")
    op.execute(f"COMMENT ON COLUMN {table}.assigned_by IS 'Empty: Orion itself, or a user who has been purged'")
    op.execute(f"CREATE TRIGGER set_updated_at BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE user_permissions")
    op.execute("DROP TABLE user_roles")
    op.execute("DROP EXTENSION btree_gist")
