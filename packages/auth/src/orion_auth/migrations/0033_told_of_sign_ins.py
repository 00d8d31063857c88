"""Let a user be told of every sign-in, as the security preferences in user say."""

from alembic import op

revision = "0033_told_of_sign_ins"
down_revision = "0032_recovery_checked"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE identities ADD COLUMN is_told_of_sign_ins boolean NOT NULL DEFAULT false")
    op.execute("COMMENT ON COLUMN identities.is_told_of_sign_ins IS 'Of every one, not only of those on new devices'")


def downgrade() -> None:
    op.execute("ALTER TABLE identities DROP COLUMN is_told_of_sign_ins")
