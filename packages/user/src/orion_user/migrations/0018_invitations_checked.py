"""Check the invitations that there are for what is asked of new ones now; they say more than that."""

from alembic import op

revision = "0018_invitations_checked"
down_revision = "0017_invitations"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE memberships VALIDATE CONSTRAINT ck_memberships_invited")


def downgrade() -> None:
    op.execute("ALTER TABLE memberships DROP CONSTRAINT ck_memberships_invited")
    op.execute(
        "ALTER TABLE memberships ADD CONSTRAINT ck_memberships_invited CHECK (status <> 'INVITED'"
        " OR num_nulls(email, invited_at, expires_at) = 0 AND num_nulls(invitation_token, invitation_token_hash) <> 1)"
        " NOT VALID"
    )
