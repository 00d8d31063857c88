"""What provider accounts still let through.

Workers that share an account share its limit too: each takes some at a time out of one bucket.
"""

from alembic import op

revision = "0017_provider_buckets"
down_revision = "0016_decisions"
phase = "pre"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE provider_buckets (
          account_id uuid NOT NULL,
          full_at timestamptz NOT NULL,
          granted smallint NOT NULL,
          CONSTRAINT pk_provider_buckets PRIMARY KEY (account_id),
          CONSTRAINT fk_provider_buckets_account_id
            FOREIGN KEY (account_id) REFERENCES provider_accounts (id) ON DELETE CASCADE
        )
    """)
    op.execute("COMMENT ON COLUMN provider_buckets.granted IS 'What was given out the last time that it was asked'")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON provider_buckets TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE provider_buckets")
