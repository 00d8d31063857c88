"""Keep the security epoch of each user: no API key is made with a token of an earlier one, however late that is heard."""

from alembic import op

revision = "0046_users_security_epoch"
down_revision = "0045_team_slugs"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN security_epoch integer NOT NULL DEFAULT 0")
    op.execute("COMMENT ON COLUMN users.security_epoch IS 'The latest that auth has told of'")
    op.execute("ALTER TABLE users ADD CONSTRAINT ck_users_security_epoch CHECK (security_epoch >= 0) NOT VALID")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_security_epoch")


def downgrade() -> None:
    op.execute("ALTER TABLE users DROP COLUMN security_epoch")
