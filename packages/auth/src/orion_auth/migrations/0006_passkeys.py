"""Create WebAuthn credentials."""

from alembic import op

revision = "0006_passkeys"
down_revision = "0005_two_factor"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE webauthn_credentials (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            credential_id bytea NOT NULL,
            public_key bytea NOT NULL,
            sign_count bigint NOT NULL DEFAULT 0,
            transports varchar(40)[] NOT NULL DEFAULT '{}',
            aaguid uuid,
            backup_eligible boolean NOT NULL DEFAULT false,
            backed_up boolean NOT NULL DEFAULT false,
            name varchar(100) NOT NULL,
            last_used_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_webauthn_credentials PRIMARY KEY (id),
            CONSTRAINT uq_webauthn_credentials_credential_id UNIQUE (credential_id),
            CONSTRAINT ck_webauthn_credentials_credential_id CHECK (octet_length(credential_id) BETWEEN 16 AND 1023),
            CONSTRAINT ck_webauthn_credentials_sign_count CHECK (sign_count BETWEEN 0 AND 4294967295),
            CONSTRAINT ck_webauthn_credentials_backup CHECK (backup_eligible OR NOT backed_up),
            CONSTRAINT fk_webauthn_credentials_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_webauthn_credentials_user_id ON webauthn_credentials (user_id)")
    op.execute("COMMENT ON TABLE webauthn_credentials IS 'WebAuthn credentials: hardware keys and passkeys'")
    op.execute("COMMENT ON COLUMN webauthn_credentials.public_key IS 'COSE_Key (RFC 9052)'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON webauthn_credentials FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webauthn_credentials TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE webauthn_credentials")
