"""Free the slugs of deleted teams: that of the living ones is unique by `uq_teams_slug` and `uq_teams_slug_look`.

Going back has slugs unique among all again, so it removes deleted teams for good, as the code before would have done.
"""

from alembic import op

revision = "0045_team_slugs"
down_revision = "0044_deleted_teams"
phase = "post"


def upgrade() -> None:
    op.execute("DROP INDEX uq_teams_look")
    op.execute("ALTER TABLE teams DROP CONSTRAINT uq_teams_organization_id_slug")


def downgrade() -> None:
    op.execute("DELETE FROM teams WHERE deleted_at IS NOT NULL")
    op.execute("ALTER TABLE teams ADD CONSTRAINT uq_teams_organization_id_slug UNIQUE (organization_id, slug)")
    op.execute(
        "CREATE UNIQUE INDEX uq_teams_look ON teams"
        " (organization_id, (translate(replace(slug::text, 'rn', 'm'), '01i', 'oll')))"
    )
