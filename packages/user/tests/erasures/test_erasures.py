"""Forgetting a person: begun by whoever may, done when all three services are, refused where the law needs them."""

import io
import json
import zipfile
from hashlib import sha256
from ipaddress import IPv4Address
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from orion_contracts.audit import NotificationsAuditRecorded
from orion_contracts.cloud_event import CloudEvent
from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_contracts.event import Event
from orion_contracts.events import EmailVerified
from orion_contracts.user_events import ErasureRequested
from orion_core.database import Database
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.service_token import ServiceTokens
from orion_core.testing import MovableClock, client_of_nobody
from orion_core.wakeup import Wakeup
from orion_user.base import Table
from orion_user.erasures.archive import OF_AUDIT
from orion_user.erasures.purging import purge
from orion_user.events import handlers_of_notifications
from orion_user.users import actions as users
from orion_user.users.rules import PURGE_DELAY

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Changed, People, Query, Sign

USERS = "/user/v1/users"


class Notifications:
    """Notifications' feed."""

    def __init__(self, database: Database, clock: MovableClock) -> None:
        http = client_of_nobody()
        tokens = ServiceTokens(http, "http://auth", "user", "", clock)
        client = FeedClient("notifications", "http://notifications", tokens, http)
        self.follower = Follower(client, database, clock, handlers_of_notifications(clock))
        self.clock, self.positions, self.at = clock, count(1), 0

    async def erased(self, event: ErasureRequested) -> None:
        """Have it say that it has forgotten the user."""
        counts = {"notifications": 3}
        await self.tell(
            MessagesErased(user_id=event.user_id, erasure_id=event.erasure_id, counts=counts, erased_at=self.clock())
        )

    async def tell(self, told: Event) -> None:
        """Have it tell of this."""
        position = next(self.positions)
        envelope = CloudEvent(
            id=uuid7(),
            source="notifications",
            type=told.type,
            subject=told.subject,
            time=self.clock(),
            position=position,
            data=told.data(),
        )
        self.at = await self.follower.apply(self.at, [envelope], position)


@pytest.fixture
def notifications(database: Database, clock: MovableClock) -> Notifications:
    return Notifications(database, clock)


async def asked(people: "People") -> ErasureRequested:
    [data] = [data for type_, data in await people.told() if type_ == ErasureRequested.type]
    return ErasureRequested.read(data)


def done(event: ErasureRequested, clock: MovableClock) -> IdentityErased:
    return IdentityErased(
        user_id=event.user_id, erasure_id=event.erasure_id, counts={"identities": 1}, erased_at=clock()
    )


async def test_a_person_is_forgotten_when_all_three_have(
    people: "People",
    auth: "AuthFeed",
    query: "Query",
    changed: "Changed",
    notifications: Notifications,
    clock: MovableClock,
) -> None:
    ada, moderator = await people.add("ada@example.com", name="Ada Lovelace"), await people.moderator()
    await changed(people.client(ada), "/user/v1/me", {"bio": "first programmer", "location": "London"})
    answer = await moderator.post(f"{USERS}/{ada}/erasure")
    assert (answer.status_code, answer.json()["completed_at"]) == (202, None)
    erasure = f"/user/v1/erasures/{answer.json()['id']}"
    assert (await moderator.post(f"{USERS}/{ada}/erasure")).json() == answer.json(), "asked twice, begun once"
    assert (await moderator.post(f"{USERS}/{ada}/restoration", json={})).json()["code"] == "purge_due"
    event = await asked(people)
    for _ in range(2):
        await auth.bring(done(event, clock))
    assert (await moderator.get(f"{USERS}/{ada}")).status_code == 404
    assert (await moderator.get(erasure)).json()["completed_at"] is None
    late = NotificationsAuditRecorded(
        audit_id=uuid7(), actor_type="USER", actor_id=ada, action="notification.cancel", resource_type="notification",
        ip_address=IPv4Address("198.51.100.7"), user_agent="Lovelace's", occurred_at=clock(),
    )  # fmt: skip
    await notifications.tell(late)
    await notifications.erased(event)
    receipt = (await moderator.get(erasure)).json()
    assert receipt["completed_at"] is not None
    assert receipt["counts"]["auth"] == {"identities": 1}
    assert receipt["counts"]["user"]["users"] == 1
    left = ""
    for table in Table.metadata.sorted_tables:
        left += str(await query(f"SELECT to_jsonb(t) FROM {table.name} AS t"))
    assert [
        word for word in ("ada@example.com", "Lovelace", "programmer", "London", "198.51.100.7") if word in left
    ] == []
    assert "moderator@example.com" in left


