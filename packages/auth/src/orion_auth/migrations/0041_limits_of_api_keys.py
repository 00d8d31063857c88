"""Keep how often an API key may be used, so that its tokens can say it. The rows are checked by the next revision."""

from alembic import op

revision = "0041_limits_of_api_keys"
down_revision = "0040_enrolments_checked"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys ADD COLUMN rate_limit integer")
    op.execute("COMMENT ON COLUMN api_keys.rate_limit IS 'Requests in a minute, at each service'")
    op.execute("ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_rate_limit CHECK (rate_limit > 0) NOT VALID")


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP COLUMN rate_limit")
