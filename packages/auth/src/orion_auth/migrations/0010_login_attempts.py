"""Create the record of attempts to sign in, partitioned by month."""

from alembic import op

revision = "0010_login_attempts"
down_revision = "0009_social"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE login_attempt_status AS ENUM ('SUCCESS', 'FAILED', 'BLOCKED', 'SUSPICIOUS')")
    op.execute("CREATE TYPE login_method AS ENUM ('PASSWORD', 'PASSKEY', 'MAGIC_LINK', 'EMAIL_CODE', 'SOCIAL')")
    op.execute(
        """
        CREATE TABLE login_attempts (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid,
            email varchar(255),
            status login_attempt_status NOT NULL,
            method login_method NOT NULL,
            device_id varchar(128),
            is_suspicious boolean NOT NULL DEFAULT false,
            is_blocked boolean NOT NULL DEFAULT false,
            risk_score smallint NOT NULL DEFAULT 0,
            risk_reasons jsonb NOT NULL DEFAULT '[]'::jsonb,
            failure_reason varchar(60),
            two_factor_used boolean NOT NULL DEFAULT false,
            two_factor_method two_factor_method,
            attempted_at timestamptz NOT NULL DEFAULT now(),
            duration_ms integer,
            ip_address inet,
            user_agent varchar(512),
            country varchar(2),
            region varchar(100),
            city varchar(100),
            location jsonb,
            metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_login_attempts PRIMARY KEY (id),
            CONSTRAINT ck_login_attempts_email CHECK (email = lower(email)),
            CONSTRAINT ck_login_attempts_risk_score CHECK (risk_score BETWEEN 0 AND 100),
            CONSTRAINT ck_login_attempts_duration_ms CHECK (duration_ms >= 0),
            CONSTRAINT ck_login_attempts_failure_reason CHECK (status <> 'FAILED' OR failure_reason IS NOT NULL)
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute(
        "CREATE INDEX ix_login_attempts_email_status_attempted_at ON login_attempts (email, status, attempted_at)"
    )
    op.execute("CREATE INDEX ix_login_attempts_ip_address_attempted_at ON login_attempts (ip_address, attempted_at)")
    op.execute("CREATE INDEX ix_login_attempts_suspicious ON login_attempts (attempted_at) WHERE is_suspicious")
    op.execute("CREATE INDEX ix_login_attempts_user_id_attempted_at ON login_attempts (user_id, attempted_at)")
    op.execute("COMMENT ON TABLE login_attempts IS 'Every attempt to sign in, append-only'")
    op.execute("COMMENT ON COLUMN login_attempts.email IS 'As typed, normalised; empty for a passkey'")
    op.execute("COMMENT ON COLUMN login_attempts.device_id IS 'The client''s stable id, as in devices'")
    op.execute("COMMENT ON COLUMN login_attempts.country IS 'ISO 3166-1 alpha-2'")
    op.execute("COMMENT ON COLUMN login_attempts.location IS 'latitude, longitude, accuracy in kilometres'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON login_attempts FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("CREATE TABLE login_attempts_default PARTITION OF login_attempts DEFAULT")
    op.execute("SELECT ensure_partitions('login_attempts', 3)")
    op.execute("GRANT SELECT, INSERT ON login_attempts TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE login_attempts")
    op.execute("DROP TYPE login_method")
    op.execute("DROP TYPE login_attempt_status")
