"""What roles come to and users were given, in the form in which decisions read it. Written by triggers alone."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    String,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever
from orion_core.tables import Identified, Timestamped, after_create, native_enum
from orion_user.access.keeping import USER_GRANTS
from orion_user.base import Table, trigger
from orion_user.permissions.rules import PermissionEffect


class RoleRight(Identified, Timestamped, Table):
    """That a role, itself or by what it inherits from (`source_role_id`), allowed or denied something for a time.

    The rows that have not ended are the closure of roles joined with what active roles say, so a decision needs
    neither; the others tell what roles came to at any moment before.
    """

    __tablename__ = "role_rights"

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    permission_id: Mapped[UUID] = mapped_column(ForeignKey("permissions.id", ondelete="CASCADE"))
    permission: Mapped[str | None] = mapped_column(String(121), comment="Its name, which stays; filled in by a trigger")
    source_role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"), index=True)
    effect: Mapped[PermissionEffect] = mapped_column(native_enum(PermissionEffect))
    condition: Mapped[str | None] = mapped_column(String(2000))
    began_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("began_at < ended_at", name="period"),
        Index("ix_role_rights_role_id_permission_id", "role_id", "permission_id"),
        Index("ix_role_rights_permission_id", "permission_id"),
        Index(
            "ix_role_rights_role_id_permission",
            "role_id",
            "permission",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "uq_role_rights_present",
            "role_id",
            "permission_id",
            "source_role_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        {
            "info": {
                "retention": Follows("roles", "also what has ended: who could do what, and when, can be told"),
                "grants": "SELECT",
            }
        },
    )


class UserGrant(Timestamped, Table):
    """A role or a permission that was given to a user who may come in, for whatever time and living place.

    The grants of a user who is suspended or deleted are not here, nor those in an organization that is deleted, so a
    decision asks nothing about the user and the place. What it reads of a grant is in the index, all of a user's side
    by side. Nor are grants that have ended for a while (`access/sweeping.py`), so whoever looks for those who may do
    something passes over few. How it is kept: `access/keeping.py`.
    """

    __tablename__ = "user_grants"

    grant_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Of the row of user_roles or user_permissions")
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role_id: Mapped[UUID | None]
    permission: Mapped[str | None] = mapped_column(String(121), comment="Name of one that was given directly")
    effect: Mapped[PermissionEffect | None] = mapped_column(
        native_enum(PermissionEffect), comment="Of one that was given directly"
    )
    scope_id: Mapped[UUID | None]
    starts_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    condition: Mapped[str | None] = mapped_column(String(2000))
    is_conditional: Mapped[bool] = mapped_column(Computed("condition IS NOT NULL", persisted=True))

    __table_args__ = (
        Index(
            "ix_user_grants_user_id",
            "user_id",
            # Not the condition itself, which can be longer than what fits into an index.
            postgresql_include=[
                "grant_id",
                "role_id",
                "permission",
                "effect",
                "scope_id",
                "starts_at",
                "expires_at",
                "is_conditional",
            ],
        ),
        Index(
            "ix_user_grants_role_id_scope_id_user_id",
            "role_id",
            "scope_id",
            "user_id",
            postgresql_where=text("role_id IS NOT NULL"),
        ),
        Index(
            "ix_user_grants_permission_scope_id_user_id",
            "permission",
            "scope_id",
            "user_id",
            postgresql_where=text("effect = 'ALLOW'"),
        ),
        Index("ix_user_grants_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        CheckConstraint("(role_id IS NULL) = (permission IS NOT NULL AND effect IS NOT NULL)", name="given"),
        {
            "info": {
                "retention": Follows("users", "kept by triggers; what has ended for an hour is swept away"),
                "grants": "SELECT",
            }
        },
    )


class RightsVersion(Timestamped, Table):
    """One number, counted up by triggers in every transaction that changes roles or what they allow or inherit.

    So whoever has rights in memory sees by it, in one snapshot with the rights, whether they are the present ones.
    """

    __tablename__ = "rights_versions"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    version: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("id = 1", name="id"),
        {"info": {"retention": Forever("one row"), "grants": "SELECT"}},
    )


COUNT_RIGHTS_VERSION = """
CREATE FUNCTION count_rights_version() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Before the statement, and so before any other lock that it takes: two such transactions wait here, and nowhere for
  -- each other.
  INSERT INTO rights_versions (id, version) VALUES (1, 1)
  ON CONFLICT (id) DO UPDATE SET version = rights_versions.version + 1;
  RETURN NULL;
