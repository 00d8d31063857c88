"""A plain model of the rules, which shares no code with the service, and worlds drawn by Hypothesis to ask both about.

A world has roles that inherit and are sometimes inactive, that allow, deny and have conditions; grants of roles and of
permissions, everywhere and in places, of every time, some under conditions; users who are suspended; an organization
that is deleted. Everything is asked of both: each user, permission, place and moment, of rights in memory; one question
in some forty, in small worlds each, of the statement of a decision too; and who may, in each place, at each moment
another permission, what has ended by then being swept out first. Where they differ, Hypothesis makes the world as small
as it can.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Literal
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.conditions.condition import Facts
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.rights.decisions import decide
from orion_user.access import store as access_store
from orion_user.access.rules import Asked
from orion_user.decisions import store
from orion_user.decisions.actions import Moment, subjects_who
from orion_user.decisions.rules import Question, Resource, Subject

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
CONDITIONS: dict[str | None, bool | None] = {
    None: True,
    "context.level > 3": True,
    "context.level > 5": False,
    "context.missing": None,
}
"""What each comes to with `context.level` 4; None: it fails."""
PERMISSIONS = [f"content:{action}" for action in ("create", "read", "update", "delete", "publish")]
HOURS = (-1, 0, 1, 2)
"""The moments that are asked about, from noon."""
PLACES: list[tuple[str, list[str]]] = [
    ("GLOBAL", []),
    ("ORG", ["organization 0"]),
    ("TEAM", ["organization 0", "team 0"]),
    ("ORG", ["organization 1"]),
    ("TEAM", ["organization 1", "team 1"]),
    ("USER", ["user 1"]),
]
"""Where something is given and asked about, and what that lies in, itself last."""
DELETED = {"organization 0", "team 0"}
USERS = 20
QUESTIONS = list(product(PERMISSIONS, range(len(PLACES)), HOURS))
"""About each user."""
EXCLUSION_VIOLATION = "23P01"


@dataclass(frozen=True)
class Role:
    """What a role says, by permission: whether it denies, and under which condition; and what it inherits from."""

    is_active: bool
    parents: frozenset[int]
    says: dict[str, tuple[bool, str | None]]


@dataclass(frozen=True)
class Given:
    """A role or a permission that somebody was given."""

    user: int
    what: int | str
    denies: bool
    place: int
    condition: str | None
    start: int
    end: int | None


@dataclass(frozen=True)
class World:
    """All of which decisions are made."""

    roles: list[Role]
    given: list[Given]
    suspended: frozenset[int]
    deletion: Literal["before", "after"] | None
    """When organization 0 is deleted: before or after all was given."""

    def above(self, role: int) -> set[int]:
        """A role and all that it inherits from."""
        return {role}.union(*(self.above(parent) for parent in self.roles[role].parents))

    def allows(self, user: int, permission: str, place: int, hour: int) -> bool:
        """The rules, as plainly as they can be said."""
        allowed = False
        for grant in self.given:
            where = PLACES[grant.place][1][-1:]
            if grant.user != user or user in self.suspended or not set(where) <= set(PLACES[place][1]):
                continue
            if hour < grant.start or (grant.end is not None and hour >= grant.end):
                continue
            if self.deletion and set(where) & DELETED:
                continue
            for denies, under in self.sayings(grant, permission):
                values = {CONDITIONS[grant.condition], CONDITIONS[under]}
                if denies and False not in values:
                    return False
                allowed = allowed or (not denies and values == {True})
        return allowed

    def sayings(self, grant: Given, permission: str) -> list[tuple[bool, str | None]]:
        """What a grant says of a permission, by itself or through roles."""
        if isinstance(grant.what, str):
            return [(grant.denies, None)] if grant.what == permission else []
        if not self.roles[grant.what].is_active:
            return []
        above = [self.roles[role] for role in self.above(grant.what)]
        return [role.says[permission] for role in above if role.is_active and permission in role.says]


def one_in(number: int) -> st.SearchStrategy[bool]:
    """True so often."""
    return st.sampled_from([False] * (number - 1) + [True])


CONDITION = st.sampled_from([None, None, None, None, *CONDITIONS])
SAYS = st.dictionaries(st.sampled_from(PERMISSIONS), st.tuples(one_in(5), CONDITION), max_size=3)

ROLES = st.tuples(one_in(10), st.frozensets(st.integers(1, 11), max_size=2), SAYS)
"""Whether it is inactive; from those so many before it it inherits; what it says."""
GRANTS = st.tuples(
    st.integers(0, 11) | st.sampled_from(PERMISSIONS),
    one_in(3),
    st.integers(0, len(PLACES) - 1),
    CONDITION,
    st.sampled_from([-2, 0, 1]),
    st.sampled_from([None, 1, 2]),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to twelve roles, each of which inherits from those before it, and up to eight grants for each user.

    No part says how many others there are, so that Hypothesis can leave any of them out.
    """
    drawn = draw(st.lists(ROLES, min_size=1, max_size=12))
    roles = [
        Role(not is_inactive, frozenset(number - step for step in steps if step <= number), says)
        for number, (is_inactive, steps, says) in enumerate(drawn)
    ]
    given = [
        Given(
            user,
            what if isinstance(what, str) else what % len(roles),
            isinstance(what, str) and denies,
            place,
            condition,
            start,
            end if end != start else None,
        )
        for user in range(USERS)
        for what, denies, place, condition, start, end in draw(st.lists(GRANTS, max_size=8))
    ]
    suspended = frozenset(user for user in range(USERS) if draw(one_in(10)))
    return World(roles, given, suspended, draw(st.sampled_from([None, None, "before", "after"])))


