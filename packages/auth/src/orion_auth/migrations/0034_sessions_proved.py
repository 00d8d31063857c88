"""Let a proof within a session refuse the access tokens that the session had before (OWASP ASVS 5.0, 7.2.4)."""

from alembic import op

revision = "0034_sessions_proved"
down_revision = "0033_api_keys"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE session_blacklist ADD COLUMN proved_session_id uuid, ADD COLUMN proved_at timestamptz")
    op.execute(
        "COMMENT ON COLUMN session_blacklist.proved_session_id IS 'Its tokens of before `proved_at` are refused'"
    )
    op.execute("CREATE UNIQUE INDEX uq_session_blacklist_proved_session_id ON session_blacklist (proved_session_id)")
    op.execute(
        "ALTER TABLE session_blacklist ADD CONSTRAINT uq_session_blacklist_proved_session_id "
        "UNIQUE USING INDEX uq_session_blacklist_proved_session_id"
    )
    op.execute("ALTER TABLE session_blacklist DROP CONSTRAINT ck_session_blacklist_what")
    op.execute(
        "ALTER TABLE session_blacklist ADD CONSTRAINT ck_session_blacklist_what "
        "CHECK (num_nonnulls(token_hash, session_id, user_epoch, proved_session_id) = 1) NOT VALID"
    )
    op.execute(
        "ALTER TABLE session_blacklist ADD CONSTRAINT ck_session_blacklist_proved "
        "CHECK ((proved_session_id IS NULL) = (proved_at IS NULL)) NOT VALID"
    )


def downgrade() -> None:
    op.execute("DELETE FROM session_blacklist WHERE proved_session_id IS NOT NULL")
    op.execute("ALTER TABLE session_blacklist DROP CONSTRAINT ck_session_blacklist_proved")
    op.execute("ALTER TABLE session_blacklist DROP CONSTRAINT ck_session_blacklist_what")
    op.execute(
        "ALTER TABLE session_blacklist ADD CONSTRAINT ck_session_blacklist_what "
        "CHECK (num_nonnulls(token_hash, session_id, user_epoch) = 1)"
    )
    op.execute("ALTER TABLE session_blacklist DROP COLUMN proved_at, DROP COLUMN proved_session_id")
