"""Count how often the tokens of API keys with a limit of their own come in."""

from alembic import op

revision = "0036_api_key_rates"
down_revision = "0035_callback_receipts"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE UNLOGGED TABLE api_key_rates (
          id uuid NOT NULL DEFAULT uuidv7(),
          api_key_id uuid NOT NULL,
          seconds bigint[] NOT NULL,
          counts integer[] NOT NULL,
          counts_until timestamptz NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_api_key_rates PRIMARY KEY (id),
          CONSTRAINT uq_api_key_rates_api_key_id UNIQUE (api_key_id),
          CONSTRAINT ck_api_key_rates_pairs CHECK (cardinality(seconds) = cardinality(counts))
        )
        """
    )
    op.execute("CREATE INDEX ix_api_key_rates_counts_until ON api_key_rates (counts_until)")
    op.execute(
        "COMMENT ON TABLE api_key_rates IS 'Uses of API keys in the last minute; lost on a crash, which is harmless'"
    )
    op.execute("COMMENT ON COLUMN api_key_rates.api_key_id IS 'No foreign key: user has the keys'")
    op.execute("COMMENT ON COLUMN api_key_rates.seconds IS 'Since 1970, ascending'")
    op.execute("COMMENT ON COLUMN api_key_rates.counts IS 'How many in each of them'")
    op.execute("COMMENT ON COLUMN api_key_rates.counts_until IS 'From when on none of them counts'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON api_key_rates FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON api_key_rates TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE api_key_rates")