@dataclass
class Made:
    """The ids of a world in the database."""

    users: list[UUID] = field(default_factory=lambda: [uuid7() for _ in range(USERS)])
    places: dict[str, UUID] = field(default_factory=dict[str, UUID])

    def properties(self, place: int) -> dict[str, UUID]:
        """How a question says where something lies."""
        return {f"{name.partition(' ')[0]}_id": self.places[name] for name in PLACES[place][1]}


async def make(connection: asyncpg.Connection, world: World) -> Made:
    """The world in the database. Grants that this refuses, since they are there already, are taken out of it."""
    made, roles = Made(), [uuid7() for _ in world.roles]
    standings = ["SUSPENDED" if number in world.suspended else "ACTIVE" for number in range(USERS)]
    await connection.executemany(
        "INSERT INTO users (id, email, status) VALUES ($1, $2, $3::user_status)",
        [(user, f"{user}@example.com", standing) for user, standing in zip(made.users, standings, strict=True)],
    )
    await _make_roles(connection, world, roles)
    for number in range(2):
        organization, team = uuid7(), uuid7()
        made.places |= {f"organization {number}": organization, f"team {number}": team}
        await connection.execute(
            "INSERT INTO organizations (id, name, slug, owner_id) VALUES ($1, 'O', $2, $3)",
            organization, organization.hex, made.users[0],
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO teams (id, organization_id, name, slug) VALUES ($1, $2, 'T', $3)", team, organization, team.hex
        )
    made.places["user 1"] = made.users[1]
    deletion = "UPDATE organizations SET deleted_at = now() WHERE id = $1"
    if world.deletion == "before":
        await connection.execute(deletion, made.places["organization 0"])
    refused = [grant for grant in world.given if not await _give(connection, grant, made, roles)]
    world.given[:] = [grant for grant in world.given if all(grant is not each for each in refused)]
    if world.deletion == "after":
        await connection.execute(deletion, made.places["organization 0"])
    return made


async def _make_roles(connection: asyncpg.Connection, world: World, roles: list[UUID]) -> None:
    for id_, role in zip(roles, world.roles, strict=True):
        await connection.execute(
            "INSERT INTO roles (id, name, display_name, is_active) VALUES ($1, $2, 'R', $3)",
            id_, f"r{id_.hex}", role.is_active,
        )  # fmt: skip
        await connection.executemany(
            "INSERT INTO role_inheritance (child_role_id, parent_role_id) VALUES ($1, $2)",
            [(id_, roles[parent]) for parent in role.parents],
        )
        await connection.executemany(
            "INSERT INTO role_permissions (role_id, permission_id, effect, condition)"
            " SELECT $1, id, $3::permission_effect, $4 FROM permissions WHERE name = $2",
            [(id_, name, "DENY" if denies else "ALLOW", under) for name, (denies, under) in role.says.items()],
        )


