"""Count the codes sent out for one half-finished step, so that nobody has them sent without end."""

from alembic import op

revision = "0017_codes_sent"
down_revision = "0016_oauth_connections"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE two_factor_challenges ADD COLUMN codes_sent smallint NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE two_factor_challenges DROP COLUMN codes_sent")
