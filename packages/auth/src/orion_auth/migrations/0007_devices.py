"""Create the devices a user signs in from."""

from alembic import op

revision = "0007_devices"
down_revision = "0006_passkeys"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE device_type AS ENUM ('DESKTOP', 'MOBILE', 'TABLET', 'TV', 'BOT', 'UNKNOWN')")
    op.execute("CREATE TYPE device_status AS ENUM ('TRUSTED', 'UNTRUSTED', 'BLOCKED', 'PENDING_VERIFICATION')")
    op.execute(
        """
        CREATE TABLE devices (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            device_id varchar(128) NOT NULL,
            fingerprint varchar(64),
            name varchar(100),
            type device_type NOT NULL DEFAULT 'UNKNOWN',
            os varchar(50),
            os_version varchar(50),
            browser varchar(50),
            browser_version varchar(50),
            status device_status NOT NULL DEFAULT 'UNTRUSTED',
            last_ip_address inet,
            last_country varchar(2),
            last_city varchar(100),
            last_location jsonb,
            first_seen_at timestamptz NOT NULL DEFAULT now(),
            last_seen_at timestamptz NOT NULL DEFAULT now(),
            login_count integer NOT NULL DEFAULT 0,
            verified_at timestamptz,
            trust_expires_at timestamptz,
            metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_devices PRIMARY KEY (id),
            CONSTRAINT uq_devices_user_id_device_id UNIQUE (user_id, device_id),
            CONSTRAINT ck_devices_fingerprint CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
            CONSTRAINT ck_devices_seen CHECK (first_seen_at <= last_seen_at),
            CONSTRAINT ck_devices_login_count CHECK (login_count >= 0),
            CONSTRAINT ck_devices_trusted CHECK (status <> 'TRUSTED' OR verified_at IS NOT NULL),
            CONSTRAINT fk_devices_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_devices_device_id ON devices (device_id)")
    op.execute("CREATE INDEX ix_devices_fingerprint ON devices (fingerprint)")
    op.execute("CREATE INDEX ix_devices_user_id_status ON devices (user_id, status)")
    op.execute("COMMENT ON TABLE devices IS 'The devices a user signs in from'")
    op.execute("COMMENT ON COLUMN devices.device_id IS 'The client''s own stable id'")
    op.execute("COMMENT ON COLUMN devices.fingerprint IS 'SHA-256 of the client''s traits, hexadecimal'")
    op.execute("COMMENT ON COLUMN devices.last_country IS 'ISO 3166-1 alpha-2'")
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON devices FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON devices TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE devices")
    op.execute("DROP TYPE device_status")
    op.execute("DROP TYPE device_type")
