"""Let passkeys be registered and used: the challenges they answer, what they know a user by, and which were copied."""

from alembic import op

revision = "0031_passkeys_used"
down_revision = "0030_idle_sessions"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE webauthn_credentials
            ADD COLUMN user_verified boolean NOT NULL DEFAULT false,
            ADD COLUMN is_discoverable boolean,
            ADD COLUMN cloned_at timestamptz
        """
    )
    op.execute(
        "COMMENT ON COLUMN webauthn_credentials.user_verified IS 'Whether it has ever verified its user, by PIN or biometrics'"
    )
    op.execute(
        "COMMENT ON COLUMN webauthn_credentials.is_discoverable IS 'Whether it is found without naming its user (credProps); empty when the client did not say'"
    )
    op.execute(
        "COMMENT ON COLUMN webauthn_credentials.cloned_at IS 'When its counter ran backwards: a copy of it is about, and it is refused since'"
    )
    op.execute(
        """
        CREATE TABLE webauthn_users (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            handle bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_webauthn_users PRIMARY KEY (id),
            CONSTRAINT uq_webauthn_users_user_id UNIQUE (user_id),
            CONSTRAINT uq_webauthn_users_handle UNIQUE (handle),
            CONSTRAINT ck_webauthn_users_handle CHECK (octet_length(handle) = 32),
            CONSTRAINT fk_webauthn_users_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("COMMENT ON TABLE webauthn_users IS 'What authenticators know a user by'")
    op.execute("COMMENT ON COLUMN webauthn_users.handle IS 'user.id of WebAuthn: 32 random bytes'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON webauthn_users FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webauthn_users TO orion_auth_service")
    op.execute("CREATE TYPE web_authn_purpose AS ENUM ('REGISTRATION', 'SIGN_IN', 'SECOND_FACTOR', 'PROOF')")
    op.execute(
        """
        CREATE TABLE webauthn_challenges (
            id uuid NOT NULL DEFAULT uuidv7(),
            purpose web_authn_purpose NOT NULL,
            challenge_hash bytea NOT NULL,
            user_id uuid,
            sign_in_id uuid,
            needs_verification boolean NOT NULL,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_webauthn_challenges PRIMARY KEY (id),
            CONSTRAINT uq_webauthn_challenges_challenge_hash UNIQUE (challenge_hash),
            CONSTRAINT ck_webauthn_challenges_challenge_hash CHECK (octet_length(challenge_hash) = 32),
            CONSTRAINT ck_webauthn_challenges_user_id CHECK ((purpose = 'SIGN_IN') = (user_id IS NULL)),
            CONSTRAINT ck_webauthn_challenges_sign_in_id CHECK ((purpose = 'SECOND_FACTOR') = (sign_in_id IS NOT NULL)),
            CONSTRAINT fk_webauthn_challenges_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE,
            CONSTRAINT fk_webauthn_challenges_sign_in_id FOREIGN KEY (sign_in_id) REFERENCES two_factor_challenges (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_webauthn_challenges_user_id ON webauthn_challenges (user_id)")
    op.execute("CREATE INDEX ix_webauthn_challenges_sign_in_id ON webauthn_challenges (sign_in_id)")
    op.execute("CREATE INDEX ix_webauthn_challenges_expires_at ON webauthn_challenges (expires_at)")
    op.execute("COMMENT ON TABLE webauthn_challenges IS 'Challenges to authenticators that wait for their answers'")
    op.execute("COMMENT ON COLUMN webauthn_challenges.challenge_hash IS 'SHA-256 of the challenge'")
    op.execute("COMMENT ON COLUMN webauthn_challenges.user_id IS 'Who may answer it; empty when anybody may'")
    op.execute(
        "COMMENT ON COLUMN webauthn_challenges.sign_in_id IS 'The half-finished sign-in that it is the second factor of'"
    )
    op.execute(
        "COMMENT ON COLUMN webauthn_challenges.needs_verification IS 'Whether a touch is not enough: PIN or biometrics'"
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON webauthn_challenges FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webauthn_challenges TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE webauthn_challenges")
    op.execute("DROP TYPE web_authn_purpose")
    op.execute("DROP TABLE webauthn_users")
    op.execute(
        """
        ALTER TABLE webauthn_credentials
            DROP COLUMN cloned_at,
            DROP COLUMN is_discoverable,
            DROP COLUMN user_verified
        """
    )
