"""Keep deleted teams, so that who could do something there can still be told of the time before.

What is given in a team ends with it: the code says when, and the database refuses what would last longer, and teams in
deleted ones. The code before deletes teams for good, as it always has; to it a deleted team is one like any other, in
which it can give nothing. The slug of a deleted team is free once `0045_team_slugs` has run.
"""

from alembic import op

revision = "0044_deleted_teams"
down_revision = "0043_api_keys_issued_by"
phase = "pre"
accepted = {"wrong-phase": "what the two indexes forbid, those that go with 0045 forbid already, and more"}

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
    IF EXISTS (
      SELECT FROM given JOIN teams AS team ON team.id = given.scope_team_id
      WHERE given.expires_at IS NULL AND team.deleted_at IS NOT NULL OR given.expires_at > team.deleted_at
    ) THEN
      RAISE EXCEPTION 'what is given in a team ends with it'
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = format('ck_%s_team', TG_TABLE_NAME);
    END IF;
    PERFORM add_user_grants(ARRAY(SELECT id FROM given));
  END IF;
  RETURN NULL;
END
$$
"""
REFUSE_TEAM_CIRCLE = """
CREATE OR REPLACE FUNCTION refuse_team_circle() RETURNS trigger LANGUAGE plpgsql
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
KEEP_USER_GRANTS_BEFORE = """
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
REFUSE_TEAM_CIRCLE_BEFORE = """
CREATE OR REPLACE FUNCTION refuse_team_circle() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- One change of a hierarchy at a time, or two transactions could each add one half of a circle.
  PERFORM pg_advisory_xact_lock(hashtext('teams'), hashtext(NEW.organization_id::text));
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


def upgrade() -> None:
    op.execute("ALTER TABLE teams ADD COLUMN deleted_at timestamptz")
    op.execute("CREATE UNIQUE INDEX uq_teams_slug ON teams (organization_id, slug) WHERE deleted_at IS NULL")
    op.execute(
        "CREATE UNIQUE INDEX uq_teams_slug_look ON teams"
        " (organization_id, (translate(replace(slug::text, 'rn', 'm'), '01i', 'oll'))) WHERE deleted_at IS NULL"
    )
    op.execute(REFUSE_TEAM_CIRCLE)
    op.execute(KEEP_USER_GRANTS)


def downgrade() -> None:
    op.execute(KEEP_USER_GRANTS_BEFORE)
    op.execute(REFUSE_TEAM_CIRCLE_BEFORE)
    op.execute("DELETE FROM teams WHERE deleted_at IS NOT NULL")  # as the code before would have done
    op.execute("DROP INDEX uq_teams_slug_look")
    op.execute("DROP INDEX uq_teams_slug")
    op.execute("ALTER TABLE teams DROP COLUMN deleted_at")
