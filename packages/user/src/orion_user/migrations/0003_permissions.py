"""Add permissions.

A table of words only: it hangs on nothing, and roles and grants will refer to it.
"""

from alembic import op

revision = "0003_permissions"
down_revision = "0002_users"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE permission_scope AS ENUM ('GLOBAL', 'ORG', 'TEAM', 'USER')")
    op.execute("CREATE TYPE permission_effect AS ENUM ('ALLOW', 'DENY')")
    op.execute(
        """
        CREATE TABLE permissions (
            id uuid NOT NULL DEFAULT uuidv7(),
            name varchar(121) NOT NULL,
            resource varchar(60) NOT NULL,
            action varchar(60) NOT NULL,
            scope permission_scope NOT NULL DEFAULT 'GLOBAL',
            category varchar(60) NOT NULL,
            description varchar(500),
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_permissions PRIMARY KEY (id),
            CONSTRAINT uq_permissions_name UNIQUE (name),
            CONSTRAINT uq_permissions_resource_action UNIQUE (resource, action),
            CONSTRAINT ck_permissions_name CHECK (name = resource || ':' || action),
            CONSTRAINT ck_permissions_words CHECK (resource ~ '^[a-z][a-z0-9_]*$' AND action ~ '^[a-z][a-z0-9_]*$'),
            CONSTRAINT ck_permissions_metadata CHECK (jsonb_typeof(metadata) = 'object')
        )
        """
    )
    op.execute("COMMENT ON COLUMN permissions.name IS 'resource:action'")
    op.execute("COMMENT ON COLUMN permissions.scope IS 'The widest it may be granted at'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON permissions FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON permissions TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE permissions")
    op.execute("DROP TYPE permission_effect")
    op.execute("DROP TYPE permission_scope")
