"""Create sign-in providers and the accounts linked through them."""

from alembic import op

revision = "0009_social"
down_revision = "0008_sessions"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE provider_protocol AS ENUM ('OIDC', 'OAUTH2')")
    op.execute(
        """
        CREATE TABLE oauth_connections (
            id uuid NOT NULL DEFAULT uuidv7(),
            name varchar(50) NOT NULL,
            protocol provider_protocol NOT NULL,
            client_id varchar(255) NOT NULL,
            client_secret bytea,
            issuer varchar(500),
            discovery_url varchar(500),
            authorization_url varchar(500),
            token_url varchar(500),
            userinfo_url varchar(500),
            jwks_url varchar(500),
            scopes varchar(255)[] NOT NULL DEFAULT '{}',
            claim_mapping jsonb NOT NULL DEFAULT '{}'::jsonb,
            is_enabled boolean NOT NULL DEFAULT false,
            metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_oauth_connections PRIMARY KEY (id),
            CONSTRAINT uq_oauth_connections_name UNIQUE (name),
            CONSTRAINT ck_oauth_connections_oidc CHECK (protocol <> 'OIDC' OR num_nonnulls(discovery_url, issuer) > 0),
            CONSTRAINT ck_oauth_connections_oauth2 CHECK (protocol <> 'OAUTH2' OR num_nulls(authorization_url, token_url, userinfo_url) = 0)
        )
        """
    )
    op.execute("COMMENT ON TABLE oauth_connections IS 'Configured sign-in providers'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON oauth_connections FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_connections TO orion_auth_service")
    op.execute(
        """
        CREATE TABLE oauth_providers (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            provider varchar(50) NOT NULL,
            provider_id varchar(255) NOT NULL,
            provider_email varchar(255),
            access_token bytea,
            refresh_token bytea,
            token_expires_at timestamptz,
            scopes varchar(255)[] NOT NULL DEFAULT '{}',
            profile jsonb NOT NULL DEFAULT '{}'::jsonb,
            is_primary boolean NOT NULL DEFAULT false,
            last_used_at timestamptz,
            last_synced_at timestamptz,
            metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_oauth_providers PRIMARY KEY (id),
            CONSTRAINT uq_oauth_providers_provider_provider_id UNIQUE (provider, provider_id),
            CONSTRAINT ck_oauth_providers_provider_email CHECK (provider_email = lower(provider_email)),
            CONSTRAINT fk_oauth_providers_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE,
            CONSTRAINT fk_oauth_providers_provider FOREIGN KEY (provider) REFERENCES oauth_connections (name) ON DELETE RESTRICT ON UPDATE CASCADE
        )
        """
    )
    op.execute(
        "CREATE INDEX ix_oauth_providers_token_expires_at ON oauth_providers (token_expires_at) WHERE refresh_token IS NOT NULL"
    )
    op.execute("CREATE INDEX ix_oauth_providers_user_id ON oauth_providers (user_id)")
    op.execute("CREATE UNIQUE INDEX uq_oauth_providers_primary ON oauth_providers (user_id) WHERE is_primary")
    op.execute("COMMENT ON TABLE oauth_providers IS 'Accounts elsewhere that users have linked'")
    op.execute("COMMENT ON COLUMN oauth_providers.provider_id IS 'The provider''s subject'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON oauth_providers FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_providers TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE oauth_providers")
    op.execute("DROP TABLE oauth_connections")
    op.execute("DROP TYPE provider_protocol")
