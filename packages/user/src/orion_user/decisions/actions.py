"""What can be asked about rights."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.rights.caller import caller
from orion_core.rights.decider import Rights
from orion_core.rights.decisions import Decision, Ground, Reason, Saying, by_permission
from orion_core.rights.giving_way import decide_giving_way
from orion_core.stretches import Stretches
from orion_user.access import actions as access
from orion_user.access import guard
from orion_user.access.rules import Asked
from orion_user.decisions import rules, store
from orion_user.decisions.rules import Nearest, Question, Resource, Subject

ROUNDS = 5
"""How many pages of candidates one page of an answer is looked for in."""
MOST_SECONDS = 0.5
"""Of reckoning for one page of an answer, which ends there: the dearest conditions take as long as this one by one."""
FIRST = UUID(int=0)
SERVICE_SCOPE = "events:read"
"""What auth gives to our own services alone."""


@dataclass(frozen=True)
class Moment:
    """The moment that is asked about. One that is over is answered whatever the subjects' standing was then."""

    at: datetime
    is_past: bool = False

    @property
    def past(self) -> datetime | None:
        """The moment, when it is over."""
        return self.at if self.is_past else None


@dataclass(frozen=True)
class Explained:
    """A decision, all that could have led to it, and what would have to change for another."""

    decision: Decision[Ground]
    nearest: Nearest | None
    paths: dict[UUID, list[str]]
    roles: list[str]


UNKNOWN: Decision[Ground] = Decision(allowed=False, reason=Reason.INACTIVE_SUBJECT)


async def require_asking(
    database: Database, claims: AccessClaims, subjects: Sequence[Subject] | None, now: datetime
) -> None:
    """403 unless the caller may know this: of oneself in person always, else (or of all: None) with `access:read`.

    It is not for everybody: answers tell who belongs to which organization, by whom he was given what, and of people
    who let nobody find them.
    Our own services may, too: they ask on behalf of whoever called them.
    """
    asker = caller(claims).person
    if asker is None and claims.sid is None and SERVICE_SCOPE in claims.scopes:
        return
    if subjects is None or asker is None or any(subject.user_id != asker for subject in subjects):
        async with database.autocommit() as connection:
            await guard.require(connection, claims, "access:read", now)


async def around(connection: AsyncConnection, resource: Resource, moment: Moment) -> frozenset[UUID]:
    """Everything that a resource lies in; 422 for a team that is of another organization than the resource."""
    organization, team = resource.place("organization"), resource.place("team")
    if team is None:
        return resource.places
    around_team, of_team = await store.around_team(connection, team, moment.past)
    if organization is not None and of_team is not None and of_team != organization:
        detail = f"The team {team} is not of the organization {organization}: a resource lies in one organization."
        raise Problem(422, "other_organization", "Contradiction", detail)
    return resource.places | around_team


async def evaluate(database: Database, question: Question, moment: Moment) -> Decision[Saying]:
    """May they? One statement, and one before where the resource lies in a team."""
    user_id, within = question.subject.user_id, question.resource.places
    if user_id is None:
        return UNKNOWN
    if moment.is_past:
        async with database.autocommit() as connection:
            return await _evaluate_then(connection, user_id, question, moment, Stretches())
    if question.resource.place("team") is not None:
        async with database.autocommit() as connection:
            within = await around(connection, question.resource, moment)
    sayings = await access.sayings(database, Asked(user_id, question.permission, moment.at, within))
    return await decide_giving_way(sayings, question.facts(moment.at))


async def _evaluate_then(
    connection: AsyncConnection, user_id: UUID, question: Question, moment: Moment, stretches: Stretches
) -> Decision[Saying]:
    within = await stretches.wait_for(around(connection, question.resource, moment))
    grounds = await stretches.wait_for(store.decide_then(connection, user_id, question.permission, moment.at, within))
    return await decide_giving_way(grounds, question.facts(moment.at), stretches)


async def evaluate_one_of_several(
    connection: AsyncConnection, question: Question, moment: Moment, kept: dict[UUID, Rights], stretches: Stretches
) -> Decision[Saying]:
    """The same for one of several questions: a subject's rights are read once, into `kept`, and decided by there.

    All of them together take as long as one may (`decide_giving_way`).
    """
    user_id = question.subject.user_id
    if user_id is None:
        return UNKNOWN
    if moment.is_past:
        return await _evaluate_then(connection, user_id, question, moment, stretches)
    if user_id not in kept:
        read = await stretches.wait_for(store.rights(connection, user_id, None, moment.at))
        kept[user_id] = cast("Rights", read)  # no version of them was known
    within = await stretches.wait_for(around(connection, question.resource, moment))
    if not kept[user_id].is_active:
        return UNKNOWN
    speaking = kept[user_id].speaking(question.permission, moment.at, within)
    return await decide_giving_way(speaking, question.facts(moment.at), stretches)


async def rights(database: Database, user_id: UUID, known: str | None, now: datetime) -> Rights | None:
    """All that was granted to a user and has not ended; None when it is still that of the version `known`."""
    async with database.autocommit() as connection:
        return await store.rights(connection, user_id, known, now)


