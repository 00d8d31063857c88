"""Organizations, teams inside them, and memberships: the ORG and TEAM that permission scopes speak of."""

from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever, Rows
from orion_core.tables import Annotated, Identified, SoftDeleted, Timestamped, after_create, digest_check, native_enum
from orion_user.base import EMAIL_CHECK, Table, look, object_check, trigger

SLUG_CHECK = "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"


class Organization(Identified, SoftDeleted, Timestamped, Annotated, Table):
    """A customer of the product, or any group that has its own roles and teams. Its owner cannot be purged before it is
    handed over.
    """

    __tablename__ = "organizations"

    name: Mapped[str] = mapped_column(String(100))
    slug: Mapped[str] = mapped_column(String(63))
    description: Mapped[str | None] = mapped_column(String(500))
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), index=True)

    __table_args__ = (
        CheckConstraint(SLUG_CHECK, name="slug"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        Index("uq_organizations_slug", "slug", unique=True, postgresql_where=text("deleted_at IS NULL")),
        # An address that can be taken for another organization's leads people to somebody else.
        Index("uq_organizations_look", text(look("slug")), unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_organizations_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        {"info": {"retention": Forever("a deleted organization can be restored")}},
    )


class OrganizationAbsence(Identified, Timestamped, Table):
    """That an organization was deleted for a time, until it was restored."""

    __tablename__ = "organization_absences"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("ended_at >= began_at", name="ended_at"),
        Index(None, "organization_id", "began_at"),
        {"info": {"retention": Follows("organizations", "a part of it"), "grants": "SELECT, INSERT"}},
    )


class Team(Identified, SoftDeleted, Timestamped, Annotated, Table):
    """A group inside an organization. Teams nest within their organization, and never in a circle.

    A deleted one stays, so that who could do something there can be told of the time before; what was given in it has
    ended then, and all teams in it are deleted too.
    """

    __tablename__ = "teams"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    parent_team_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(String(100))
    slug: Mapped[str] = mapped_column(String(63))
    description: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        CheckConstraint(SLUG_CHECK, name="slug"),
        CheckConstraint("parent_team_id <> id", name="parent"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        Index("uq_teams_slug", "organization_id", "slug", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(
            "uq_teams_slug_look",
            "organization_id",
            text(look("slug")),
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        # Means nothing by itself: foreign keys to (organization_id, id) keep teams and members in one organization.
        UniqueConstraint("organization_id", "id"),
        ForeignKeyConstraint(
            ["organization_id", "parent_team_id"], ["teams.organization_id", "teams.id"], ondelete="CASCADE"
        ),
        Index(None, "organization_id", "parent_team_id"),
        {"info": {"retention": Follows("organizations", "a part of it")}},
    )


class TeamMove(Identified, Timestamped, Table):
    """That a team lay elsewhere until a moment: so what could be done in it before is told as it was then."""

    __tablename__ = "team_moves"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    parent_team_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("teams.id", ondelete="CASCADE"), comment="What it lay in until then; null: in no other team"
    )
    moved_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "team_id", "moved_at"),
        Index(None, "parent_team_id", postgresql_where=text("parent_team_id IS NOT NULL")),
        {"info": {"retention": Follows("teams", "a part of it"), "grants": "SELECT, INSERT"}},
    )


