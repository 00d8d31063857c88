"""A user's webhooks are endpoints (0019): several, each with its own secret. Nothing has ever read this one."""

from alembic import op

revision = "0031_no_webhook_url"
down_revision = "0030_batches_validated"
phase = "post"


def upgrade() -> None:
    op.execute("ALTER TABLE user_preferences DROP COLUMN webhook_url")


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE user_preferences
          ADD COLUMN webhook_url varchar(2048),
          ADD CONSTRAINT ck_user_preferences_webhook_url CHECK (webhook_url ~ '^https?://')
        """
    )
