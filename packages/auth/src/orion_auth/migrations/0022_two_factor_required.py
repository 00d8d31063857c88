"""Let a second factor be required of one user, such as an administrator, where it is not of all."""

from alembic import op

revision = "0022_two_factor_required"
down_revision = "0021_invitations"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE two_factor_auth ADD COLUMN is_required boolean NOT NULL DEFAULT false")
    op.execute(
        "COMMENT ON COLUMN two_factor_auth.is_required IS 'This user must have one, whatever the installation asks of all'"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE two_factor_auth DROP COLUMN is_required")
