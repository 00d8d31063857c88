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
from orion_core.service import service_role
from orion_core.tables import Identified, Timestamped, after_create, native_enum
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
    """A role or a permission that was given to a user who may come in, for whatever time and place.

    The grants of a user who is suspended or deleted are not here, so a decision asks nothing about the user. What it
    reads of a grant is in the index, all of a user's side by side. Nor are grants that have ended for a while
    (`access/sweeping.py`), so whoever looks for those who may do something passes over few.
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

MAY_COME_IN = """
CREATE FUNCTION may_come_in(status user_status, deleted_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT deleted_at IS NULL AND status <> 'SUSPENDED'
$$
"""
"""Without a search_path of its own, so that PostgreSQL puts its words in place of it."""
ADD_USER_GRANTS = """
CREATE FUNCTION add_user_grants(given uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO user_grants (user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition)
  SELECT held.user_id, held.id, held.role_id, NULL, NULL, held.scope_id, held.starts_at, held.expires_at, held.condition
  FROM user_roles AS held JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
  UNION ALL
  SELECT
    held.user_id, held.id, NULL, permission.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
    held.condition
  FROM user_permissions AS held
  JOIN permissions AS permission ON permission.id = held.permission_id
  JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at);
END
$$
"""
"""Whoever calls it has to have the users locked, as the triggers do."""
KEEP_USER_GRANTS = """
CREATE FUNCTION keep_user_grants() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Whoever suspends or restores one of these users at the same time waits for us, or we for him (see below); each
  -- statement from here on sees what he has committed.
  IF TG_OP <> 'INSERT' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM gone) ORDER BY id FOR KEY SHARE;
    DELETE FROM user_grants AS known USING gone WHERE known.grant_id = gone.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM given) ORDER BY id FOR KEY SHARE;
    PERFORM add_user_grants(ARRAY(SELECT id FROM given));
  END IF;
  RETURN NULL;
END
$$
"""
KEEP_USER_GRANTS_OF_STANDING = """
CREATE FUNCTION keep_user_grants_of_standing() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Waits for all who are changing grants of this user, and has others wait until this is committed.
  PERFORM FROM users WHERE id = NEW.id FOR UPDATE;
  DELETE FROM user_grants WHERE user_id = NEW.id;
  PERFORM add_user_grants(ARRAY(
    SELECT id FROM user_roles WHERE user_id = NEW.id
    UNION ALL
    SELECT id FROM user_permissions WHERE user_id = NEW.id
  ));
  RETURN NULL;
END
$$
"""
TRUNCATE_USER_GRANTS = """
CREATE FUNCTION truncate_user_grants() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM user_grants WHERE (role_id IS NOT NULL) = (TG_TABLE_NAME = 'user_roles');
  RETURN NULL;
END
$$
"""
SWEEP_USER_GRANTS = """
CREATE FUNCTION sweep_user_grants(ended_before timestamptz, at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  swept integer;
BEGIN
  DELETE FROM user_grants WHERE grant_id = ANY (ARRAY(
    SELECT grant_id FROM user_grants                                     -- ix_user_grants_expires_at
    WHERE expires_at < least(ended_before, now())                        -- a caller's clock makes nothing due too early
    ORDER BY expires_at LIMIT at_most
    FOR UPDATE SKIP LOCKED
  ));
  GET DIAGNOSTICS swept = ROW_COUNT;
  RETURN swept;
END
$$
"""
"""Runs with its owner's rights: the service may change no row of the table but by this."""
SWEEP_SIGNATURE = "sweep_user_grants(timestamp with time zone, integer)"
USER_GRANTS_TRIGGERS = (
    *(
        f"CREATE TRIGGER keep_user_grants_truncate AFTER TRUNCATE ON {given}"
        " FOR EACH STATEMENT EXECUTE FUNCTION truncate_user_grants()"
        for given in ("user_roles", "user_permissions")
    ),
    *(
        f"CREATE TRIGGER keep_user_grants_{operation.lower()} AFTER {operation} ON {given}"
        f" REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION keep_user_grants()"
        for given in ("user_roles", "user_permissions")
        for operation, rows in (
            ("INSERT", "NEW TABLE AS given"),
            ("UPDATE", "OLD TABLE AS gone NEW TABLE AS given"),
            ("DELETE", "OLD TABLE AS gone"),
        )
    ),
    (
        "CREATE TRIGGER keep_user_grants AFTER UPDATE ON users FOR EACH ROW"
        " WHEN (may_come_in(OLD.status, OLD.deleted_at) IS DISTINCT FROM may_come_in(NEW.status, NEW.deleted_at))"
        " EXECUTE FUNCTION keep_user_grants_of_standing()"
    ),
    (
        "CREATE TRIGGER keep_permission_name BEFORE UPDATE OF name ON permissions FOR EACH ROW"
        " WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION keep_permission_name()"
    ),
)
for statement in (
    KEEP_PERMISSION_NAME,
    MAY_COME_IN,
    ADD_USER_GRANTS,
    KEEP_USER_GRANTS,
    KEEP_USER_GRANTS_OF_STANDING,
    TRUNCATE_USER_GRANTS,
    *USER_GRANTS_TRIGGERS,
    SWEEP_USER_GRANTS,
    f"REVOKE EXECUTE ON FUNCTION {SWEEP_SIGNATURE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {SWEEP_SIGNATURE} TO {service_role('user')}",
):
    event.listen(Table.metadata, "after_create", DDL(statement.replace("%", "%%")))
