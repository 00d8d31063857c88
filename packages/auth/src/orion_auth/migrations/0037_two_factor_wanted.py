"""Keep what a user wants apart from what is required of him, so that no preference of his lifts a requirement.

What is required already stays required, also where the user had asked for it himself: nothing tells the two apart.
"""

from alembic import op

revision = "0037_two_factor_wanted"
down_revision = "0036_session_proofs"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE two_factor_auth ADD COLUMN is_wanted boolean NOT NULL DEFAULT false")
    op.execute(
        "COMMENT ON COLUMN two_factor_auth.is_wanted IS 'The user wants to be asked for one; lifts nothing that is required'"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE two_factor_auth DROP COLUMN is_wanted")
