"""Who has agreed to what, or taken it back, when and how: the proof of it outlives the choice."""

from alembic import op

revision = "0021_consents"
down_revision = "0020_escalations"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE consent_source AS ENUM ('ONE_CLICK', 'PAGE', 'ACCOUNT', 'ADMINISTRATOR')")
    op.execute(
        """
        CREATE TABLE consents (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid,
          channel channel NOT NULL,
          category category NOT NULL,
          recipient_hash bytea,
          is_given boolean NOT NULL,
          source consent_source NOT NULL,
          notification_id uuid,
          ip_address inet,
          occurred_at timestamptz NOT NULL,
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_consents PRIMARY KEY (id),
          CONSTRAINT ck_consents_recipient_hash CHECK (octet_length(recipient_hash) = 32)
        )
        """
    )
    op.execute("CREATE INDEX ix_consents_user_id ON consents (user_id)")
    op.execute("CREATE INDEX ix_consents_recipient_hash ON consents (recipient_hash)")
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON consents TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE consents")
    op.execute("DROP TYPE consent_source")
