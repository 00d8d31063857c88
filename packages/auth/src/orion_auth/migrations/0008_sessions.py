"""Create what is refused before its time."""

from alembic import op

revision = "0008_sessions"
down_revision = "0007_devices"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE session_blacklist (
            id uuid NOT NULL DEFAULT uuidv7(),
            token_hash bytea,
            session_id uuid,
            user_epoch integer,
            user_id uuid,
            reason varchar(60) NOT NULL,
            revoked_by varchar(100),
            revoked_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_session_blacklist PRIMARY KEY (id),
            CONSTRAINT uq_session_blacklist_token_hash UNIQUE (token_hash),
            CONSTRAINT uq_session_blacklist_session_id UNIQUE (session_id),
            CONSTRAINT ck_session_blacklist_what CHECK (num_nonnulls(token_hash, session_id, user_epoch) = 1),
            CONSTRAINT ck_session_blacklist_whose CHECK (user_epoch IS NULL OR user_id IS NOT NULL),
            CONSTRAINT ck_session_blacklist_token_hash CHECK (octet_length(token_hash) = 32),
            CONSTRAINT ck_session_blacklist_lifetime CHECK (revoked_at < expires_at)
        )
        """
    )
    op.execute("CREATE INDEX ix_session_blacklist_expires_at ON session_blacklist (expires_at)")
    op.execute("CREATE INDEX ix_session_blacklist_user_id ON session_blacklist (user_id)")
    op.execute("COMMENT ON TABLE session_blacklist IS 'Tokens, sessions and epochs refused before their time'")
    op.execute("COMMENT ON COLUMN session_blacklist.token_hash IS 'SHA-256 of the refused token'")
    op.execute(
        "COMMENT ON COLUMN session_blacklist.user_epoch IS 'Tokens of this and earlier security epochs are refused'"
    )
    op.execute("COMMENT ON COLUMN session_blacklist.user_id IS 'No foreign key: refusal outlives the user'")
    op.execute("COMMENT ON COLUMN session_blacklist.revoked_by IS 'A user id, or the name of a service'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON session_blacklist FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON session_blacklist TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE session_blacklist")
