"""Add where the audit trail is streamed to, and how far each receiver has got."""

from alembic import op

revision = "0025_audit_streams"
down_revision = "0024_role_rights"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE audit_streams (
            id uuid NOT NULL DEFAULT uuidv7(),
            name varchar(60) NOT NULL,
            url varchar(2048) NOT NULL,
            secret bytea,
            is_enabled boolean NOT NULL DEFAULT true,
            position bigint NOT NULL,
            arrived integer NOT NULL DEFAULT 0,
            leased_until timestamptz,
            failures integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz,
            delivered_at timestamptz,
            error varchar(500),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_audit_streams PRIMARY KEY (id),
            CONSTRAINT uq_audit_streams_name UNIQUE (name),
            CONSTRAINT ck_audit_streams_position CHECK (position >= 0 AND arrived >= 0),
            CONSTRAINT ck_audit_streams_failures CHECK (failures >= 0)
        )
        """
    )
    op.execute("COMMENT ON COLUMN audit_streams.secret IS 'What deliveries are signed with'")
    op.execute(
        "COMMENT ON COLUMN audit_streams.position IS 'Number of the last checkpoint that has arrived as a whole'"
    )
    op.execute("COMMENT ON COLUMN audit_streams.arrived IS 'Entries of the next one that have arrived'")
    op.execute("COMMENT ON COLUMN audit_streams.leased_until IS 'Until then one process delivers'")
    op.execute("COMMENT ON COLUMN audit_streams.failures IS 'In a row'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON audit_streams FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON audit_streams TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE audit_streams")
