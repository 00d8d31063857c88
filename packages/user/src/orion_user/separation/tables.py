"""Rules that keep duties apart, and the triggers that enforce them, whoever changes what they look at.

They look at who has been given which roles, at what these inherit, and at where teams lie. Each change of any of these
takes a lock first: one for the user whose roles are changed, or one that keeps out everybody where the rules, the
inheritance or the teams are. So of two changes that would break a rule together one sees the other.
"""

from uuid import UUID

from sqlalchemy import DDL, CheckConstraint, ForeignKey, Index, SmallInteger, String, UniqueConstraint, event, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_user.base import LOOK, Table, object_check
from orion_user.separation.rules import SeparationKind


class SeparationRule(Identified, Timestamped, Annotated, Table):
    """That nobody has `cardinality` or more of a set of roles."""

    __tablename__ = "separation_rules"

    name: Mapped[str] = mapped_column(String(60), unique=True)
    description: Mapped[str | None] = mapped_column(String(500))
    kind: Mapped[SeparationKind] = mapped_column(native_enum(SeparationKind))
    cardinality: Mapped[int] = mapped_column(SmallInteger, server_default=text("2"), comment="So many are too many")

    __table_args__ = (
        CheckConstraint("name ~ '^[a-z][a-z0-9_]*$'", name="name"),
        CheckConstraint("cardinality >= 2", name="cardinality"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        Index("uq_separation_rules_look", text(LOOK), unique=True),
        {"info": {"retention": Forever("reference data, and few")}},
    )


class SeparationRole(Identified, Timestamped, Table):
    """A role of the set. Whoever has one that inherits from it has it too."""

    __tablename__ = "separation_roles"

    rule_id: Mapped[UUID] = mapped_column(ForeignKey("separation_rules.id", ondelete="CASCADE"))
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="RESTRICT"), index=True)

    __table_args__ = (
        UniqueConstraint("rule_id", "role_id"),
        {"info": {"retention": Follows("separation_rules", "a part of it"), "grants": "SELECT, INSERT, DELETE"}},
    )


PLACE_WITHIN = """
CREATE FUNCTION place_within(scope permission_scope, scope_id uuid) RETURNS uuid[] LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
  WITH RECURSIVE above (id, parent_team_id, organization_id) AS (
    SELECT id, parent_team_id, organization_id FROM teams WHERE scope = 'TEAM' AND id = scope_id
    UNION ALL
    SELECT team.id, team.parent_team_id, team.organization_id
    FROM above JOIN teams AS team ON team.id = above.parent_team_id
  )
  SELECT ARRAY[scope_id] || ARRAY(SELECT id FROM above UNION SELECT organization_id FROM above)
$$
"""

# The latest start of all that are in effect together is a moment at which they are, and the narrowest of their places
# is one: so it is enough to look at the starts and the places of what there is.
SEPARATION_CONFLICT = """
CREATE FUNCTION separation_conflict(users uuid[]) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
  WITH held AS MATERIALIZED (
    SELECT grants.user_id, rule.id AS rule_id, rule.name, rule.kind, rule.cardinality,
      role.id AS role_id, role.name AS role,
      grants.scope, grants.scope_id, grants.starts_at, coalesce(grants.expires_at, 'infinity') AS expires_at,
      CASE rule.kind WHEN 'DYNAMIC' THEN place_within(grants.scope, grants.scope_id) END AS within
    FROM separation_rules AS rule
    JOIN separation_roles AS member ON member.rule_id = rule.id
    JOIN roles AS role ON role.id = member.role_id
    JOIN role_ancestors AS ancestor ON ancestor.ancestor_id = member.role_id
    JOIN user_roles AS grants ON grants.role_id = ancestor.role_id
    WHERE (users IS NULL OR grants.user_id = ANY (users)) AND (grants.expires_at IS NULL OR grants.expires_at > now())
  ), conflict (user_id, name, roles) AS (
    SELECT user_id, name, string_agg(DISTINCT role, ', ')
    FROM held WHERE kind = 'STATIC'
    GROUP BY user_id, rule_id, name, cardinality HAVING count(DISTINCT role_id) >= cardinality
    UNION ALL
    SELECT held.user_id, held.name, string_agg(DISTINCT held.role, ', ')
    FROM held
    JOIN held AS moment USING (user_id, rule_id)
    JOIN held AS place USING (user_id, rule_id)
    WHERE held.kind = 'DYNAMIC'
      AND held.starts_at <= moment.starts_at AND moment.starts_at < held.expires_at
      AND (held.scope = 'GLOBAL' OR held.scope_id = ANY (place.within))
    GROUP BY held.user_id, rule_id, held.name, held.cardinality, moment.starts_at, place.scope, place.scope_id
    HAVING count(DISTINCT held.role_id) >= held.cardinality
  )
  SELECT format('The rule %s keeps the roles %s apart, and user %s would have them together.', name, roles, user_id)
  FROM conflict ORDER BY name, user_id LIMIT 1
$$
"""

