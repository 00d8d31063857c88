"""An erasure finds what was said by links in the person's messages."""

from alembic import op

revision = "0024_consent_messages"
down_revision = "0023_queue_due"
phase = "post"


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX ix_consents_notification_id ON consents (notification_id) WHERE notification_id IS NOT NULL
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_consents_notification_id")
