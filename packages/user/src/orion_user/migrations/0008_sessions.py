"""Add the users' view of their sessions, fed by auth's events."""

from alembic import op

revision = "0008_sessions"
down_revision = "0007_assignments"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sessions (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            token uuid NOT NULL,
            device_name varchar(100),
            device_type varchar(100),
            ip_address inet,
            user_agent varchar(512),
            country varchar(2),
            city varchar(100),
            started_at timestamptz NOT NULL,
            last_activity_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            end_reason varchar(40),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_sessions PRIMARY KEY (id),
            CONSTRAINT uq_sessions_token UNIQUE (token),
            CONSTRAINT fk_sessions_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT ck_sessions_country CHECK (country ~ '^[A-Z]{2}$'),
            CONSTRAINT ck_sessions_period CHECK (started_at < expires_at),
            CONSTRAINT ck_sessions_ended CHECK ((ended_at IS NULL) = (end_reason IS NULL))
        )
        """
    )
    op.execute("COMMENT ON COLUMN sessions.token IS 'Session id of auth (sid in tokens), not a secret'")
    op.execute("COMMENT ON COLUMN sessions.country IS 'ISO 3166-1 alpha-2'")
    op.execute("CREATE INDEX ix_sessions_user_id_started_at_id ON sessions (user_id, started_at, id)")
    op.execute("CREATE INDEX ix_sessions_live ON sessions (user_id, expires_at) WHERE ended_at IS NULL")
    op.execute("CREATE INDEX ix_sessions_expires_at ON sessions (expires_at)")
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE sessions")
