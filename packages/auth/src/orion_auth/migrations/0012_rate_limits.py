"""Create rate limits: counters, which a crash may lose, and policies."""

from alembic import op

revision = "0012_rate_limits"
down_revision = "0011_security_events"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE rate_limit_key_type AS ENUM ('USER', 'IP', 'EMAIL', 'API_KEY', 'GLOBAL')")
    op.execute(
        """
        CREATE UNLOGGED TABLE rate_limits (
            id uuid NOT NULL DEFAULT uuidv7(),
            key varchar(400) NOT NULL,
            key_type rate_limit_key_type NOT NULL,
            endpoint varchar(60) NOT NULL,
            "limit" integer NOT NULL,
            window_seconds integer NOT NULL,
            count integer NOT NULL DEFAULT 0,
            reset_at timestamptz NOT NULL,
            blocked_until timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_rate_limits PRIMARY KEY (id),
            CONSTRAINT uq_rate_limits_key UNIQUE (key),
            CONSTRAINT ck_rate_limits_limit CHECK ("limit" > 0),
            CONSTRAINT ck_rate_limits_window_seconds CHECK (window_seconds > 0),
            CONSTRAINT ck_rate_limits_count CHECK (count >= 0)
        )
        """
    )
    op.execute("CREATE INDEX ix_rate_limits_reset_at ON rate_limits (reset_at)")
    op.execute("COMMENT ON TABLE rate_limits IS 'Counters of the rate limits; lost on a crash, which is harmless'")
    op.execute("COMMENT ON COLUMN rate_limits.key IS 'endpoint, key type and whose'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON rate_limits FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits TO orion_auth_service")
    op.execute(
        """
        CREATE TABLE rate_limit_policies (
            id uuid NOT NULL DEFAULT uuidv7(),
            endpoint varchar(60) NOT NULL,
            key_type rate_limit_key_type NOT NULL,
            "limit" integer NOT NULL,
            window_seconds integer NOT NULL,
            block_seconds integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_rate_limit_policies PRIMARY KEY (id),
            CONSTRAINT uq_rate_limit_policies_endpoint_key_type UNIQUE (endpoint, key_type),
            CONSTRAINT ck_rate_limit_policies_limit CHECK ("limit" > 0),
            CONSTRAINT ck_rate_limit_policies_window_seconds CHECK (window_seconds > 0),
            CONSTRAINT ck_rate_limit_policies_block_seconds CHECK (block_seconds >= 0)
        )
        """
    )
    op.execute("COMMENT ON TABLE rate_limit_policies IS 'How often something may be tried'")
    op.execute("COMMENT ON COLUMN rate_limit_policies.block_seconds IS 'How long to refuse beyond the window'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON rate_limit_policies FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limit_policies TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE rate_limit_policies")
    op.execute("DROP TABLE rate_limits")
    op.execute("DROP TYPE rate_limit_key_type")
