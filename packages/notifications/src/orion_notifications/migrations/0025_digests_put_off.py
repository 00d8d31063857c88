"""A digest that could not be closed is tried again later and keeps its window, of which there is one digest then."""

from alembic import op

revision = "0025_digests_put_off"
down_revision = "0024_consent_messages"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE digests ADD COLUMN put_off_until timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE digests DROP COLUMN put_off_until")
