"""Check the rows of api_keys for what the migration before asks of them."""

from alembic import op

revision = "0042_limits_checked"
down_revision = "0041_limits_of_api_keys"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys VALIDATE CONSTRAINT ck_api_keys_rate_limit")


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP CONSTRAINT ck_api_keys_rate_limit")
    op.execute("ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_rate_limit CHECK (rate_limit > 0) NOT VALID")