async def explain(connection: AsyncConnection, question: Question, moment: Moment) -> Explained:
    """Why may they, or why not, and what comes nearest to allowing it."""
    user_id, at = question.subject.user_id, moment.at
    if user_id is None:
        return Explained(UNKNOWN, Nearest(rules.Nearness.INACTIVE_SUBJECT), {}, [])
    within = await around(connection, question.resource, moment)
    everything, is_active = await store.all_about(
        connection, user_id, question.permission, at, within, is_past=moment.is_past
    )
    speaking = rules.speaking(everything, at, within) if is_active else []
    decision = await decide_giving_way(speaking, question.facts(at)) if is_active else UNKNOWN
    nearest = None
    if not decision.allowed:
        nearest = rules.nearest(decision, everything, at, within, is_active=is_active)
    decision = rules.told(decision)
    shown = [*(each.ground for each in decision.weighed), *([nearest.ground] if nearest and nearest.ground else [])]
    paths = {ground.id: await _path(connection, ground) for ground in shown}
    roles = await guard.roles_with(connection, question.permission) if nearest is not None else []
    return Explained(decision, nearest, paths, roles)


async def actions_on(
    connection: AsyncConnection, subject: Subject, resource: Resource, context: dict[str, object], moment: Moment
) -> list[str]:
    """What a subject may do to a resource, by name."""
    if subject.user_id is None:
        return []
    within = await around(connection, resource, moment)
    grounds = await store.on_resource(
        connection, subject.user_id, resource.type, moment.at, within, is_past=moment.is_past
    )
    facts, stretches = Question(subject, "", resource, context).facts(moment.at), Stretches()
    found: list[str] = []
    for permission, group in by_permission(grounds).items():
        if (await decide_giving_way(group, facts, stretches)).allowed:
            found.append(permission)
    return sorted(permission.partition(":")[2] for permission in found)


async def subjects_who(
    connection: AsyncConnection, question: Question, moment: Moment, after: UUID | None, limit: int
) -> tuple[list[UUID], UUID | None]:
    """Who may do it: at most `limit` users after one, in the order of their ids, and after whom to go on."""
    if question.subject.type != rules.SUBJECT_TYPE:
        return [], None
    within = await around(connection, question.resource, moment)
    found: list[UUID] = []
    position, stretches = after or FIRST, Stretches()
    for _ in range(ROUNDS):
        candidates = await stretches.wait_for(
            store.subjects(
                connection, question.permission, moment.at, within, position, limit + 1, is_past=moment.is_past
            )
        )
        page = candidates[:limit]
        grounds: dict[UUID, list[Ground]] = defaultdict(list)
        for ground in await stretches.wait_for(
            store.of_several(connection, page, question.permission, moment.at, within, is_past=moment.is_past)
        ):
            grounds[ground.user_id].append(ground)
        for user_id in page:
            facts = _as_subject(question, user_id).facts(moment.at)
            if (await decide_giving_way(grounds[user_id], facts, stretches)).allowed:
                found.append(user_id)
            if len(found) == limit or stretches.spent > MOST_SECONDS:
                return found, user_id if user_id != candidates[-1] else None
            await stretches.give_way()
        if len(candidates) <= limit:
            return found, None
        position = page[-1]
    return found, position


async def resources_where(
    connection: AsyncConnection, question: Question, moment: Moment, after: UUID | None, limit: int
) -> tuple[list[UUID], UUID | None]:
    """In which organizations or teams, or to which users, the subject may do it; paged as `subjects_who` is."""
    user_id, kind = question.subject.user_id, question.resource.type
    if kind not in rules.PLACES:
        detail = f"Resources of type {kind} are the product's own; searched can be {', '.join(rules.PLACES)}."
        raise Problem(422, "unsearchable_resource", "Not searchable", detail)
    if user_id is None:
        return [], None
    grounds = await store.anywhere(connection, user_id, question.permission, moment.at, is_past=moment.is_past)
    allowing = [ground for ground in grounds if not ground.denies]
    if not allowing:
        return [], None
    fixed = await around(connection, Resource(kind, "", question.resource.properties), moment)
    organization = question.resource.place("organization") if kind == "team" else None
    places = [each.scope_id for each in allowing if each.scope_id is not None]
    only = None if any(each.reaches(fixed) for each in allowing) else places
    found: list[UUID] = []
    position, stretches = after or FIRST, Stretches()
    for _ in range(ROUNDS):
        candidates = await stretches.wait_for(store.places(connection, kind, only, moment.past, position, limit + 1))
        for place, within in candidates[:limit]:
            if organization is not None and organization not in within:
                continue
            here = [ground for ground in grounds if ground.reaches(within | fixed)]
            facts = _as_resource(question, place).facts(moment.at)
            if (await decide_giving_way(here, facts, stretches)).allowed:
                found.append(place)
            if len(found) == limit or stretches.spent > MOST_SECONDS:
                return found, place if place != candidates[-1][0] else None
            await stretches.give_way()
        if len(candidates) <= limit:
            return found, None
        position = candidates[limit - 1][0]
    return found, position


def _as_subject(question: Question, user_id: UUID) -> Question:
    subject = Subject(question.subject.type, str(user_id), question.subject.properties)
    return Question(subject, question.action, question.resource, question.context)


def _as_resource(question: Question, place: UUID) -> Question:
    resource = Resource(question.resource.type, str(place), question.resource.properties)
    return Question(question.subject, question.action, resource, question.context)


async def _path(connection: AsyncConnection, ground: Ground) -> list[str]:
    """Names of roles, from the one assigned over what it inherits to the one that says so; none of a direct grant."""
    if ground.role is None or ground.through is None:
        return []
    if ground.role == ground.through:
        return [ground.role]
    return await store.path(connection, ground.id, ground.role) or [ground.through, ground.role]
