"""The index by which the queue was claimed before it had lanes."""

from alembic import op

revision = "0023_queue_due"
down_revision = "0022_digests"
phase = "post"


def upgrade() -> None:
    op.execute("DROP INDEX ix_notification_queue_due")


def downgrade() -> None:
    op.execute(
        """
        CREATE INDEX ix_notification_queue_due ON notification_queue (priority, due_at) WHERE lease_until IS NULL
        """
    )
