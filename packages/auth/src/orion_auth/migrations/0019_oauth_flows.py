"""Create the journeys to sign-in providers, and remember of a linked account when its tokens and its profile are due."""

from alembic import op

revision = "0019_oauth_flows"
down_revision = "0018_email_changes"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE flow_status AS ENUM ('STARTED', 'RETURNED', 'PROVED', 'USED')")
    op.execute(
        """
        CREATE TABLE oauth_flows (
            id uuid NOT NULL DEFAULT uuidv7(),
            provider varchar(50) NOT NULL,
            status flow_status NOT NULL DEFAULT 'STARTED',
            state_hash bytea NOT NULL,
            nonce_hash bytea NOT NULL,
            browser_hash bytea,
            flow_hash bytea NOT NULL,
            code_verifier bytea,
            return_to varchar(2000) NOT NULL,
            code_hash bytea,
            proof bytea,
            email varchar(255),
            email_code_hash bytea,
            email_tries smallint NOT NULL DEFAULT 0,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_oauth_flows PRIMARY KEY (id),
            CONSTRAINT uq_oauth_flows_state_hash UNIQUE (state_hash),
            CONSTRAINT fk_oauth_flows_provider FOREIGN KEY (provider) REFERENCES oauth_connections (name) ON DELETE CASCADE ON UPDATE CASCADE,
            CONSTRAINT ck_oauth_flows_state_hash CHECK (octet_length(state_hash) = 32),
            CONSTRAINT ck_oauth_flows_nonce_hash CHECK (octet_length(nonce_hash) = 32),
            CONSTRAINT ck_oauth_flows_browser_hash CHECK (octet_length(browser_hash) = 32),
            CONSTRAINT ck_oauth_flows_flow_hash CHECK (octet_length(flow_hash) = 32),
            CONSTRAINT ck_oauth_flows_code_hash CHECK (octet_length(code_hash) = 32),
            CONSTRAINT ck_oauth_flows_email_code_hash CHECK (octet_length(email_code_hash) = 32),
            CONSTRAINT ck_oauth_flows_proved CHECK ((status IN ('PROVED', 'USED')) = (code_hash IS NOT NULL)),
            CONSTRAINT ck_oauth_flows_used CHECK (status <> 'USED' OR num_nonnulls(proof, code_verifier) = 0),
            CONSTRAINT ck_oauth_flows_email_tries CHECK (email_tries BETWEEN 0 AND 5)
        )
        """
    )
    op.execute("CREATE INDEX ix_oauth_flows_provider ON oauth_flows (provider)")
    op.execute("CREATE INDEX ix_oauth_flows_expires_at ON oauth_flows (expires_at)")
    op.execute("COMMENT ON TABLE oauth_flows IS 'Journeys to sign-in providers that are under way'")
    op.execute(
        "COMMENT ON COLUMN oauth_flows.browser_hash IS 'Of the cookie of the browser that began it; empty when a backend did'"
    )
    op.execute("COMMENT ON COLUMN oauth_flows.flow_hash IS 'Of the secret of whoever began it'")
    op.execute("COMMENT ON COLUMN oauth_flows.code_hash IS 'Of the code that the browser brought back'")
    op.execute("COMMENT ON COLUMN oauth_flows.email IS 'The address that a code was mailed to'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON oauth_flows FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_flows TO orion_auth_service")
    op.execute(
        """
        ALTER TABLE oauth_providers
            ADD COLUMN refresh_failures smallint NOT NULL DEFAULT 0,
            ADD COLUMN refresh_retry_at timestamptz,
            ADD COLUMN sync_due_at timestamptz,
            ADD COLUMN access_ended_at timestamptz
        """
    )
    op.execute(
        "CREATE INDEX ix_oauth_providers_sync_due_at ON oauth_providers (sync_due_at) WHERE sync_due_at IS NOT NULL"
    )
    op.execute(
        "COMMENT ON COLUMN oauth_providers.refresh_retry_at IS 'Not before: another process is refreshing the tokens, or the provider has refused lately'"
    )
    op.execute("COMMENT ON COLUMN oauth_providers.access_ended_at IS 'When the provider took our tokens no more'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_oauth_providers_sync_due_at")
    op.execute(
        """
        ALTER TABLE oauth_providers
            DROP COLUMN access_ended_at,
            DROP COLUMN sync_due_at,
            DROP COLUMN refresh_retry_at,
            DROP COLUMN refresh_failures
        """
    )
    op.execute("DROP TABLE oauth_flows")
    op.execute("DROP TYPE flow_status")
