# ruff: noqa: S608 - the statements are put together from constants of this file
"""The SQL of decisions, put together once from the parts that all of it shares.

They follow a user's grants: from `user_roles` to what the roles come to (`role_rights`). Each step
is a probe of an index, so what a decision costs depends on how many grants the user has, never on how many there are,
how deep roles inherit or how many of them there are.
"""

from dataclasses import dataclass

from sqlalchemy import TextClause, text

from orion_core.statement import Statement
from orion_user.decisions.rules import MOST_TOLD

LIVE = "held.starts_at <= :now AND (held.expires_at IS NULL OR :now < held.expires_at)"
NOT_ENDED = "(held.expires_at IS NULL OR :now < held.expires_at)"
AROUND = "(held.scope_id IS NULL OR held.scope_id = ANY (CAST(:within AS uuid[])))"
PERMISSION_ID = "(SELECT id FROM permissions WHERE name = :permission)"  # uq_permissions_name
STANDING = "EXISTS (SELECT FROM users WHERE id = :user_id AND may_come_in(status, deleted_at))"  # pk_users
DECIDES = "EXISTS (SELECT FROM user_grants AS known WHERE known.grant_id = held.id)"  # pk_user_grants
"""Not of a user who may not come in, nor in a deleted organization: as for the decision itself (`access/store.py`)."""
STOOD = """NOT EXISTS (
  SELECT FROM users AS away                                              -- pk_users
  WHERE away.id = {user} AND (away.deleted_at <= :now OR EXISTS (
    SELECT FROM user_absences AS past                                    -- ix_user_absences_user_id_began_at
    WHERE past.user_id = away.id AND past.began_at <= :now
      AND (:now < past.ended_at OR past.ended_at IS NULL AND NOT may_come_in(away.status, away.deleted_at))
  ))
)"""
WAS_THERE = """NOT EXISTS (
  SELECT FROM organizations AS around                                    -- pk_organizations
  WHERE around.id IN ({place}, (SELECT organization_id FROM teams WHERE id = {place}))
    AND (around.deleted_at <= :now OR EXISTS (
      SELECT FROM organization_absences AS past           -- ix_organization_absences_organization_id_began_at
      WHERE past.organization_id = around.id AND past.began_at <= :now AND :now < past.ended_at
    ))
)"""
DECIDED = f"{STOOD.format(user='held.user_id')} AND {WAS_THERE.format(place='held.scope_id')}"
"""As at present, of a moment that is over."""
OF_USER = "held.user_id = :user_id"
OF_SEVERAL = "held.user_id = ANY (CAST(:users AS uuid[]))"

PRESENT = "granted.ended_at IS NULL"
"""What roles come to now. By the moment it would be a race of two clocks: the database's and ours."""
THEN = "granted.began_at <= :now AND (granted.ended_at IS NULL OR :now < granted.ended_at)"

OF_ROLES = """
    SELECT
      held.id, held.user_id, permission.name AS permission, granted.effect = 'DENY' AS denies,
      held.scope::text AS scope, held.scope_id, held.condition, granted.condition AS role_condition,
      role.name AS role, assigned.name AS through,
      held.starts_at, held.expires_at, held.assigned_by, held.reason, true AS is_active
    FROM user_roles AS held                                              -- ix_user_roles_user_id_role_id
    JOIN role_rights AS granted ON granted.role_id = held.role_id        -- ix_role_rights_role_id_permission_id
    JOIN permissions AS permission ON permission.id = granted.permission_id
    JOIN roles AS assigned ON assigned.id = held.role_id
    JOIN roles AS role ON role.id = granted.source_role_id
"""
OF_INACTIVE_ROLES_TOO = """
    SELECT
      held.id, held.user_id, permission.name AS permission, granted.effect = 'DENY' AS denies,
      held.scope::text AS scope, held.scope_id, held.condition, granted.condition AS role_condition,
      role.name AS role, assigned.name AS through,
      held.starts_at, held.expires_at, held.assigned_by, held.reason,
      assigned.is_active AND role.is_active AS is_active
    FROM user_roles AS held                                              -- ix_user_roles_user_id_role_id
    JOIN role_ancestors AS ancestor ON ancestor.role_id = held.role_id   -- pk_role_ancestors
    JOIN role_permissions AS granted                                     -- uq_role_permissions_role_id_permission_id
      ON granted.role_id = ancestor.ancestor_id
    JOIN permissions AS permission ON permission.id = granted.permission_id
    JOIN roles AS assigned ON assigned.id = held.role_id
    JOIN roles AS role ON role.id = granted.role_id
"""
DIRECT = """
    SELECT
      held.id, held.user_id, permission.name AS permission, held.effect = 'DENY' AS denies,
      held.scope::text AS scope, held.scope_id, held.condition, NULL AS role_condition,
      NULL AS role, NULL AS through,
      held.starts_at, held.expires_at, held.assigned_by, held.reason, true AS is_active
    FROM user_permissions AS held                                        -- ix_user_permissions_user_id_permission_id
    JOIN permissions AS permission ON permission.id = held.permission_id
"""