REFUSE_TEAM_CIRCLE = """
CREATE FUNCTION refuse_team_circle() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- One change of a hierarchy at a time, or two transactions could each add one half of a circle.
  PERFORM pg_advisory_xact_lock(hashtext('teams'), hashtext(NEW.organization_id::text));
  -- Whoever deletes teams of the organization at the same time waits for us, or we for him.
  PERFORM FROM organizations WHERE id = NEW.organization_id FOR KEY SHARE;
  IF NEW.deleted_at IS NULL AND EXISTS (
    SELECT FROM teams WHERE id = NEW.parent_team_id AND deleted_at IS NOT NULL
  ) THEN
    RAISE EXCEPTION 'team % is deleted', NEW.parent_team_id
      USING ERRCODE = 'foreign_key_violation', TABLE = 'teams', CONSTRAINT = 'fk_teams_organization_id_parent_team_id';
  END IF;
  IF EXISTS (
    WITH RECURSIVE above (id) AS (
      SELECT NEW.parent_team_id
      UNION
      SELECT teams.parent_team_id FROM teams JOIN above ON teams.id = above.id
    )
    SELECT FROM above WHERE id = NEW.id
  ) THEN
    RAISE EXCEPTION 'team % cannot be below itself', NEW.id
      USING ERRCODE = 'check_violation', TABLE = 'teams', CONSTRAINT = 'ck_teams_circle';
  END IF;
  RETURN NULL;
END
$$
"""
after_create(
    Team,
    REFUSE_TEAM_CIRCLE,
    trigger("refuse_team_circle", "AFTER INSERT OR UPDATE OF parent_team_id", "teams", "refuse_team_circle"),
)


class MembershipStatus(Enum):
    """INVITED until accepted or past `expires_at`; ENDED when the member left, was removed, or declined."""

    INVITED = auto()
    ACTIVE = auto()
    ENDED = auto()


class Membership(Identified, Timestamped, Annotated, Table):
    """That somebody belongs to an organization, or to one team of it, or has been invited to.

    An invitation is addressed to an e-mail address, whether or not it is a user's; whoever has shown that it is his, or
    has the link that was mailed there, accepts. `invitation_token` is the public selector in that link; of the secret
    beside it only the digest is kept, until it is over. What a member may do is said by assignments with the scope ORG
    or TEAM.
    """

    __tablename__ = "memberships"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    status: Mapped[MembershipStatus] = mapped_column(native_enum(MembershipStatus))
    email: Mapped[str | None] = mapped_column(String(255))
    invitation_token: Mapped[UUID | None] = mapped_column(unique=True, comment="Public selector, not a secret")
    invitation_token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, comment="SHA-256")
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    invited_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None] = mapped_column(comment="Until when the invitation can be accepted")
    expiry_told_at: Mapped[datetime | None] = mapped_column(comment="When it was told that nobody accepted in time")
    joined_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "team_id"], ["teams.organization_id", "teams.id"], ondelete="CASCADE"),
        CheckConstraint(EMAIL_CHECK, name="email"),
        CheckConstraint(digest_check("invitation_token_hash"), name="invitation_token_hash"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        CheckConstraint(
            "status <> 'INVITED'"
            " OR num_nulls(email, invited_at, expires_at) = 0"
            " AND num_nulls(invitation_token, invitation_token_hash) <> 1",
            name="invited",
        ),
        CheckConstraint("status <> 'ACTIVE' OR num_nulls(user_id, joined_at) = 0", name="active"),
        CheckConstraint("(status = 'ENDED') = (ended_at IS NOT NULL)", name="ended"),
        CheckConstraint("invited_at < expires_at", name="expires_at"),
        Index(None, "organization_id", "team_id"),
        Index(None, "organization_id", "user_id"),
        Index(
            "uq_memberships_active",
            "user_id",
            "organization_id",
            "team_id",
            unique=True,
            postgresql_where=text("status = 'ACTIVE'"),
            postgresql_nulls_not_distinct=True,
        ),
        Index(
            "uq_memberships_invited",
            "email",
            "organization_id",
            "team_id",
            unique=True,
            postgresql_where=text("status = 'INVITED'"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_memberships_email", "email", postgresql_where=text("email IS NOT NULL")),
        Index("ix_memberships_invited_by", "invited_by", postgresql_where=text("invited_by IS NOT NULL")),
        Index("ix_memberships_expires_at", "expires_at", postgresql_where=text("status = 'INVITED'")),
        {
            "info": {
                "retention": Rows(
                    "expires_at",
                    timedelta(days=30),
                    "an invitation that nobody accepted; what became a membership is history and stays",
                    "status = 'INVITED'",
                )
            }
        },
    )
