"""Keep where a team lay before it was moved, so that who could do something there is told as it was then."""

from alembic import op

revision = "0047_team_moves"
down_revision = "0046_users_security_epoch"
phase = "pre"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE team_moves (
          id uuid NOT NULL DEFAULT uuidv7(),
          team_id uuid NOT NULL,
          parent_team_id uuid,
          moved_at timestamptz NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_team_moves PRIMARY KEY (id),
          CONSTRAINT fk_team_moves_team_id FOREIGN KEY (team_id) REFERENCES teams (id) ON DELETE CASCADE,
          CONSTRAINT fk_team_moves_parent_team_id FOREIGN KEY (parent_team_id) REFERENCES teams (id) ON DELETE CASCADE
        )
    """)
    op.execute("COMMENT ON COLUMN team_moves.parent_team_id IS 'What it lay in until then; null: in no other team'")
    op.execute("CREATE INDEX ix_team_moves_team_id_moved_at ON team_moves (team_id, moved_at)")
    op.execute(
        "CREATE INDEX ix_team_moves_parent_team_id ON team_moves (parent_team_id) WHERE parent_team_id IS NOT NULL"
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON team_moves FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT ON team_moves TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE team_moves")