END
$$
"""
after_create(RightsVersion, COUNT_RIGHTS_VERSION)
for changed in ("permissions", "role_inheritance", "role_permissions", "roles"):
    counting = (
        f"CREATE TRIGGER count_rights_version BEFORE INSERT OR UPDATE OR DELETE ON {changed}"
        " FOR EACH STATEMENT EXECUTE FUNCTION count_rights_version()"
    )
    event.listen(Table.metadata, "after_create", DDL(counting))

KEEP_ROLE_RIGHTS = """
CREATE FUNCTION keep_role_rights() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  concerned uuid[];
BEGIN
  -- `changed` are the rows that the statement wrote. What a role says concerns all that inherit from it.
  IF TG_TABLE_NAME = 'role_ancestors' THEN
    SELECT array_agg(DISTINCT role_id) INTO concerned FROM changed;
  ELSIF TG_TABLE_NAME = 'role_permissions' THEN
    SELECT array_agg(DISTINCT below.role_id) INTO concerned
    FROM changed JOIN role_ancestors AS below ON below.ancestor_id = changed.role_id;
  ELSE
    SELECT array_agg(DISTINCT below.role_id) INTO concerned
    FROM changed JOIN role_ancestors AS below ON below.ancestor_id = changed.id;
  END IF;
  IF concerned IS NULL THEN
    RETURN NULL;
  END IF;
  WITH present AS (
    SELECT above.role_id, said.permission_id, said.role_id AS source_role_id, said.effect, said.condition
    FROM role_ancestors AS above
    JOIN roles AS role ON role.id = above.role_id AND role.is_active
    JOIN roles AS source ON source.id = above.ancestor_id AND source.is_active
    JOIN role_permissions AS said ON said.role_id = source.id
    WHERE above.role_id = ANY (concerned)
  ), gone AS (
    SELECT known.id, known.began_at FROM role_rights AS known
    WHERE known.role_id = ANY (concerned) AND known.ended_at IS NULL AND NOT EXISTS (
      SELECT FROM present
      WHERE present.role_id = known.role_id AND present.permission_id = known.permission_id
        AND present.source_role_id = known.source_role_id AND present.effect = known.effect
        AND present.condition IS NOT DISTINCT FROM known.condition
    )
  ), unmade AS (
    DELETE FROM role_rights USING gone WHERE role_rights.id = gone.id AND gone.began_at >= now()
  )
  UPDATE role_rights SET ended_at = now() FROM gone WHERE role_rights.id = gone.id AND gone.began_at < now();
  INSERT INTO role_rights (role_id, permission_id, source_role_id, effect, condition)
  SELECT above.role_id, said.permission_id, said.role_id, said.effect, said.condition
  FROM role_ancestors AS above
  JOIN roles AS role ON role.id = above.role_id AND role.is_active
  JOIN roles AS source ON source.id = above.ancestor_id AND source.is_active
  JOIN role_permissions AS said ON said.role_id = source.id
  WHERE above.role_id = ANY (concerned)
  ON CONFLICT (role_id, permission_id, source_role_id) WHERE ended_at IS NULL DO NOTHING;
  RETURN NULL;
END
$$
"""
after_create(RoleRight, KEEP_ROLE_RIGHTS)
for changed, operation, rows in (
    ("role_ancestors", "INSERT", "NEW"),
    ("role_ancestors", "DELETE", "OLD"),
    ("role_permissions", "INSERT", "NEW"),
    ("role_permissions", "UPDATE", "NEW"),
    ("role_permissions", "DELETE", "OLD"),
    ("roles", "UPDATE", "NEW"),
):
    keeping = (
        f"CREATE TRIGGER keep_role_rights_{operation.lower()} AFTER {operation} ON {changed}"
        f" REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_role_rights()"
    )
    event.listen(Table.metadata, "after_create", DDL(keeping))

NAME_ROLE_RIGHT = """
CREATE FUNCTION name_role_right() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  NEW.permission := (SELECT name FROM permissions WHERE id = NEW.permission_id);
  RETURN NEW;
END
$$
"""
KEEP_PERMISSION_NAME = """
CREATE FUNCTION keep_permission_name() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'permission % keeps its name', OLD.name
    USING ERRCODE = 'check_violation', TABLE = 'permissions', CONSTRAINT = 'ck_permissions_name_stays';
END
$$
"""
after_create(RoleRight, NAME_ROLE_RIGHT, trigger("name_role_right", "BEFORE INSERT", "role_rights", "name_role_right"))

KEEP_PERMISSION_NAME_TRIGGER = (
    "CREATE TRIGGER keep_permission_name BEFORE UPDATE OF name ON permissions FOR EACH ROW"
    " WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION keep_permission_name()"
)
for statement in (KEEP_PERMISSION_NAME, KEEP_PERMISSION_NAME_TRIGGER, *USER_GRANTS):
    event.listen(Table.metadata, "after_create", DDL(statement.replace("%", "%%")))
