"""Create the security history of accounts, partitioned by month."""

from alembic import op

revision = "0011_security_events"
down_revision = "0010_login_attempts"
phase = "pre"


def upgrade() -> None:
    op.execute(
        "CREATE TYPE security_event_category AS ENUM ('AUTHENTICATION', 'PASSWORD', 'TWO_FACTOR', 'SESSION', 'TOKEN', 'DEVICE', 'ACCOUNT', 'RATE_LIMIT', 'SOCIAL', 'ADMINISTRATION')"
    )
    op.execute("CREATE TYPE security_event_severity AS ENUM ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')")
    op.execute(
        """
        CREATE TABLE security_events (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid,
            event_type varchar(80) NOT NULL,
            category security_event_category NOT NULL,
            severity security_event_severity NOT NULL,
            title varchar(200) NOT NULL,
            description varchar(2000),
            details jsonb NOT NULL DEFAULT '{}'::jsonb,
            device_id varchar(128),
            session_id uuid,
            was_blocked boolean NOT NULL DEFAULT false,
            was_notified boolean NOT NULL DEFAULT false,
            tags varchar(50)[] NOT NULL DEFAULT '{}',
            occurred_at timestamptz NOT NULL DEFAULT now(),
            ip_address inet,
            user_agent varchar(512),
            country varchar(2),
            region varchar(100),
            city varchar(100),
            location jsonb,
            metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_security_events PRIMARY KEY (id)
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute("CREATE INDEX ix_security_events_severity_occurred_at ON security_events (severity, occurred_at)")
    op.execute("CREATE INDEX ix_security_events_tags ON security_events USING gin (tags)")
    op.execute(
        "CREATE INDEX ix_security_events_user_id_event_type_occurred_at ON security_events (user_id, event_type, occurred_at)"
    )
    op.execute("COMMENT ON TABLE security_events IS 'The security history of accounts, append-only'")
    op.execute("COMMENT ON COLUMN security_events.event_type IS 'From the service''s catalog, e.g. token.reused'")
    op.execute("COMMENT ON COLUMN security_events.device_id IS 'The client''s stable id, as in devices'")
    op.execute(
        "COMMENT ON COLUMN security_events.was_notified IS 'A notice to the user was asked for in the same transaction'"
    )
    op.execute("COMMENT ON COLUMN security_events.country IS 'ISO 3166-1 alpha-2'")
    op.execute("COMMENT ON COLUMN security_events.location IS 'latitude, longitude, accuracy in kilometres'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON security_events FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("CREATE TABLE security_events_default PARTITION OF security_events DEFAULT")
    op.execute("SELECT ensure_partitions('security_events', 3)")
    op.execute("GRANT SELECT, INSERT ON security_events TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE security_events")
    op.execute("DROP TYPE security_event_severity")
    op.execute("DROP TYPE security_event_category")
