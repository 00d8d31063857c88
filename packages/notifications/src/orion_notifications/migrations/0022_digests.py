"""Messages that are told of together: one digest for each window of a user, which the unique key holds."""

from alembic import op

revision = "0022_digests"
down_revision = "0021_consents"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE digests (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid NOT NULL,
          until timestamptz NOT NULL,
          closed_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_digests PRIMARY KEY (id),
          CONSTRAINT uq_digests_user_id_until UNIQUE (user_id, until)
        )
        """
    )
    op.execute("CREATE INDEX ix_digests_open ON digests (until) WHERE closed_at IS NULL")
    op.execute("CREATE INDEX ix_digests_closed_at ON digests (closed_at) WHERE closed_at IS NOT NULL")
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON digests FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute(
        """
        CREATE TABLE digest_items (
          notification_id uuid NOT NULL,
          digest_id uuid NOT NULL,
          CONSTRAINT pk_digest_items PRIMARY KEY (notification_id),
          CONSTRAINT fk_digest_items_digest_id
            FOREIGN KEY (digest_id) REFERENCES digests (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_digest_items_digest_id ON digest_items (digest_id)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON digests, digest_items TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE digest_items")
    op.execute("DROP TABLE digests")
