"""Let an invitation be accepted by whoever has shown that the address is his, without a secret in a link.

The rows are checked by the next revision, in a transaction of its own that shuts nobody out.
"""

from alembic import op

revision = "0017_invitations"
down_revision = "0016_deletion"
phase = "pre"
accepted = {
    "wrong-phase": "in the same transaction a constraint takes its place that allows all that was allowed before",
}


def upgrade() -> None:
    op.execute("ALTER TABLE memberships DROP CONSTRAINT ck_memberships_invited")
    op.execute(
        "ALTER TABLE memberships ADD CONSTRAINT ck_memberships_invited CHECK (status <> 'INVITED'"
        " OR num_nulls(email, invited_at, expires_at) = 0 AND num_nulls(invitation_token, invitation_token_hash) <> 1)"
        " NOT VALID"
    )


def downgrade() -> None:
    op.execute("DELETE FROM memberships WHERE status = 'INVITED' AND invitation_token IS NULL")
    op.execute("ALTER TABLE memberships DROP CONSTRAINT ck_memberships_invited")
    op.execute(
        "ALTER TABLE memberships ADD CONSTRAINT ck_memberships_invited CHECK (status <> 'INVITED'"
        " OR num_nulls(email, invitation_token, invitation_token_hash, invited_at, expires_at) = 0)"
    )
