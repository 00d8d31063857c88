"""Add memberships of organizations and teams, with their invitations."""

from alembic import op

revision = "0006_memberships"
down_revision = "0005_roles"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE membership_status AS ENUM ('INVITED', 'ACTIVE', 'ENDED')")
    op.execute(
        """
        CREATE TABLE memberships (
            id uuid NOT NULL DEFAULT uuidv7(),
            organization_id uuid NOT NULL,
            team_id uuid,
            user_id uuid,
            status membership_status NOT NULL,
            email varchar(255),
            role_id uuid,
            invitation_token uuid,
            invitation_token_hash bytea,
            invited_by uuid,
            invited_at timestamptz,
            expires_at timestamptz,
            joined_at timestamptz,
            ended_at timestamptz,
            end_reason varchar(200),
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_memberships PRIMARY KEY (id),
            CONSTRAINT uq_memberships_invitation_token UNIQUE (invitation_token),
            CONSTRAINT fk_memberships_organization_id
                FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
            CONSTRAINT fk_memberships_organization_id_team_id
                FOREIGN KEY (organization_id, team_id) REFERENCES teams (organization_id, id) ON DELETE CASCADE,
            CONSTRAINT fk_memberships_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT fk_memberships_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE SET NULL,
            CONSTRAINT fk_memberships_invited_by FOREIGN KEY (invited_by) REFERENCES users (id) ON DELETE SET NULL,
            CONSTRAINT ck_memberships_email CHECK (email = lower(email) AND email LIKE '%_@_%'),
            CONSTRAINT ck_memberships_invitation_token_hash CHECK (octet_length(invitation_token_hash) = 32),
            CONSTRAINT ck_memberships_metadata CHECK (jsonb_typeof(metadata) = 'object'),
            CONSTRAINT ck_memberships_invited CHECK (
                status <> 'INVITED'
                OR num_nulls(email, invitation_token, invitation_token_hash, invited_at, expires_at) = 0
            ),
            CONSTRAINT ck_memberships_active CHECK (status <> 'ACTIVE' OR num_nulls(user_id, joined_at) = 0),
            CONSTRAINT ck_memberships_ended CHECK ((status = 'ENDED') = (ended_at IS NOT NULL)),
            CONSTRAINT ck_memberships_expires_at CHECK (invited_at < expires_at)
        )
        """
    )
    op.execute("COMMENT ON COLUMN memberships.invitation_token IS 'Public selector, not a secret'")
    op.execute("COMMENT ON COLUMN memberships.invitation_token_hash IS 'SHA-256'")
    op.execute("COMMENT ON COLUMN memberships.expires_at IS 'Until when the invitation can be accepted'")
    _indexes()
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON memberships FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON memberships TO orion_user_service")


def _indexes() -> None:
    op.execute("CREATE INDEX ix_memberships_user_id ON memberships (user_id)")
    op.execute("CREATE INDEX ix_memberships_organization_id_team_id ON memberships (organization_id, team_id)")
    op.execute("CREATE INDEX ix_memberships_organization_id_user_id ON memberships (organization_id, user_id)")
    op.execute("CREATE INDEX ix_memberships_role_id ON memberships (role_id) WHERE role_id IS NOT NULL")
    op.execute("CREATE INDEX ix_memberships_invited_by ON memberships (invited_by) WHERE invited_by IS NOT NULL")
    op.execute("CREATE INDEX ix_memberships_expires_at ON memberships (expires_at) WHERE status = 'INVITED'")
    # NULLS NOT DISTINCT: membership of the organization itself, without a team, is one membership too.
    op.execute(
        "CREATE UNIQUE INDEX uq_memberships_active ON memberships (user_id, organization_id, team_id)"
        " NULLS NOT DISTINCT WHERE status = 'ACTIVE'"
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_memberships_invited ON memberships (email, organization_id, team_id)"
        " NULLS NOT DISTINCT WHERE status = 'INVITED'"
    )


def downgrade() -> None:
    op.execute("DROP TABLE memberships")
    op.execute("DROP TYPE membership_status")
