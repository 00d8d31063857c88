"""What providers tell counts once, where to hear it again would change something."""

from alembic import op

revision = "0035_callback_receipts"
down_revision = "0034_narrower_indexes"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE callback_receipts (
          signed_hash bytea NOT NULL,
          good_until timestamptz NOT NULL,
          CONSTRAINT pk_callback_receipts PRIMARY KEY (signed_hash),
          CONSTRAINT ck_callback_receipts_signed_hash CHECK (octet_length(signed_hash) = 32)
        )
        """
    )
    op.execute("CREATE INDEX ix_callback_receipts_good_until ON callback_receipts (good_until)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON callback_receipts TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE callback_receipts")