def grounds(users: str, *further: str, roles: str = OF_ROLES, of_role: str = "true", one: bool = True) -> str:
    """The grants of some users, of one permission or of all, that meet further clauses, and `of_role` if by a role."""
    of_roles = [users, of_role, *further, *([f"granted.permission_id = {PERMISSION_ID}"] if one else [])]
    directly = [users, *further, *([f"held.permission_id = {PERMISSION_ID}"] if one else [])]
    return f"{roles} WHERE {' AND '.join(of_roles)} UNION ALL {DIRECT} WHERE {' AND '.join(directly)}"


@dataclass(frozen=True)
class Statements:
    """The questions about one kind of moment."""

    all_about: Statement
    """What speaks of one permission anywhere and at any time, for an explanation; what lasts longest first.

    All that speaks here and now, so that it is explained what a check decides by; of the rest what can be told.
    Each row says whether the user may come in; where nothing speaks of it, one row says that alone.
    """
    anywhere: Statement
    """What speaks of one permission in any place."""
    actions: Statement
    """What speaks of any action on one kind of resource here. uq_permissions_resource_action."""
    of_several: Statement
    """What speaks of one permission here, for several users."""
    subjects: TextClause
    """Users whom something allows it here, whether or not it is denied to them: a page of them, in order.

    Of the present only those who may come in, and past few grants that have ended: from what triggers keep.
    """


def _statements(*, past: bool) -> Statements:
    granted, decides = (THEN, DECIDED) if past else (PRESENT, DECIDES)
    standing = STOOD.format(user=":user_id") if past else STANDING
    is_there = WAS_THERE.format(place="about.scope_id") if past else "NOT lies_in_deleted_organization(about.scope_id)"
    about = grounds(OF_USER, of_role=granted) if past else grounds(OF_USER, roles=OF_INACTIVE_ROLES_TOO)
    longest_first = "expires_at DESC NULLS FIRST, starts_at DESC"
    return Statements(
        all_about=Statement(
            text(f"""
            SELECT subject.is_standing, about.*, {is_there} AS is_there
            FROM (SELECT {standing} AS is_standing) AS subject
            LEFT JOIN (
              SELECT held.*, {LIVE} AND {AROUND} AS speaks,
                row_number() OVER (ORDER BY ({LIVE} AND {AROUND}) DESC, {longest_first}) AS place
              FROM ({about}) AS held
            ) AS about ON about.speaks OR about.place <= {MOST_TOLD}
            ORDER BY {longest_first}
            """)
        ),
        anywhere=Statement(text(grounds(OF_USER, LIVE, decides, of_role=granted))),
        actions=Statement(
            text(grounds(OF_USER, LIVE, AROUND, decides, "permission.resource = :resource", of_role=granted, one=False))
        ),
        of_several=Statement(text(grounds(OF_SEVERAL, LIVE, AROUND, decides, of_role=granted))),
        subjects=text(_subjects(granted, BY_ROLE, DIRECTLY) if past else _subjects(granted, BY_ROLE_NOW, DIRECTLY_NOW)),
    )


BY_ROLE = "user_roles AS held WHERE held.role_id = able.role_id"
"""ix_user_roles_role_id_scope_id_user_id"""
DIRECTLY = f"user_permissions AS held WHERE held.permission_id = {PERMISSION_ID} AND held.effect = 'ALLOW'"
"""ix_user_permissions_permission_id_scope_id_user_id"""
BY_ROLE_NOW = "user_grants AS held WHERE held.role_id = able.role_id"
"""ix_user_grants_role_id_scope_id_user_id"""
DIRECTLY_NOW = "user_grants AS held WHERE held.permission = :permission AND held.effect = 'ALLOW'"
"""ix_user_grants_permission_scope_id_user_id"""


