"""What could be done in teams that have been moved or deleted since is told as it was answered at the time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from packages.user.tests.decisions.conftest import AskAs, Asker, Giver, bearer

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

CHANGES = ["give"] * 5 + ["delete"] * 3 + ["move"] * 2 + ["end"]
CONDITIONS = (None, None, "context.level > 3", "context.level > 5", "context.missing", "subject.id != ''")
CONTEXT = {"level": 4}
TEAMS = 8
ENDED = "UPDATE {} SET expires_at = :now WHERE starts_at < :now AND expires_at IS NULL AND user_id = :user_id"


@dataclass
class History:
    """Grants and deletions at random, and what was answered in between."""

    boss: Asker
    users: Sequence[Asker]
    organization: UUID
    living: list[UUID]
    teams: list[UUID]
    chance: random.Random
    answers: dict[datetime, "Answers"] = field(default_factory=dict[datetime, "Answers"])
    moves: int = 0

    async def change(self, what: str, giver: Giver, query: "Query", now: datetime) -> None:
        """One change, at a moment."""
        if what == "delete" and self.living:
            await self.delete(self.chance.choice(self.living))
        elif what == "move" and len(self.living) > 1:
            await self.move(self.chance.choice(self.living), query)
        elif what == "end":
            for table in ("user_roles", "user_permissions"):
                await query(ENDED.format(table), now=now, user_id=self.chance.choice(self.users).user_id)
        elif what == "give":
            for _ in range(4):
                await self._give(giver, query, self.chance.choice(self.users), now)

    async def _give(self, giver: Giver, query: "Query", user: Asker, now: datetime) -> None:
        """Something for a time, or from a later time on, where the user has nothing yet."""
        places = [("TEAM", team) for team in self.living]
        scope, scope_id = self.chance.choice([*places, ("ORG", self.organization)])
        begins = now + timedelta(hours=self.chance.choice((0, 0, 0, 3)))
        ends = self.chance.choice((None, None, begins + timedelta(hours=self.chance.randrange(1, 9))))
        if await query(TAKEN, user_id=user.user_id, scope_id=scope_id):
            return
        more = {"scope": scope, "scope_id": scope_id, "expires_at": ends, "condition": self.chance.choice(CONDITIONS)}
        if self.chance.random() < 0.5:
            await giver.role(user.user_id, "editor", begins, **more)
        else:
            effect = self.chance.choice(("ALLOW", "ALLOW", "DENY"))
            await giver.permission(user.user_id, "content:update", begins, effect=effect, **more)

    async def delete(self, team: UUID) -> None:
        """By whoever may do everything."""
        answer = await self.boss.http.delete(f"/user/v1/teams/{team}", headers=bearer(self.boss.user_id))
        assert answer.status_code == 204, answer.text
        listed = f"/user/v1/organizations/{self.organization}/teams"
        teams = (await self.boss.http.get(listed, headers=bearer(self.boss.user_id))).json()["items"]
        self.living[:] = [UUID(each["id"]) for each in teams]
        assert team not in self.living

    async def move(self, team: UUID, query: "Query") -> None:
        """Into another team or out of all, by whoever may do everything; not into one that lies in it."""
        below = [row[0] for row in await query(BELOW, id=team)]
        parent = self.chance.choice([None, *(each for each in self.living if each not in below)])
        url, boss = f"/user/v1/teams/{team}", bearer(self.boss.user_id)
        known = (await self.boss.http.get(url, headers=boss)).headers["ETag"]
        sent = {"parent_team_id": None if parent is None else str(parent)}
        answer = await self.boss.http.patch(url, json=sent, headers={**boss, "If-Match": known})
        assert answer.status_code == 200, answer.text
        self.moves += 1

    async def asked(self, at: datetime | None = None) -> "Answers":
        """Who may in each team; and where each may, searched for."""
        past = None if at is None else at.isoformat()
        asked = [(user.user_id, team) for user in self.users for team in self.teams]
        questions = [
            self.boss.question("update", "content", subject=user, properties={"team_id": str(team)}, context=CONTEXT)
            for user, team in asked
        ]
        several = await self.boss.post("evaluations", {"evaluations": questions}, past)
        decisions = [each["decision"] for each in several.json()["evaluations"]]
        found: Answers = {("check", *pair): decision for pair, decision in zip(asked, decisions, strict=True)}
        for team in self.teams[::3]:
            one = self.boss.question("update", "content", properties={"team_id": str(team)}, context=CONTEXT)
            who = await self.boss.post("search/subject", {**one, "subject": {"type": "user"}}, past)
            for user in self.users:
                found["who", user.user_id, team] = str(user.user_id) in [each["id"] for each in who.json()["results"]]
        for user in self.users:
            where = self.boss.question("content:update", "team", subject=user.user_id, context=CONTEXT)
            results = await self.boss.post("search/resource", {**where, "resource": {"type": "team"}}, past)
            for team in self.teams:
                found["where", user.user_id, team] = str(team) in [each["id"] for each in results.json()["results"]]
        return found


Answers = dict[tuple[str, UUID, UUID], bool]
"""By how it was asked, of whom, and of which team."""
BELOW = """
    WITH RECURSIVE below (id) AS (
      SELECT CAST(:id AS uuid)
      UNION ALL
      SELECT team.id FROM below JOIN teams AS team ON team.parent_team_id = below.id
    )
    SELECT id FROM below
