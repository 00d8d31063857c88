"""Create the requests to set a new password."""

from alembic import op

revision = "0004_passwords"
down_revision = "0003_tokens"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE password_resets (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            email varchar(255) NOT NULL,
            token varchar(64) NOT NULL,
            token_hash bytea NOT NULL,
            requested_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            attempts_count smallint NOT NULL DEFAULT 0,
            max_attempts smallint NOT NULL DEFAULT 5,
            ip_address inet,
            user_agent varchar(512),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_password_resets PRIMARY KEY (id),
            CONSTRAINT uq_password_resets_token UNIQUE (token),
            CONSTRAINT uq_password_resets_token_hash UNIQUE (token_hash),
            CONSTRAINT ck_password_resets_email CHECK (email = lower(email)),
            CONSTRAINT ck_password_resets_token_hash CHECK (octet_length(token_hash) = 32),
            CONSTRAINT ck_password_resets_lifetime CHECK (requested_at < expires_at),
            CONSTRAINT ck_password_resets_attempts CHECK (attempts_count BETWEEN 0 AND max_attempts),
            CONSTRAINT fk_password_resets_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_password_resets_expires_at ON password_resets (expires_at)")
    op.execute("CREATE INDEX ix_password_resets_user_id_requested_at ON password_resets (user_id, requested_at)")
    op.execute("COMMENT ON TABLE password_resets IS 'Requests to set a new password'")
    op.execute("COMMENT ON COLUMN password_resets.email IS 'Where the link was sent'")
    op.execute("COMMENT ON COLUMN password_resets.token IS 'Public selector, no secret'")
    op.execute("COMMENT ON COLUMN password_resets.token_hash IS 'SHA-256 of the secret part'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON password_resets FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON password_resets TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE password_resets")
