"""Refuse slugs of teams that look like another's in the organization.

Where there are such already, the index cannot be made: change one of the two, and deploy again.
"""

from alembic import op

revision = "0041_team_look"
down_revision = "0040_grants_in_no_place"
phase = "pre"
accepted = {
    "wrong-phase": "the code before answers 500 to a slug that looks like another's, which nobody needs in between",
}


def upgrade() -> None:
    op.execute(
        "CREATE UNIQUE INDEX uq_teams_look ON teams"
        " (organization_id, (translate(replace(slug::text, 'rn', 'm'), '01i', 'oll')))"
    )


def downgrade() -> None:
    op.execute("DROP INDEX uq_teams_look")
