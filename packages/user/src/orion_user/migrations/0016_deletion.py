"""Remember what a deleted user was, so that restoring them gives back just that."""

from alembic import op

revision = "0016_deletion"
down_revision = "0015_separation"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN status_before_deletion user_status")
    op.execute("COMMENT ON COLUMN users.status_before_deletion IS 'What restoring gives back'")


def downgrade() -> None:
    op.execute("ALTER TABLE users DROP COLUMN status_before_deletion")