async def _give(connection: asyncpg.Connection, grant: Given, made: Made, roles: list[UUID]) -> bool:
    scope, within = PLACES[grant.place]
    ends_at = None if grant.end is None else NOON + timedelta(hours=grant.end)
    place = made.places[within[-1]] if within else None
    values = (made.users[grant.user], scope, place, grant.condition, NOON + timedelta(hours=grant.start), ends_at)
    tail = "$2::permission_scope, $3::uuid, $4, $5::timestamptz, $6::timestamptz"
    try:
        if isinstance(grant.what, str):
            await connection.execute(
                "INSERT INTO user_permissions (user_id, scope, scope_id, condition, starts_at, expires_at,"
                f" permission_id, effect) SELECT $1, {tail}, id, $8::permission_effect"
                " FROM permissions WHERE name = $7",
                *values, grant.what, "DENY" if grant.denies else "ALLOW",
            )  # fmt: skip
        else:
            await connection.execute(
                "INSERT INTO user_roles (user_id, scope, scope_id, condition, starts_at, expires_at, role_id)"
                f" SELECT $1, {tail}, $7::uuid",
                *values, roles[grant.what],
            )  # fmt: skip
    except asyncpg.PostgresError as refused:
        if refused.sqlstate != EXCLUSION_VIOLATION:
            raise
        return False
    return True


async def compare(database: Database, world: World, made: Made) -> int:
    """How many decisions there were. An AssertionError for the first that the service makes otherwise than the model.

    Of users who were given nothing one is asked about, so that small worlds are soon compared.
    """
    without = next((user for user in range(USERS) if all(each.user != user for each in world.given)), None)
    asked = sorted({each.user for each in world.given} | ({without} if without is not None else set()))
    async with database.autocommit() as connection:
        for user in asked:
            await _compare_decisions(connection, world, made, user)
        await _compare_who(connection, world, made)
    return len(asked) * len(QUESTIONS)


async def _compare_decisions(connection: AsyncConnection, world: World, made: Made, user: int) -> None:
    rights = await store.rights(connection, made.users[user], None, NOON - timedelta(days=1))
    assert rights is not None
    for number, (permission, place, hour) in enumerate(QUESTIONS, user):
        now, within = NOON + timedelta(hours=hour), frozenset(made.properties(place).values())
        facts = Facts(now, {}, {}, {"level": 4}, {})
        answers = [rights.allows(permission, now, within, facts)]
        if number % (1 + len(world.given) // 2) == 0:
            sayings = await access_store.decide(connection, Asked(made.users[user], permission, now, within))
            answers.append(decide(sayings, facts).allowed)
        expected = world.allows(user, permission, place, hour)
        assert set(answers) == {expected}, f"user {user}, {permission}, {PLACES[place]}, hour {hour}: not {expected}"


async def _compare_who(connection: AsyncConnection, world: World, made: Made) -> None:
    before = UUID(int=min(made.users).int - 1)  # behind the users of other worlds
    for hour, permission in zip(HOURS, PERMISSIONS, strict=False):
        now = NOON + timedelta(hours=hour)
        await access_store.sweep(connection, now, 1000)
        for place in range(len(PLACES)):
            properties: dict[str, object] = {name: str(id_) for name, id_ in made.properties(place).items()}
            question = Question(Subject("user", "", {}), permission, Resource("document", "", properties), {"level": 4})
            who, _ = await subjects_who(connection, question, Moment(now), before, USERS)
            expected = [made.users[user] for user in range(USERS) if world.allows(user, permission, place, hour)]
            assert who == sorted(expected), f"who may {permission}, {PLACES[place]}, hour {hour}"


async def agree(database: Database, owner: asyncpg.Connection, examples: int, *, always_the_same: bool = False) -> int:
    """How many decisions service and model agreed in. An AssertionError, with the smallest world where they do not."""
    loop, decisions = asyncio.get_running_loop(), 0

    async def made_and_compared(world: World) -> int:
        return await compare(database, world, await make(owner, world))

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=always_the_same,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(worlds())
    def one(world: World) -> None:
        nonlocal decisions
        decisions += asyncio.run_coroutine_threadsafe(made_and_compared(world), loop).result()

    await asyncio.to_thread(one)
    return decisions
