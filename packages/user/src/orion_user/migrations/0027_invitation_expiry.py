"""Remember of an invitation that it was told that nobody accepted it in time."""

from alembic import op

revision = "0027_invitation_expiry"
down_revision = "0026_audit_erased"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE memberships ADD COLUMN expiry_told_at timestamptz")
    op.execute("COMMENT ON COLUMN memberships.expiry_told_at IS 'When it was told that nobody accepted in time'")


def downgrade() -> None:
    op.execute("ALTER TABLE memberships DROP COLUMN expiry_told_at")
