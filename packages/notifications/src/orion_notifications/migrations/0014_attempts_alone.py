"""Attempts without the foreign key to their notification, whose check took a tenth of the time of a delivery."""

from alembic import op

revision = "0014_attempts_alone"
down_revision = "0013_sent_at_once"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE delivery_attempts DROP CONSTRAINT fk_delivery_attempts_notification_id")


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE delivery_attempts ADD CONSTRAINT fk_delivery_attempts_notification_id
          FOREIGN KEY (notification_id) REFERENCES notifications (id) ON DELETE CASCADE
        """
    )
