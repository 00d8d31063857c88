"""Keep when a user could not come in, and when an organization was deleted, so that the past is told as it was then."""

from alembic import op

revision = "0048_absences"
down_revision = "0047_team_moves"
phase = "pre"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE user_absences (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid NOT NULL,
          began_at timestamptz NOT NULL,
          ended_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_user_absences PRIMARY KEY (id),
          CONSTRAINT ck_user_absences_ended_at CHECK (ended_at >= began_at),
          CONSTRAINT fk_user_absences_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX ix_user_absences_user_id_began_at ON user_absences (user_id, began_at)")
    op.execute("CREATE UNIQUE INDEX uq_user_absences_open ON user_absences (user_id) WHERE ended_at IS NULL")
    op.execute("""
        CREATE TABLE organization_absences (
          id uuid NOT NULL DEFAULT uuidv7(),
          organization_id uuid NOT NULL,
          began_at timestamptz NOT NULL,
          ended_at timestamptz NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_organization_absences PRIMARY KEY (id),
          CONSTRAINT ck_organization_absences_ended_at CHECK (ended_at >= began_at),
          CONSTRAINT fk_organization_absences_organization_id
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
        )
    """)
    op.execute(
        "CREATE INDEX ix_organization_absences_organization_id_began_at"
        " ON organization_absences (organization_id, began_at)"
    )
    for table in ("user_absences", "organization_absences"):
        op.execute(
            f"CREATE TRIGGER set_updated_at BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
        )
    op.execute("GRANT SELECT, INSERT, UPDATE ON user_absences TO orion_user_service")
    op.execute("GRANT SELECT, INSERT ON organization_absences TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE organization_absences")
    op.execute("DROP TABLE user_absences")
