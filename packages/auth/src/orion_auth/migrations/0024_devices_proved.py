"""Let a trusted device prove itself by a secret, and its owner say of a sign-in that it was not his."""

from alembic import op

revision = "0024_devices_proved"
down_revision = "0023_refresh_rotation"
phase = "pre"
accepted = {
    "wrong-phase": "code that runs before does not write secret_hash, and where it is NULL the constraint holds"
}


def upgrade() -> None:
    op.execute("ALTER TABLE devices ADD COLUMN secret_hash bytea")
    op.execute(
        "ALTER TABLE devices ADD CONSTRAINT ck_devices_secret_hash CHECK (octet_length(secret_hash) = 32) NOT VALID"
    )
    op.execute(
        "ALTER TABLE devices ADD CONSTRAINT ck_devices_secret CHECK (secret_hash IS NULL OR status = 'TRUSTED') NOT VALID"
    )
    op.execute("COMMENT ON COLUMN devices.secret_hash IS 'SHA-256 of what a trusted device proves itself with'")
    op.execute(
        """
        CREATE TABLE disavowals (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            device_id varchar(128),
            secret_hash bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_disavowals PRIMARY KEY (id),
            CONSTRAINT ck_disavowals_secret_hash CHECK (octet_length(secret_hash) = 32),
            CONSTRAINT fk_disavowals_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_disavowals_user_id ON disavowals (user_id)")
    op.execute("CREATE INDEX ix_disavowals_expires_at ON disavowals (expires_at)")
    op.execute(
        "COMMENT ON TABLE disavowals IS 'Links by which an owner says that a sign-in was not his; each works once'"
    )
    op.execute("COMMENT ON COLUMN disavowals.device_id IS 'The client''s stable id, as in devices'")
    op.execute("COMMENT ON COLUMN disavowals.secret_hash IS 'SHA-256 of the secret part of the link'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON disavowals FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON disavowals TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE disavowals")
    op.execute("ALTER TABLE devices DROP COLUMN secret_hash")