"""
TAKEN = """
    SELECT id FROM user_roles WHERE user_id = :user_id AND scope_id = :scope_id
    UNION ALL
    SELECT id FROM user_permissions WHERE user_id = :user_id AND scope_id = :scope_id
"""


@pytest.mark.parametrize("seed", [0, 3, 5])
async def test_of_a_moment_in_the_past_it_is_answered_what_a_check_answered_then(
    auth: "AuthFeed", ask_as: AskAs, giver: Giver, query: "Query", seed: int
) -> None:
    boss, users = await ask_as("boss@example.com"), [await ask_as(f"{name}@example.com") for name in ("ada", "grace")]
    await giver.role(boss.user_id, "super_admin", auth.clock())
    chance, organization, teams = random.Random(seed), await giver.organization(boss.user_id), list[UUID]()
    for _ in range(TEAMS):
        teams.append(await giver.team(organization, chance.choice([None, None, *teams[-3:]])))
    history = History(boss, users, organization, list(teams), teams, chance)
    for what in ("give", "give", *chance.sample(CHANGES, len(CHANGES))):
        await history.change(what, giver, query, auth.clock())
        auth.clock.advance(hours=1)
        history.answers[auth.clock()] = await history.asked()
        auth.clock.advance(hours=1)  # what is changed at a moment is true at it
    assert len(history.living) < len(teams), "no team was deleted"
    assert history.moves, "no team was moved"
    assert len({str(each) for each in history.answers.values()}) > 5, "hardly anything has changed"
    for moment, answers in history.answers.items():
        assert await history.asked(moment) == answers


async def test_nothing_was_allowed_while_the_organization_or_the_user_was_put_away(
    auth: "AuthFeed", ask_as: AskAs, giver: Giver
) -> None:
    """Suspended and reinstated, deleted and restored, deleted and not restored."""
    boss, ada, grace = [await ask_as(f"{name}@example.com") for name in ("boss", "ada", "grace")]
    await giver.role(boss.user_id, "super_admin", auth.clock())
    organization = await giver.organization(boss.user_id)
    await giver.role(ada.user_id, "editor", auth.clock(), scope="ORG", scope_id=organization)
    await giver.role(grace.user_id, "editor", auth.clock())
    place = {"team_id": str(await giver.team(organization))}
    one = boss.question("update", "content", properties=place)
    acme, user = f"/user/v1/organizations/{organization}", f"/user/v1/users/{grace.user_id}"
    changes = [
        (None, "", (True, True)),
        ("POST", f"{user}/suspension", (True, False)),
        ("DELETE", f"{user}/suspension", (True, True)),
        ("DELETE", acme, (False, True)),
        ("DELETE", user, (False, False)),
        ("POST", f"{acme}/restoration", (True, False)),
        ("POST", f"{user}/restoration", (True, True)),
        ("DELETE", acme, (False, True)),
        ("DELETE", user, (False, False)),
    ]
    moments: list[tuple[datetime, tuple[bool, bool]]] = []
    for method, url, allowed in changes:
        auth.clock.advance(hours=1)
        if method is not None:
            headers = bearer(boss.user_id)
            if method == "DELETE" and not url.endswith("suspension"):
                headers |= {"If-Match": (await boss.http.get(url, headers=headers)).headers["ETag"]}
            done = await boss.http.request(method, url, headers=headers)
            assert done.status_code < 300, done.text
        moments.append((auth.clock(), allowed))
    auth.clock.advance(hours=1)
    for moment, allowed in moments:
        at = moment.isoformat()
        for asker, may, reason in ((ada, allowed[0], "deleted_organization"), (grace, allowed[1], "inactive_subject")):
            assert await boss.may("update", "content", at=at, subject=asker.user_id, properties=place) is may
            explained = await boss.explain("update", "content", at=at, subject=asker.user_id, properties=place)
            assert (explained["decision"], may or reason in str(explained)) == (may, True)
        who = await boss.post("search/subject", {**one, "subject": {"type": "user"}}, at)
        found = {each["id"] for each in who.json()["results"]}
        assert tuple(str(asker.user_id) in found for asker in (ada, grace)) == allowed
