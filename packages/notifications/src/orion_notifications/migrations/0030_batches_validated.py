"""Validate what 0029 demands of batches; reading them for that holds nobody up."""

from alembic import op

revision = "0030_batches_validated"
down_revision = "0029_batches"
phase = "pre"

CHECKS = {
    "ck_notification_batches_bounced_permille": "bounced_permille BETWEEN 0 AND 1000",
    "ck_notification_batches_canary": (
        "(canary_recipients IS NULL) = (canary_seconds IS NULL) AND least(canary_recipients, canary_seconds) >= 1"
    ),
    "ck_notification_batches_complained_permille": "complained_permille BETWEEN 0 AND 1000",
    "ck_notification_batches_rate_per_second": "rate_per_second BETWEEN 1 AND 100000",
    "ck_notification_batches_variables": "jsonb_typeof(variables) = 'object'",
}


def upgrade() -> None:
    for name in CHECKS:
        op.execute(f"ALTER TABLE notification_batches VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    for name, condition in CHECKS.items():
        op.execute(f"ALTER TABLE notification_batches DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE notification_batches ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
