"""Let a proof within a session refuse the access tokens that the session had before (OWASP ASVS 5.0, 7.2.4)."""

from alembic import op

revision = "0036_session_proofs"
down_revision = "0035_api_keys"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE session_proofs (
            id uuid NOT NULL DEFAULT uuidv7(),
            session_id uuid NOT NULL,
            user_id uuid NOT NULL,
            proved_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_session_proofs PRIMARY KEY (id),
            CONSTRAINT uq_session_proofs_session_id UNIQUE (session_id),
            CONSTRAINT ck_session_proofs_lifetime CHECK (proved_at < expires_at)
        )
        """
    )
    op.execute("COMMENT ON TABLE session_proofs IS 'Proofs within sessions, whose access tokens of before are refused'")
    op.execute("COMMENT ON COLUMN session_proofs.user_id IS 'No foreign key: refusal outlives the user'")
    op.execute("COMMENT ON COLUMN session_proofs.proved_at IS 'A whole second, as auth_time is in tokens'")
    op.execute("CREATE INDEX ix_session_proofs_user_id ON session_proofs (user_id)")
    op.execute("CREATE INDEX ix_session_proofs_expires_at ON session_proofs (expires_at)")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON session_proofs FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON session_proofs TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE session_proofs")