def _subjects(granted: str, by_role: str, directly: str) -> str:
    """Of each source the first few, along an index that has them in the order of users."""
    return f"""
    WITH able AS (
      SELECT DISTINCT granted.role_id
      FROM role_rights AS granted                                        -- ix_role_rights_permission_id
      WHERE granted.permission_id = {PERMISSION_ID} AND granted.effect = 'ALLOW' AND {granted}
    ), candidates AS (
      SELECT found.user_id
      FROM able CROSS JOIN LATERAL (
        SELECT held.user_id FROM {by_role} AND held.scope_id IS NULL AND held.user_id > :after AND {LIVE}
        ORDER BY held.scope_id, held.user_id LIMIT :limit
      ) AS found
      UNION ALL
      SELECT found.user_id
      FROM able CROSS JOIN unnest(CAST(:within AS uuid[])) AS place (id) CROSS JOIN LATERAL (
        SELECT held.user_id FROM {by_role} AND held.scope_id = place.id AND held.user_id > :after AND {LIVE}
        ORDER BY held.user_id LIMIT :limit
      ) AS found
      UNION ALL
      (
        SELECT held.user_id FROM {directly} AND held.scope_id IS NULL AND held.user_id > :after AND {LIVE}
        ORDER BY held.scope_id, held.user_id LIMIT :limit
      )
      UNION ALL
      SELECT found.user_id
      FROM unnest(CAST(:within AS uuid[])) AS place (id) CROSS JOIN LATERAL (
        SELECT held.user_id FROM {directly} AND held.scope_id = place.id AND held.user_id > :after AND {LIVE}
        ORDER BY held.user_id LIMIT :limit
      ) AS found
    )
    SELECT DISTINCT user_id FROM candidates ORDER BY user_id LIMIT :limit
    """


AT_PRESENT, IN_THE_PAST = _statements(past=False), _statements(past=True)

DECIDE_THEN = Statement(text(grounds(OF_USER, LIVE, AROUND, DECIDED, of_role=THEN)))
"""What spoke of one permission here, at a moment that is over."""

LAY_IN = """
      SELECT lay.parent_team_id
      FROM (
        (
          SELECT moved.parent_team_id, moved.moved_at FROM team_moves AS moved   -- ix_team_moves_team_id_moved_at
          WHERE moved.team_id = team.id AND moved.moved_at > CAST(:past AS timestamptz)
          ORDER BY moved.moved_at LIMIT 1
        )
        UNION ALL
        SELECT team.parent_team_id, 'infinity'
      ) AS lay
      ORDER BY lay.moved_at LIMIT 1
"""
"""What a `team` lay in at a moment that is over, `past`: what it was moved from next; else, and now, where it lies."""

TEAMS_AROUND = text(f"""
    WITH RECURSIVE above (id, parent_team_id, organization_id) AS (
      SELECT team.id, ({LAY_IN}), team.organization_id FROM teams AS team
      WHERE team.id = :team_id AND (team.deleted_at IS NULL OR team.deleted_at > CAST(:past AS timestamptz))
      UNION ALL
      SELECT team.id, ({LAY_IN}), team.organization_id
      FROM above JOIN teams AS team ON team.id = above.parent_team_id
    )
    SELECT id, organization_id FROM above                                -- pk_teams
""")

PATH = Statement(
    text("""
    WITH RECURSIVE way (role_id, names, steps) AS (
      SELECT held.role_id, ARRAY[role.name::text], 0
      FROM user_roles AS held JOIN roles AS role ON role.id = held.role_id
      WHERE held.id = :grant_id                                          -- pk_user_roles
      UNION ALL
      SELECT parent.id, way.names || parent.name::text, way.steps + 1
      FROM way
      JOIN role_inheritance AS step ON step.child_role_id = way.role_id  -- uq_role_inheritance_child_role_id_...
      JOIN roles AS parent ON parent.id = step.parent_role_id
      WHERE way.steps < 30
    )
    SELECT unnest(names) AS name
    FROM (SELECT names FROM way WHERE names[steps + 1] = :role ORDER BY steps LIMIT 1) AS shortest
""")
)

