"""Addresses that must not be written to."""

from alembic import op

revision = "0007_suppressions"
down_revision = "0006_preferences"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE suppression_reason AS ENUM ('BOUNCE', 'COMPLAINT', 'UNSUBSCRIBE', 'MANUAL')")
    op.execute(
        """
        CREATE TABLE suppressions (
          id uuid NOT NULL DEFAULT uuidv7(),
          channel channel NOT NULL,
          recipient_hash bytea NOT NULL,
          category category,
          reason suppression_reason NOT NULL,
          expires_at timestamptz,
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_suppressions PRIMARY KEY (id),
          CONSTRAINT uq_suppressions_channel_recipient_hash_category
            UNIQUE NULLS NOT DISTINCT (channel, recipient_hash, category),
          CONSTRAINT ck_suppressions_recipient_hash CHECK (octet_length(recipient_hash) = 32),
          CONSTRAINT ck_suppressions_expires_at CHECK (expires_at > created_at)
        )
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON suppressions FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON suppressions TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE suppressions")
    op.execute("DROP TYPE suppression_reason")
