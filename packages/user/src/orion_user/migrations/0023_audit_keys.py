"""Add the keys that checkpoints of the audit trail are signed with, and say where in a transaction one ends."""

from alembic import op

revision = "0023_audit_keys"
down_revision = "0022_rights"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE audit_checkpoints ADD COLUMN after_id uuid")
    op.execute(
        "COMMENT ON COLUMN audit_checkpoints.after_id IS"
        " 'Of the transaction at the horizon, the entries up to this one'"
    )
    op.execute(
        """
        CREATE TABLE audit_signing_keys (
            id uuid NOT NULL DEFAULT uuidv7(),
            key_id varchar(64) NOT NULL,
            public_key bytea NOT NULL,
            private_key bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_audit_signing_keys PRIMARY KEY (id),
            CONSTRAINT uq_audit_signing_keys_key_id UNIQUE (key_id),
            CONSTRAINT ck_audit_signing_keys_public_key CHECK (octet_length(public_key) = 32)
        )
        """
    )
    op.execute("COMMENT ON COLUMN audit_signing_keys.key_id IS 'RFC 7638 thumbprint'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON audit_signing_keys"
        " FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON audit_signing_keys TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE audit_signing_keys")
    op.execute("ALTER TABLE audit_checkpoints DROP COLUMN after_id")
