"""Let an account be recovered whose second factors are lost: by a proved address or phone, after a delay."""

from alembic import op

revision = "0027_account_recoveries"
down_revision = "0026_risk_policies"
phase = "pre"
accepted = {
    "wrong-phase": "code that runs before writes neither of the new columns, and where they are NULL the constraints hold"
}


def upgrade() -> None:
    op.execute("ALTER TABLE two_factor_auth ADD COLUMN recovery_email_verified_at timestamptz")
    op.execute("ALTER TABLE two_factor_auth ADD COLUMN recovery_phone_verified_at timestamptz")
    op.execute(
        "ALTER TABLE two_factor_auth ADD CONSTRAINT ck_two_factor_auth_recovery_email_verified "
        "CHECK (recovery_email_verified_at IS NULL OR recovery_email IS NOT NULL) NOT VALID"
    )
    op.execute(
        "ALTER TABLE two_factor_auth ADD CONSTRAINT ck_two_factor_auth_recovery_phone_verified "
        "CHECK (recovery_phone_verified_at IS NULL OR recovery_phone IS NOT NULL) NOT VALID"
    )
    op.execute(
        """
        CREATE TABLE account_recoveries (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            selector varchar(64) NOT NULL,
            secret_hash bytea NOT NULL,
            requested_at timestamptz NOT NULL,
            ready_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            code_hash bytea,
            code_expires_at timestamptz,
            codes_sent smallint NOT NULL DEFAULT 0,
            tries smallint NOT NULL DEFAULT 0,
            completed_at timestamptz,
            cancelled_at timestamptz,
            ip_address inet,
            user_agent varchar(512),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_account_recoveries PRIMARY KEY (id),
            CONSTRAINT uq_account_recoveries_selector UNIQUE (selector),
            CONSTRAINT ck_account_recoveries_secret_hash CHECK (octet_length(secret_hash) = 32),
            CONSTRAINT ck_account_recoveries_code_hash CHECK (octet_length(code_hash) = 32),
            CONSTRAINT ck_account_recoveries_delay CHECK (requested_at < ready_at AND ready_at < expires_at),
            CONSTRAINT ck_account_recoveries_completed CHECK (completed_at >= ready_at AND completed_at < expires_at),
            CONSTRAINT ck_account_recoveries_ended CHECK (completed_at IS NULL OR cancelled_at IS NULL),
            CONSTRAINT ck_account_recoveries_code CHECK (num_nonnulls(code_hash, code_expires_at) <> 1),
            CONSTRAINT ck_account_recoveries_counts CHECK (codes_sent >= 0 AND tries >= 0),
            CONSTRAINT fk_account_recoveries_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_account_recoveries_user_id ON account_recoveries (user_id)")
    op.execute("CREATE INDEX ix_account_recoveries_expires_at ON account_recoveries (expires_at)")
    op.execute(
        "CREATE UNIQUE INDEX uq_account_recoveries_open ON account_recoveries (user_id) "
        "WHERE completed_at IS NULL AND cancelled_at IS NULL"
    )
    op.execute(
        "COMMENT ON TABLE account_recoveries IS "
        "'Recoveries of accounts whose second factors are lost; each waits, and can be refused'"
    )
    op.execute("COMMENT ON COLUMN account_recoveries.selector IS 'Public selector, no secret'")
    op.execute("COMMENT ON COLUMN account_recoveries.secret_hash IS 'SHA-256 of the secret part'")
    op.execute("COMMENT ON COLUMN account_recoveries.ready_at IS 'It cannot be completed before'")
    op.execute("COMMENT ON COLUMN account_recoveries.expires_at IS 'It cannot be completed from then on'")
    op.execute("COMMENT ON COLUMN account_recoveries.code_hash IS 'HMAC-SHA-256 under a server key'")
    op.execute("COMMENT ON COLUMN account_recoveries.tries IS 'At the last code sent'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON account_recoveries "
        "FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON account_recoveries TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE account_recoveries")
    op.execute("ALTER TABLE two_factor_auth DROP COLUMN recovery_phone_verified_at")
    op.execute("ALTER TABLE two_factor_auth DROP COLUMN recovery_email_verified_at")
