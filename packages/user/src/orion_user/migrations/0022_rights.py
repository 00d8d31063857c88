"""Count the changes of what roles come to, so that rights in memory are never old, and find who may do something fast.

Who may do it is found by the role or the permission, then by the place, in the order of users: so a page of them costs
the same however many there are.
"""

from alembic import op

revision = "0022_rights"
down_revision = "0021_api_key_rates"
phase = "pre"

COUNT_RIGHTS_VERSION = """
CREATE FUNCTION count_rights_version() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Before the statement, and so before any other lock that it takes: two such transactions wait here, and nowhere for
  -- each other.
  INSERT INTO rights_versions (id, version) VALUES (1, 1)
  ON CONFLICT (id) DO UPDATE SET version = rights_versions.version + 1;
  RETURN NULL;
END
$$
"""
GRANTED = {"user_roles": "role_id", "user_permissions": "permission_id"}
CHANGED = ("permissions", "role_inheritance", "role_permissions", "roles")


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rights_versions (
            id bigint NOT NULL DEFAULT 1,
            version bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_rights_versions PRIMARY KEY (id),
            CONSTRAINT ck_rights_versions_id CHECK (id = 1)
        )
        """
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON rights_versions FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT ON rights_versions TO orion_user_service")
    op.execute(COUNT_RIGHTS_VERSION)
    for table in CHANGED:
        op.execute(
            f"CREATE TRIGGER count_rights_version BEFORE INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION count_rights_version()"
        )
    for table, column in GRANTED.items():
        op.execute(f"CREATE INDEX ix_{table}_{column}_scope_id_user_id ON {table} ({column}, scope_id, user_id)")


def downgrade() -> None:
    for table, column in GRANTED.items():
        op.execute(f"DROP INDEX ix_{table}_{column}_scope_id_user_id")
    for table in CHANGED:
        op.execute(f"DROP TRIGGER count_rights_version ON {table}")
    op.execute("DROP FUNCTION count_rights_version()")
    op.execute("DROP TABLE rights_versions")