PLACES = {
    "organization": text("""
        SELECT id, ARRAY[id] AS within FROM organizations                -- pk_organizations
        WHERE id > :after AND (CAST(:only AS uuid[]) IS NULL OR id = ANY (:only))
        ORDER BY id LIMIT :limit
    """),
    "user": text("""
        SELECT id, ARRAY[id] AS within FROM users                        -- pk_users
        WHERE id > :after AND (CAST(:only AS uuid[]) IS NULL OR id = ANY (:only))
        ORDER BY id LIMIT :limit
    """),
    "team": text(f"""
        WITH RECURSIVE below (id, organization_id) AS (
          SELECT id, organization_id FROM teams                          -- ix_teams_organization_id_parent_team_id
          WHERE id = ANY (CAST(:only AS uuid[])) OR organization_id = ANY (CAST(:only AS uuid[]))
          UNION
          SELECT inner_team.id, below.organization_id
          FROM below CROSS JOIN LATERAL (
            SELECT id FROM teams WHERE organization_id = below.organization_id AND parent_team_id = below.id
            UNION ALL
            SELECT team_id FROM team_moves                               -- ix_team_moves_parent_team_id
            WHERE parent_team_id = below.id AND moved_at > CAST(:past AS timestamptz)
          ) AS inner_team
        ), page AS (
          SELECT id, organization_id FROM teams                          -- pk_teams
          WHERE id > :after AND (CAST(:only AS uuid[]) IS NULL OR id IN (SELECT id FROM below))
            AND (deleted_at IS NULL OR deleted_at > CAST(:past AS timestamptz))
          ORDER BY id LIMIT :limit
        )
        SELECT page.id, (
          WITH RECURSIVE above (id, parent_team_id) AS (
            SELECT team.id, ({LAY_IN}) FROM teams AS team WHERE team.id = page.id
            UNION ALL
            SELECT team.id, ({LAY_IN}) FROM above JOIN teams AS team ON team.id = above.parent_team_id
          )
          SELECT array_agg(id) || page.organization_id FROM above
        ) AS within
        FROM page ORDER BY page.id
    """),
}
"""A page of the places of one kind and what each lies in; only those that lie in some others, or all. Of teams perhaps
some more, which have lain in those others since `past`.

Those that are deleted, too: what was given everywhere decides there, so that somebody may restore them. But teams only
of a moment, `past`, at which they were not: nobody restores one.
"""

TOLD = "(NOT present.is_standing OR held.id IN (SELECT grant_id FROM user_grants WHERE user_id = :user_id))"
"""By ix_user_grants_user_id, once. As `DECIDES` it could not be joined for the OR, and might read all of the table."""
RIGHTS = text(f"""
    WITH present AS (
      SELECT
        {STANDING} AS is_standing,
        md5(concat_ws(' ',
          (SELECT version FROM rights_versions),
          (SELECT status::text || (deleted_at IS NULL)::text FROM users WHERE id = :user_id),
          (SELECT md5(string_agg(xmin::text || ctid::text, ' ' ORDER BY grant_id))
            FROM user_grants WHERE user_id = :user_id),                  -- ix_user_grants_user_id
          CASE WHEN NOT {STANDING} THEN clock_timestamp() END
        )) AS version
    )
    SELECT present.is_standing, present.version, rights.*
    FROM present LEFT JOIN LATERAL (
      SELECT * FROM ({grounds(OF_USER, NOT_ENDED, TOLD, of_role=PRESENT, one=False)}) AS spoken
      WHERE present.version IS DISTINCT FROM CAST(:known AS text)
    ) AS rights ON true
""")
"""The version of a user's rights, and all their grants that have not ended, unless that version is known.

The version is made of what the rights are made of: how often roles changed (`rights_versions`), the user's standing,
and which row versions of `user_grants` are theirs (triggers write the row of a grant anew when it changes, and one that
is written anew has another xmin or ctid). Both come out of one snapshot.

Of whoever may not come in what was granted is told too, so that nobody below him lets him in again; it decides nothing.
`user_grants` has none of it, so no version of that is ever known.
"""