async def test_events_that_come_late_bring_nobody_back(
    people: "People", auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    await moderator.post(f"{USERS}/{ada}/erasure")
    await auth.bring(
        EmailVerified(user_id=ada, email="ada@example.com", verified_at=clock()), done(await asked(people), clock)
    )
    assert await query("SELECT count(*) FROM users WHERE id = :ada", ada=ada) == [(0,)]
    stranger = IdentityErased(user_id=uuid7(), erasure_id=uuid7(), counts={}, erased_at=clock())
    await auth.bring(stranger)


async def test_whom_the_law_needs_is_not_forgotten(people: "People", database: Database, owner: Database) -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    root = people.client(await people.add("root@example.com", "super_admin"))
    hold = f"{USERS}/{ada}/legal-hold"
    assert (await moderator.put(hold, json={"reason": "case 7"})).status_code == 403
    assert (await root.put(hold, json={"reason": " "})).status_code == 422
    assert (await root.put(hold, json={"reason": "case 7"})).json()["reason"] == "case 7"
    refused = await moderator.post(f"{USERS}/{ada}/erasure")
    assert (refused.status_code, refused.json()["code"]) == (409, "legal_hold")
    assert (await moderator.get(f"{USERS}/{ada}")).json()["status"] == "ACTIVE"
    for connected in (database, owner):
        with pytest.raises(IntegrityError):
            async with connected.transaction() as transaction:
                await users.delete_for_good(transaction.connection, ada)
    assert [(await root.delete(hold)).status_code for _ in range(2)] == [204, 404]
    assert (await moderator.post(f"{USERS}/{ada}/erasure")).status_code == 202
    late = await root.put(hold, json={"reason": "case 8"})
    assert (late.status_code, late.json()["code"]) == (409, "erasure_under_way")


async def test_an_organization_is_not_left_without_its_owner(
    people: "People", auth: "AuthFeed", query: "Query", database: Database, clock: MovableClock, outbox: Outbox
) -> None:
    ada, eve = await people.add("ada@example.com"), await people.add("eve@example.com")
    moderator = await people.moderator()
    await query("INSERT INTO organizations (name, slug, owner_id) VALUES ('O', 'o', :ada)", ada=ada)
    assert (await moderator.post(f"{USERS}/{ada}/erasure")).json()["code"] == "owns_organization"
    await query("UPDATE organizations SET owner_id = :eve", eve=eve)
    answer = await moderator.post(f"{USERS}/{ada}/erasure")
    await query("UPDATE organizations SET owner_id = :ada", ada=ada)
    await auth.bring(done(await asked(people), clock))
    found = (await moderator.get(f"/user/v1/erasures/{answer.json()['id']}")).json()
    assert (found["erased_at"]["auth"] is None, found["erased_at"]["user"]) == (False, None)
    assert "organization" in found["obstacle"]
    await query("UPDATE organizations SET owner_id = :eve", eve=eve)
    await purge(database, outbox, clock)
    found = (await moderator.get(f"/user/v1/erasures/{answer.json()['id']}")).json()
    assert (found["erased_at"]["user"] is None, found["obstacle"]) == (False, None)


async def test_a_deleted_organization_holds_its_owner_only_while_others_belong_to_it(
    people: "People", auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada, eve = await people.add("ada@example.com"), await people.add("eve@example.com")
    moderator = await people.moderator()
    [(organization,)] = await query(
        "INSERT INTO organizations (name, slug, owner_id, deleted_at) VALUES ('O', 'o', :ada, now()) RETURNING id",
        ada=ada,
    )
    for user_id in (ada, eve):
        await query(
            "INSERT INTO memberships (organization_id, user_id, status, joined_at)"
            " VALUES (:id, :user, 'ACTIVE', now())",
            id=organization,
            user=user_id,
        )
    await query("INSERT INTO teams (organization_id, name, slug) VALUES (:id, 'T', 't')", id=organization)
    assert (await moderator.post(f"{USERS}/{ada}/erasure")).json()["code"] == "owns_organization"
    await query("UPDATE memberships SET status = 'ENDED', ended_at = now() WHERE user_id = :eve", eve=eve)
    assert (await moderator.post(f"{USERS}/{ada}/erasure")).status_code == 202
    await auth.bring(done(await asked(people), clock))
    assert await query("SELECT (SELECT count(*) FROM organizations), (SELECT count(*) FROM teams)") == [(0, 0)]
    assert await query("SELECT count(*) FROM users WHERE id = :ada", ada=ada) == [(0,)]
    assert await query("SELECT resource_id FROM audit_logs WHERE action = 'organization.purged'") == [
        (str(organization),)
    ]


async def test_a_deleted_user_is_purged_after_the_date(
    people: "People", query: "Query", database: Database, clock: MovableClock, outbox: Outbox
) -> None:
    ada, eve = await people.add("ada@example.com"), await people.add("eve@example.com")
    moderator = await people.moderator()
    root = people.client(await people.add("root@example.com", "super_admin"))
    for user_id in (ada, eve):
        await moderator.delete(f"{USERS}/{user_id}")
    await root.put(f"{USERS}/{eve}/legal-hold", json={"reason": "case 7"})
    assert await purge(database, outbox, clock) == 0
    clock.advance(seconds=PURGE_DELAY.total_seconds() + 1)
    assert [await purge(database, outbox, clock) for _ in range(2)] == [1, 0]
    assert await query("SELECT user_id, reason::text, requested_by FROM erasures") == [(ada, "PURGED", "user")]


async def test_nobody_erases_himself_by_a_screen_left_open_or_somebody_above(
    people: "People", service: httpx.ASGITransport, sign: "Sign", clock: MovableClock
) -> None:
    ada, root = await people.add("ada@example.com"), await people.add("root@example.com", "super_admin")

    def proved(seconds_ago: int) -> httpx.AsyncClient:
        token = sign(str(ada), uuid7(), auth_time=int(clock().timestamp()) - seconds_ago)
        return httpx.AsyncClient(
            transport=service, base_url="http://user", headers={"Authorization": f"Bearer {token}"}
        )

    for path in ("/user/v1/me/erasure", "/user/v1/me/archive"):
        method = "POST" if path.endswith("erasure") else "GET"
        answer = await proved(301).request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "reauthentication_required")
    moderator = await people.moderator()
    assert (await moderator.post(f"{USERS}/{root}/erasure")).json()["code"] == "outranked"
    assert (await people.client(ada).post(f"{USERS}/{root}/erasure")).status_code == 403
    assert (await moderator.post(f"{USERS}/{uuid7()}/erasure")).status_code == 404
    assert (await proved(299).post("/user/v1/me/erasure")).status_code == 202
    assert [type_ for type_, _ in await people.told()] == [ErasureRequested.type]


async def test_an_archive_holds_what_all_three_know_and_no_secret(
    people: "People", changed: "Changed", query: "Query"
) -> None:
    ada, moderator = await people.add("ada@example.com", name="Ada"), await people.moderator()
    await changed(moderator, f"{USERS}/{ada}", {"bio": "first programmer"})
    await query("UPDATE users SET email_verified_at = created_at WHERE id = :id", id=ada)
    await query(
        """
        WITH acme AS (INSERT INTO organizations (name, slug, owner_id) VALUES ('Acme', 'acme', :id) RETURNING id)
        INSERT INTO memberships (organization_id, status, email, invited_at, expires_at)
        SELECT id, 'INVITED', 'ada@example.com', now(), now() + interval '1 day' FROM acme
        """,
        id=ada,
    )
    sign_in = "gen_random_uuid(), timestamptz '2020-01-01', timestamptz '2020-01-02', timestamptz '2020-01-02'"
    await query(
        f"""
        INSERT INTO sessions (user_id, token, started_at, last_activity_at, expires_at)
        SELECT :id, {sign_in} FROM generate_series(1, 2001)
        """,
        id=ada,
    )
    root = people.client(await people.add("root@example.com", "super_admin"))
    assert (await root.put(f"{USERS}/{ada}/legal-hold", json={"reason": "case 7"})).status_code == 200
    answer = await moderator.get(f"{USERS}/{ada}/archive")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    manifest: dict[str, Any] = json.loads(contents.pop("manifest.json"))
    assert manifest["files"] == {name: sha256(content).hexdigest() for name, content in contents.items()}
    assert {name: bool(json.loads(content)) for name, content in contents.items()} == {
        "user.json": True,
        "auth.json": True,
        "notifications.json": True,
    }
    own = json.loads(contents["user.json"])
    assert own["users"][0]["bio"] == "first programmer"
    assert own["user_preferences"][0]["locale"] == "de"
    assert [(each["email"], each["status"]) for each in own["invitations"]] == [("ada@example.com", "INVITED")]
    assert set(own["audit_logs"][0]) == OF_AUDIT, "and not who looked at him, and from where"
    assert len({each["id"] for each in own["sessions"]}) == 2001, "all of it, in however many pages"
    assert "legal_hold" not in str(own) and "case 7" not in str(own), "nor that somebody holds on to what he has done"
    assert await query("SELECT count(*) FROM audit_logs WHERE action = 'user.export'") == [(1,)]
    assert (await moderator.get(f"{USERS}/{uuid7()}/archive")).status_code == 404
    assert UUID(manifest["user_id"]) == ada
    assert "kept from being told" in manifest["about"], "to everybody, whether he is held or not"


@pytest.fixture
def outbox(database: Database, auth: "AuthFeed") -> Outbox:
    return Outbox(Feed(database, Wakeup(auth.url, "outbox"), source="user"))
