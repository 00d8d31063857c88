"""Say of a sign-in provider how we authenticate there, how it answers, and whether its e-mail addresses are believed."""

from alembic import op

revision = "0016_oauth_connections"
down_revision = "0015_outbox_pruned"
phase = "pre"


def upgrade() -> None:
    op.execute(
        "CREATE TYPE client_authentication AS ENUM ('NONE', 'CLIENT_SECRET_BASIC', 'CLIENT_SECRET_POST', 'APPLE_JWT')"
    )
    op.execute("CREATE TYPE response_mode AS ENUM ('QUERY', 'FORM_POST')")
    op.execute("CREATE TYPE email_trust AS ENUM ('NEVER', 'CLAIM', 'ALWAYS')")
    op.execute(
        """
        ALTER TABLE oauth_connections
            ADD COLUMN display_name varchar(100),
            ADD COLUMN client_authentication client_authentication NOT NULL DEFAULT 'CLIENT_SECRET_BASIC',
            ADD COLUMN team_id varchar(60),
            ADD COLUMN key_id varchar(60),
            ADD COLUMN emails_url varchar(500),
            ADD COLUMN authorization_parameters jsonb NOT NULL DEFAULT '{}'::jsonb,
            ADD COLUMN response_mode response_mode NOT NULL DEFAULT 'QUERY',
            ADD COLUMN email_trust email_trust NOT NULL DEFAULT 'NEVER',
            ADD COLUMN auto_link_domains varchar(255)[] NOT NULL DEFAULT '{}'
        """
    )
    op.execute("COMMENT ON COLUMN oauth_connections.team_id IS 'Apple: the developer team that the key belongs to'")
    op.execute("COMMENT ON COLUMN oauth_connections.key_id IS 'Apple: the name of the key'")
    op.execute("COMMENT ON COLUMN oauth_connections.emails_url IS 'GitHub: the list of a user''s addresses'")
    op.execute(
        "COMMENT ON COLUMN oauth_connections.auto_link_domains IS 'Domains whose verified addresses link by themselves: the provider is their only authority'"
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE oauth_connections
            DROP COLUMN auto_link_domains,
            DROP COLUMN email_trust,
            DROP COLUMN response_mode,
            DROP COLUMN authorization_parameters,
            DROP COLUMN emails_url,
            DROP COLUMN key_id,
            DROP COLUMN team_id,
            DROP COLUMN client_authentication,
            DROP COLUMN display_name
        """
    )
    op.execute("DROP TYPE email_trust")
    op.execute("DROP TYPE response_mode")
    op.execute("DROP TYPE client_authentication")
