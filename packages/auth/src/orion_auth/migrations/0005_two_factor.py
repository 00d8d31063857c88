"""Create second factors, recovery codes and challenges."""

from alembic import op

revision = "0005_two_factor"
down_revision = "0004_passwords"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE two_factor_method AS ENUM ('TOTP', 'SMS', 'EMAIL', 'HARDWARE_KEY', 'BACKUP_CODE')")
    op.execute(
        r"""
        CREATE TABLE two_factor_auth (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            is_enabled boolean NOT NULL DEFAULT false,
            primary_method two_factor_method,
            totp_secret bytea,
            totp_verified_at timestamptz,
            totp_last_step bigint,
            sms_phone varchar(16),
            sms_verified_at timestamptz,
            email_verified_at timestamptz,
            hardware_key_verified_at timestamptz,
            recovery_email varchar(255),
            recovery_phone varchar(16),
            backup_codes_generated_at timestamptz,
            last_used_at timestamptz,
            last_used_method two_factor_method,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_two_factor_auth PRIMARY KEY (id),
            CONSTRAINT uq_two_factor_auth_user_id UNIQUE (user_id),
            CONSTRAINT ck_two_factor_auth_enabled CHECK (NOT is_enabled OR primary_method IS NOT NULL),
            CONSTRAINT ck_two_factor_auth_totp CHECK (totp_verified_at IS NULL OR totp_secret IS NOT NULL),
            CONSTRAINT ck_two_factor_auth_sms CHECK (sms_verified_at IS NULL OR sms_phone IS NOT NULL),
            CONSTRAINT ck_two_factor_auth_sms_phone CHECK (sms_phone ~ '^\+[1-9][0-9]{1,14}$'),
            CONSTRAINT ck_two_factor_auth_recovery_phone CHECK (recovery_phone ~ '^\+[1-9][0-9]{1,14}$'),
            CONSTRAINT ck_two_factor_auth_recovery_email CHECK (recovery_email = lower(recovery_email)),
            CONSTRAINT fk_two_factor_auth_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("COMMENT ON TABLE two_factor_auth IS 'The second factors of one user'")
    op.execute(
        "COMMENT ON COLUMN two_factor_auth.totp_last_step IS 'The last time step accepted; it and earlier ones are refused (RFC 6238 §5.2)'"
    )
    op.execute("COMMENT ON COLUMN two_factor_auth.sms_phone IS 'E.164'")
    op.execute("COMMENT ON COLUMN two_factor_auth.recovery_phone IS 'E.164'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON two_factor_auth FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON two_factor_auth TO orion_auth_service")
    op.execute(
        """
        CREATE TABLE two_factor_backup_codes (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            code_hash bytea NOT NULL,
            used_at timestamptz,
            expires_at timestamptz,
            ip_address inet,
            user_agent varchar(512),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_two_factor_backup_codes PRIMARY KEY (id),
            CONSTRAINT uq_two_factor_backup_codes_user_id_code_hash UNIQUE (user_id, code_hash),
            CONSTRAINT ck_two_factor_backup_codes_code_hash CHECK (octet_length(code_hash) = 32),
            CONSTRAINT fk_two_factor_backup_codes_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute(
        "CREATE INDEX ix_two_factor_backup_codes_unused ON two_factor_backup_codes (user_id) WHERE used_at IS NULL"
    )
    op.execute("COMMENT ON TABLE two_factor_backup_codes IS 'Recovery codes, each good once'")
    op.execute("COMMENT ON COLUMN two_factor_backup_codes.code_hash IS 'HMAC-SHA-256 under a server key'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON two_factor_backup_codes FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON two_factor_backup_codes TO orion_auth_service")
    op.execute(
        "CREATE TYPE challenge_purpose AS ENUM ('SIGN_IN', 'STEP_UP', 'ENROLMENT', 'EMAIL_VERIFICATION', 'PHONE_VERIFICATION')"
    )
    op.execute(
        """
        CREATE TABLE two_factor_challenges (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            purpose challenge_purpose NOT NULL,
            methods two_factor_method[] NOT NULL,
            code_hash bytea,
            attempts smallint NOT NULL DEFAULT 0,
            max_attempts smallint NOT NULL DEFAULT 5,
            expires_at timestamptz NOT NULL,
            consumed_at timestamptz,
            context jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_two_factor_challenges PRIMARY KEY (id),
            CONSTRAINT ck_two_factor_challenges_code_hash CHECK (octet_length(code_hash) = 32),
            CONSTRAINT ck_two_factor_challenges_attempts CHECK (attempts BETWEEN 0 AND max_attempts),
            CONSTRAINT ck_two_factor_challenges_methods CHECK (cardinality(methods) > 0),
            CONSTRAINT fk_two_factor_challenges_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_two_factor_challenges_expires_at ON two_factor_challenges (expires_at)")
    op.execute("CREATE INDEX ix_two_factor_challenges_user_id_purpose ON two_factor_challenges (user_id, purpose)")
    op.execute("COMMENT ON TABLE two_factor_challenges IS 'Codes sent out and half-finished sign-ins'")
    op.execute("COMMENT ON COLUMN two_factor_challenges.code_hash IS 'HMAC-SHA-256 under a server key'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON two_factor_challenges FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON two_factor_challenges TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE two_factor_challenges")
    op.execute("DROP TABLE two_factor_backup_codes")
    op.execute("DROP TABLE two_factor_auth")
    op.execute("DROP TYPE challenge_purpose")
    op.execute("DROP TYPE two_factor_method")
