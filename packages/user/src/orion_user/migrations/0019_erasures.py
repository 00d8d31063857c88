"""Write down who is to be forgotten and how far that is, and refuse to delete whom the law needs."""

from alembic import op

revision = "0019_erasures"
down_revision = "0018_invitations_checked"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE erasure_reason AS ENUM ('REQUESTED', 'PURGED')")
    op.execute(
        """
        CREATE TABLE erasures (
            id uuid DEFAULT uuidv7() NOT NULL,
            user_id uuid NOT NULL,
            reason erasure_reason NOT NULL,
            requested_by varchar(100) NOT NULL,
            requested_at timestamptz NOT NULL,
            auth_erased_at timestamptz,
            user_erased_at timestamptz,
            notifications_erased_at timestamptz,
            counts jsonb DEFAULT '{}'::jsonb NOT NULL,
            obstacle varchar(500),
            created_at timestamptz DEFAULT now() NOT NULL,
            updated_at timestamptz DEFAULT now() NOT NULL,
            CONSTRAINT pk_erasures PRIMARY KEY (id),
            CONSTRAINT uq_erasures_user_id UNIQUE (user_id),
            CONSTRAINT ck_erasures_counts CHECK (jsonb_typeof(counts) = 'object')
        )
        """
    )
    op.execute(
        "CREATE INDEX ix_erasures_open ON erasures (requested_at) WHERE"
        " auth_erased_at IS NULL OR user_erased_at IS NULL OR notifications_erased_at IS NULL"
    )
    op.execute("COMMENT ON COLUMN erasures.user_id IS 'No foreign key: the receipt outlives the user'")
    op.execute("COMMENT ON COLUMN erasures.requested_by IS 'Subject of an access token, or user itself'")
    op.execute("COMMENT ON COLUMN erasures.counts IS 'Rows deleted or emptied, by service and table'")
    op.execute("COMMENT ON COLUMN erasures.obstacle IS 'Why user could not erase yet; tried again'")
    op.execute(
        """
        CREATE TABLE legal_holds (
            id uuid DEFAULT uuidv7() NOT NULL,
            user_id uuid NOT NULL,
            reason varchar(500) NOT NULL,
            placed_by varchar(100) NOT NULL,
            created_at timestamptz DEFAULT now() NOT NULL,
            updated_at timestamptz DEFAULT now() NOT NULL,
            CONSTRAINT pk_legal_holds PRIMARY KEY (id),
            CONSTRAINT uq_legal_holds_user_id UNIQUE (user_id),
            CONSTRAINT fk_legal_holds_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT,
            CONSTRAINT ck_legal_holds_reason CHECK (reason <> '')
        )
        """
    )
    for table in ("erasures", "legal_holds"):
        op.execute(
            f"CREATE TRIGGER set_updated_at BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE legal_holds")
    op.execute("DROP TABLE erasures")
    op.execute("DROP TYPE erasure_reason")
