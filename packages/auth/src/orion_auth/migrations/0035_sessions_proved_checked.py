"""Check the rows of session_blacklist for what the migration before asks of them."""

from alembic import op

revision = "0035_sessions_proved_checked"
down_revision = "0034_sessions_proved"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE session_blacklist VALIDATE CONSTRAINT ck_session_blacklist_what")
    op.execute("ALTER TABLE session_blacklist VALIDATE CONSTRAINT ck_session_blacklist_proved")


def downgrade() -> None:
    op.execute("ALTER TABLE session_blacklist DROP CONSTRAINT ck_session_blacklist_what")
    op.execute(
        "ALTER TABLE session_blacklist ADD CONSTRAINT ck_session_blacklist_what "
        "CHECK (num_nonnulls(token_hash, session_id, user_epoch, proved_session_id) = 1) NOT VALID"
    )
    op.execute("ALTER TABLE session_blacklist DROP CONSTRAINT ck_session_blacklist_proved")
    op.execute(
        "ALTER TABLE session_blacklist ADD CONSTRAINT ck_session_blacklist_proved "
        "CHECK ((proved_session_id IS NULL) = (proved_at IS NULL)) NOT VALID"
    )
