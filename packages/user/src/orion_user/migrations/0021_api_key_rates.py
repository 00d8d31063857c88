"""Count how often keys with a limit are used."""

from alembic import op

revision = "0021_api_key_rates"
down_revision = "0020_imports"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE UNLOGGED TABLE api_key_rates (
            id uuid NOT NULL DEFAULT uuidv7(),
            api_key_id uuid NOT NULL,
            seconds bigint[] NOT NULL,
            counts integer[] NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_api_key_rates PRIMARY KEY (id),
            CONSTRAINT uq_api_key_rates_api_key_id UNIQUE (api_key_id),
            CONSTRAINT fk_api_key_rates_api_key_id FOREIGN KEY (api_key_id) REFERENCES api_keys (id) ON DELETE CASCADE,
            CONSTRAINT ck_api_key_rates_pairs CHECK (cardinality(seconds) = cardinality(counts))
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE api_key_rates IS 'Uses of API keys in the last minute; lost on a crash, which is harmless'"
    )
    op.execute("COMMENT ON COLUMN api_key_rates.seconds IS 'Since 1970, ascending'")
    op.execute("COMMENT ON COLUMN api_key_rates.counts IS 'Uses in each of them'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON api_key_rates FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON api_key_rates TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE api_key_rates")
