"""Have what was given in a deleted organization, or in a team of it, decide nothing until it is restored.

The grants stay where they were given; `user_grants`, which decisions read, is without them for that time. Those of
organizations that are deleted already are taken out of it by the backfill, which holds each of these until it has
committed, so a restoration comes before or after it.
"""

from alembic import op

revision = "0039_deleted_organizations"
down_revision = "0038_organization_look"
phase = "pre"

LIES_IN_DELETED_ORGANIZATION = """
CREATE FUNCTION lies_in_deleted_organization(place uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT place IS NOT NULL AND EXISTS (
    SELECT FROM organizations                                            -- pk_organizations
    WHERE id IN (place, (SELECT organization_id FROM teams WHERE id = place)) AND deleted_at IS NOT NULL
  )
$$
"""
ADD_USER_GRANTS = """
CREATE OR REPLACE FUNCTION add_user_grants(given uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO user_grants (user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition)
  SELECT held.user_id, held.id, held.role_id, NULL, NULL, held.scope_id, held.starts_at, held.expires_at, held.condition
  FROM user_roles AS held JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND NOT lies_in_deleted_organization(held.scope_id)
  UNION ALL
  SELECT
    held.user_id, held.id, NULL, permission.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
    held.condition
  FROM user_permissions AS held
  JOIN permissions AS permission ON permission.id = held.permission_id
  JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND NOT lies_in_deleted_organization(held.scope_id);
END
$$
"""
KEEP_USER_GRANTS = """
CREATE OR REPLACE FUNCTION keep_user_grants() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Whoever suspends or restores one of these users, or deletes or restores one of these organizations, at the same
  -- time waits for us, or we for him (see below); each statement from here on sees what he has committed.
  IF TG_OP <> 'INSERT' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM gone) ORDER BY id FOR KEY SHARE;
    PERFORM FROM organizations WHERE id IN (
      SELECT scope_organization_id FROM gone
      UNION ALL
      SELECT team.organization_id FROM gone JOIN teams AS team ON team.id = gone.scope_team_id
    ) ORDER BY id FOR KEY SHARE;
    DELETE FROM user_grants AS known USING gone WHERE known.grant_id = gone.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM given) ORDER BY id FOR KEY SHARE;
    PERFORM FROM organizations WHERE id IN (
      SELECT scope_organization_id FROM given
      UNION ALL
      SELECT team.organization_id FROM given JOIN teams AS team ON team.id = given.scope_team_id
    ) ORDER BY id FOR KEY SHARE;
    PERFORM add_user_grants(ARRAY(SELECT id FROM given));
  END IF;
  RETURN NULL;
END
$$
"""
KEEP_USER_GRANTS_OF_ORGANIZATION = """
CREATE FUNCTION keep_user_grants_of_organization() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  here uuid[];
BEGIN
  -- Waits for all who are changing grants in this organization, deleting a team of it, or suspending or restoring
  -- somebody who was given something in it, and has others wait until this is committed.
  PERFORM FROM organizations WHERE id = NEW.id FOR UPDATE;
  PERFORM FROM teams WHERE organization_id = NEW.id ORDER BY id FOR KEY SHARE;
  here := ARRAY(
    SELECT id FROM user_roles WHERE scope_organization_id = NEW.id
    UNION ALL
    SELECT held.id FROM teams AS team JOIN user_roles AS held ON held.scope_team_id = team.id
    WHERE team.organization_id = NEW.id
    UNION ALL
    SELECT id FROM user_permissions WHERE scope_organization_id = NEW.id
    UNION ALL
    SELECT held.id FROM teams AS team JOIN user_permissions AS held ON held.scope_team_id = team.id
    WHERE team.organization_id = NEW.id
  );
  PERFORM FROM users WHERE id IN (
    SELECT user_id FROM user_roles WHERE id = ANY (here)
    UNION ALL
    SELECT user_id FROM user_permissions WHERE id = ANY (here)
  ) ORDER BY id FOR KEY SHARE;
  DELETE FROM user_grants WHERE grant_id = ANY (here);
  PERFORM add_user_grants(here);
  RETURN NULL;
END
$$
"""
ADD_USER_GRANTS_BEFORE = """
CREATE OR REPLACE FUNCTION add_user_grants(given uuid[]) RETURNS void LANGUAGE plpgsql
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
KEEP_USER_GRANTS_BEFORE = """
CREATE OR REPLACE FUNCTION keep_user_grants() RETURNS trigger LANGUAGE plpgsql
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
backfill = """
DELETE FROM user_grants WHERE grant_id IN (
  SELECT known.grant_id
  FROM organizations AS around
  CROSS JOIN LATERAL (
    SELECT around.id
    UNION ALL
    SELECT team.id FROM teams AS team WHERE team.organization_id = around.id
  ) AS place
  JOIN user_grants AS known ON known.scope_id = place.id
  WHERE around.deleted_at IS NOT NULL
  LIMIT 10000
  FOR KEY SHARE OF around
)
"""


def upgrade() -> None:
    for function in (
        LIES_IN_DELETED_ORGANIZATION, ADD_USER_GRANTS, KEEP_USER_GRANTS, KEEP_USER_GRANTS_OF_ORGANIZATION,
    ):  # fmt: skip
        op.execute(function)
    op.execute(
        """
        CREATE TRIGGER keep_user_grants AFTER UPDATE ON organizations FOR EACH ROW
        WHEN ((OLD.deleted_at IS NULL) IS DISTINCT FROM (NEW.deleted_at IS NULL))
        EXECUTE FUNCTION keep_user_grants_of_organization()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_user_grants ON organizations")
    op.execute(KEEP_USER_GRANTS_BEFORE)
    op.execute(ADD_USER_GRANTS_BEFORE)
    op.execute(
        """
        SELECT add_user_grants(ARRAY(
          SELECT id FROM user_roles WHERE lies_in_deleted_organization(scope_id)
          UNION ALL
          SELECT id FROM user_permissions WHERE lies_in_deleted_organization(scope_id)
        ))
        """
    )
    op.execute("DROP FUNCTION keep_user_grants_of_organization()")
    op.execute("DROP FUNCTION lies_in_deleted_organization(uuid)")
