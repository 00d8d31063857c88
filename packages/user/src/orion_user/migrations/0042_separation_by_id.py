"""Keep duties apart whose roles are called the same.

The name of a role is its organization's, so two of a rule may have one name; they were counted once.
"""

from alembic import op

revision = "0042_separation_by_id"
down_revision = "0041_team_look"
phase = "pre"

SEPARATION_CONFLICT = """
CREATE OR REPLACE FUNCTION separation_conflict(users uuid[]) RETURNS text LANGUAGE sql STABLE
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
SEPARATION_CONFLICT_BEFORE = """
CREATE OR REPLACE FUNCTION separation_conflict(users uuid[]) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
  WITH held AS MATERIALIZED (
    SELECT grants.user_id, rule.id AS rule_id, rule.name, rule.kind, rule.cardinality, role.name AS role,
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
    GROUP BY user_id, rule_id, name, cardinality HAVING count(DISTINCT role) >= cardinality
    UNION ALL
    SELECT held.user_id, held.name, string_agg(DISTINCT held.role, ', ')
    FROM held
    JOIN held AS moment USING (user_id, rule_id)
    JOIN held AS place USING (user_id, rule_id)
    WHERE held.kind = 'DYNAMIC'
      AND held.starts_at <= moment.starts_at AND moment.starts_at < held.expires_at
      AND (held.scope = 'GLOBAL' OR held.scope_id = ANY (place.within))
    GROUP BY held.user_id, rule_id, held.name, held.cardinality, moment.starts_at, place.scope, place.scope_id
    HAVING count(DISTINCT held.role) >= held.cardinality
  )
  SELECT format('The rule %s keeps the roles %s apart, and user %s would have them together.', name, roles, user_id)
  FROM conflict ORDER BY name, user_id LIMIT 1
$$
"""


def upgrade() -> None:
    op.execute(SEPARATION_CONFLICT)


def downgrade() -> None:
    op.execute(SEPARATION_CONFLICT_BEFORE)
