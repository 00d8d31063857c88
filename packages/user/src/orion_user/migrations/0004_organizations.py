"""Add organizations and their teams.

A team's parent is in the same organization, since the foreign key has both columns; and a trigger refuses a circle.
"""

from alembic import op

revision = "0004_organizations"
down_revision = "0003_permissions"
phase = "pre"

REFUSE_TEAM_CIRCLE = """
CREATE FUNCTION refuse_team_circle() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- One change of a hierarchy at a time, or two transactions could each add one half of a circle.
  PERFORM pg_advisory_xact_lock(hashtext('teams'), hashtext(NEW.organization_id::text));
  IF EXISTS (
    WITH RECURSIVE above (id) AS (
      SELECT NEW.parent_team_id
      UNION
      SELECT teams.parent_team_id FROM teams JOIN above ON teams.id = above.id
    )
    SELECT FROM above WHERE id = NEW.id
  ) THEN
    RAISE EXCEPTION 'team % cannot be below itself', NEW.id
      USING ERRCODE = 'check_violation', TABLE = 'teams', CONSTRAINT = 'ck_teams_circle';
  END IF;
  RETURN NULL;
END
$$
"""


def upgrade() -> None:
    _organizations()
    _teams()


def _organizations() -> None:
    op.execute(
        """
        CREATE TABLE organizations (
            id uuid NOT NULL DEFAULT uuidv7(),
            name varchar(100) NOT NULL,
            slug varchar(63) NOT NULL,
            description varchar(500),
            owner_id uuid NOT NULL,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            deleted_at timestamptz,
            CONSTRAINT pk_organizations PRIMARY KEY (id),
            CONSTRAINT fk_organizations_owner_id FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE RESTRICT,
            CONSTRAINT ck_organizations_slug CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
            CONSTRAINT ck_organizations_metadata CHECK (jsonb_typeof(metadata) = 'object')
        )
        """
    )
    op.execute("CREATE INDEX ix_organizations_owner_id ON organizations (owner_id)")
    op.execute("CREATE UNIQUE INDEX uq_organizations_slug ON organizations (slug) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX ix_organizations_deleted_at ON organizations (deleted_at) WHERE deleted_at IS NOT NULL")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON organizations TO orion_user_service")


def _teams() -> None:
    op.execute(
        """
        CREATE TABLE teams (
            id uuid NOT NULL DEFAULT uuidv7(),
            organization_id uuid NOT NULL,
            parent_team_id uuid,
            name varchar(100) NOT NULL,
            slug varchar(63) NOT NULL,
            description varchar(500),
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_teams PRIMARY KEY (id),
            CONSTRAINT uq_teams_organization_id_slug UNIQUE (organization_id, slug),
            CONSTRAINT uq_teams_organization_id_id UNIQUE (organization_id, id),
            CONSTRAINT fk_teams_organization_id
                FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
            CONSTRAINT fk_teams_organization_id_parent_team_id
                FOREIGN KEY (organization_id, parent_team_id) REFERENCES teams (organization_id, id) ON DELETE CASCADE,
            CONSTRAINT ck_teams_slug CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
            CONSTRAINT ck_teams_parent CHECK (parent_team_id <> id),
            CONSTRAINT ck_teams_metadata CHECK (jsonb_typeof(metadata) = 'object')
        )
        """
    )
    op.execute("CREATE INDEX ix_teams_organization_id_parent_team_id ON teams (organization_id, parent_team_id)")
    op.execute(REFUSE_TEAM_CIRCLE)
    op.execute(
        "CREATE TRIGGER refuse_team_circle AFTER INSERT OR UPDATE OF parent_team_id ON teams"
        " FOR EACH ROW EXECUTE FUNCTION refuse_team_circle()"
    )
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON teams FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON teams TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE teams")
    op.execute("DROP FUNCTION refuse_team_circle()")
    op.execute("DROP TABLE organizations")