KEEP_SEPARATE = """
CREATE FUNCTION keep_duties_separate() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  conflict text;
BEGIN
  -- A snapshot from before the lock would hide what others have committed meanwhile.
  IF current_setting('transaction_isolation') = 'repeatable read' THEN
    RAISE EXCEPTION '% cannot be changed at isolation level REPEATABLE READ', TG_TABLE_NAME
      USING ERRCODE = 'feature_not_supported', HINT = 'Use READ COMMITTED or SERIALIZABLE.';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('separation_of_duty'), 0);
  conflict := separation_conflict(NULL);
  IF conflict IS NOT NULL THEN
    RAISE EXCEPTION 'duties are to be separate' USING ERRCODE = 'check_violation', DETAIL = conflict,
      TABLE = TG_TABLE_NAME, CONSTRAINT = format('ck_%s_separation', TG_TABLE_NAME);
  END IF;
  RETURN NULL;
END
$$
"""

KEEP_SEPARATE_OF_USERS = """
CREATE FUNCTION keep_duties_of_users_separate() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  users uuid[];
  one uuid;
  conflict text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtext('separation_of_duty'), 0);
  users := ARRAY(
    SELECT DISTINCT changed.user_id
    FROM changed
    JOIN role_ancestors AS ancestor ON ancestor.role_id = changed.role_id
    JOIN separation_roles AS member ON member.role_id = ancestor.ancestor_id
    ORDER BY changed.user_id
  );
  IF users = '{}' THEN
    RETURN NULL;
  END IF;
  IF current_setting('transaction_isolation') = 'repeatable read' THEN
    RAISE EXCEPTION 'roles with separate duties cannot be given at isolation level REPEATABLE READ'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use READ COMMITTED or SERIALIZABLE.';
  END IF;
  FOREACH one IN ARRAY users LOOP
    PERFORM pg_advisory_xact_lock(hashtext('separation_of_duty of'), hashtext(one::text));
  END LOOP;
  conflict := separation_conflict(users);
  IF conflict IS NOT NULL THEN
    RAISE EXCEPTION 'duties are to be separate' USING ERRCODE = 'check_violation', DETAIL = conflict,
      TABLE = TG_TABLE_NAME, CONSTRAINT = 'ck_user_roles_separation';
  END IF;
  RETURN NULL;
END
$$
"""

KEEP_ALL_SEPARATE = (
    "CREATE TRIGGER keep_duties_separate AFTER {} ON {} FOR EACH STATEMENT EXECUTE FUNCTION keep_duties_separate()"
)
KEEP_GIVEN_SEPARATE = (
    "CREATE TRIGGER keep_duties_separate_{0} AFTER {0} ON user_roles REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION keep_duties_of_users_separate()"
)

for statement in (
    PLACE_WITHIN,
    SEPARATION_CONFLICT,
    KEEP_SEPARATE,
    KEEP_SEPARATE_OF_USERS,
    KEEP_ALL_SEPARATE.format("INSERT", "separation_roles"),
    KEEP_ALL_SEPARATE.format("UPDATE", "separation_rules"),
    KEEP_ALL_SEPARATE.format("INSERT", "role_inheritance"),
    KEEP_ALL_SEPARATE.format("UPDATE OF parent_team_id", "teams"),
    KEEP_GIVEN_SEPARATE.format("insert"),
    KEEP_GIVEN_SEPARATE.format("update"),
):
    # Of all tables, since they are triggers of several and read most.
    event.listen(Table.metadata, "after_create", DDL(statement.replace("%", "%%")))
