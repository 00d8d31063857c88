"""Who has been given which role or permission, where, from when until when.

A grant is ended by setting `expires_at`, so what was true at a moment in the past can still be read. Only a grant whose
time has not begun is deleted, and those that go with a user, an organization or what else they name, once that is
removed for good. What is given in a team ends with it (`access/keeping.py`).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from orion_core.retention.declarations import Follows
from orion_core.tables import Annotated, Identified, Timestamped, after_create, native_enum
from orion_user.base import Table, object_check
from orion_user.permissions.rules import PermissionEffect, PermissionScope

NIL = "'00000000-0000-0000-0000-000000000000'::uuid"


def _scope_id_of(kind: str) -> Computed:
    return Computed(f"CASE WHEN scope = '{kind}' THEN scope_id END", persisted=True)


def _constraints(table: str, *granted: str) -> tuple[SchemaItem | dict[str, Any], ...]:
    return (
        CheckConstraint("(scope = 'GLOBAL') = (scope_id IS NULL)", name="scope_id"),
        CheckConstraint("starts_at < expires_at", name="period"),
        CheckConstraint("condition <> ''", name="condition"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        # The same grant twice at one time would be ended once and live on. Under another condition it is another grant.
        ExcludeConstraint(
            ("user_id", "="),
            *((column, "=") for column in granted),
            ("scope", "="),
            (text(f"COALESCE(scope_id, {NIL})"), "="),
            (text("(md5(COALESCE(condition, ''))::uuid)"), "="),
            (text("tstzrange(starts_at, expires_at)"), "&&"),
            name=f"ex_{table}_overlap",
        ),
        Index(None, "user_id", granted[0]),
        Index(None, granted[0], "id"),
        Index(None, granted[0], "scope_id", "user_id"),
        *(
            Index(f"ix_{table}_{column}", column, postgresql_where=text(f"{column} IS NOT NULL"))
            for column in ("expires_at", "assigned_by", "scope_organization_id", "scope_team_id", "scope_user_id")
        ),
        {"info": {"retention": Follows("users", "also what has ended: who could do what, and when, can be told")}},
    )


class Grant(Identified, Timestamped, Annotated):
    """What both kinds of grants say.

    `scope_id` is the organization, the team or the user that the grant is limited to. Each of the three generated
    columns holds it when it is of that kind, so that it has a foreign key although it can point to three tables.
    """

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), sort_order=-10)
    scope: Mapped[PermissionScope] = mapped_column(native_enum(PermissionScope), server_default="GLOBAL")
    scope_id: Mapped[UUID | None]
    condition: Mapped[str | None] = mapped_column(String(2000), comment="CEL; validated when written")
    starts_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(500))

    assigned_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Empty: Orion itself, or a user who has been purged"
    )
    scope_organization_id: Mapped[UUID | None] = mapped_column(
        _scope_id_of("ORG"), ForeignKey("organizations.id", ondelete="CASCADE")
    )
    scope_team_id: Mapped[UUID | None] = mapped_column(_scope_id_of("TEAM"), ForeignKey("teams.id", ondelete="CASCADE"))
    scope_user_id: Mapped[UUID | None] = mapped_column(_scope_id_of("USER"), ForeignKey("users.id", ondelete="CASCADE"))


class UserRole(Grant, Table):
    """A role given to a user."""

    __tablename__ = "user_roles"

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="RESTRICT"), sort_order=-9)

    __table_args__ = (
        Index(None, "role_id", "user_id"),  # whoever has a role, wherever, in the order of users (audiences)
        *_constraints("user_roles", "role_id"),
    )


class UserPermission(Grant, Table):
    """A permission given to, or taken from, a user directly, past all roles."""

    __tablename__ = "user_permissions"

    permission_id: Mapped[UUID] = mapped_column(ForeignKey("permissions.id", ondelete="RESTRICT"), sort_order=-9)
    effect: Mapped[PermissionEffect] = mapped_column(
        native_enum(PermissionEffect), server_default="ALLOW", sort_order=-8
    )

    __table_args__ = _constraints("user_permissions", "permission_id", "effect")


KEEP_IN_ORGANIZATION = """
CREATE FUNCTION keep_assignment_in_organization() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT FROM changed
    JOIN roles ON roles.id = changed.role_id AND roles.organization_id IS NOT NULL
    LEFT JOIN teams ON teams.id = changed.scope_team_id
    WHERE roles.organization_id IS DISTINCT FROM coalesce(changed.scope_organization_id, teams.organization_id)
  ) THEN
    RAISE EXCEPTION 'a role of an organization is given in that one or in a team of it'
      USING ERRCODE = 'check_violation', TABLE = 'user_roles', CONSTRAINT = 'ck_user_roles_organization';
  END IF;
  RETURN NULL;
END
$$
"""
KEEP_GIVEN_IN_ORGANIZATION = (
    "CREATE TRIGGER keep_assignment_in_organization_{0} AFTER {0} ON user_roles REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION keep_assignment_in_organization()"
)
after_create(
    UserRole,
    KEEP_IN_ORGANIZATION,
    KEEP_GIVEN_IN_ORGANIZATION.format("insert"),
    KEEP_GIVEN_IN_ORGANIZATION.format("update"),
)
