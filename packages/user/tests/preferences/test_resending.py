"""What users have chosen is told again: of whom, and never behind something newer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
import structlog
from typer.testing import CliRunner

from orion_contracts.event import Event
from orion_contracts.user_events import (
    ErasureRequested,
    LocaleChanged,
    NotificationPreferencesChanged,
    SecurityPreferencesChanged,
)
from orion_core.database import Database, Transaction
from orion_core.events import outbox
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_user.audit.actions import SYSTEM
from orion_user.commands import commands
from orion_user.preferences import resending
from orion_user.preferences.resending import resend

if TYPE_CHECKING:
    from packages.user.tests.conftest import Changed, People, Query

NOTICES, SECURITY, LOCALE = NotificationPreferencesChanged.type, SecurityPreferencesChanged.type, LocaleChanged.type

Choose = Callable[[UUID, str, dict[str, Any]], Awaitable[None]]


@pytest.fixture
def choose(query: "Query") -> Choose:
    """Have a user have chosen something when nobody was told of it."""

    async def run(user_id: UUID, kind: str, chosen: dict[str, Any]) -> None:
        sql = f"UPDATE user_preferences SET {kind} = CAST(:chosen AS jsonb) WHERE user_id = :user_id"
        await query(sql, user_id=user_id, chosen=json.dumps(chosen))

    return run


async def test_all_is_told_that_somebody_has_chosen_and_again_when_asked_again(
    people: "People", choose: Choose, database: Database, clock: MovableClock, query: "Query"
) -> None:
    ada, eve = await people.add("ada@example.com"), await people.add("eve@example.com")
    kim = await people.add("kim@example.com")
    await people.add("nobody@example.com")
    await query("UPDATE user_preferences SET timezone = 'Asia/Tokyo' WHERE user_id = :kim", kim=kim)
    await choose(ada, "notifications", {"email": False, "muted_categories": ["SOCIAL"]})
    await choose(ada, "privacy", {"visibility": "NOBODY"})
    await choose(eve, "security", {"sign_in_notices": "EVERY"})
    for times in (1, 2):
        assert await resend(database, SYSTEM, clock) == 3
        told = await people.told()
        once = [(NOTICES, ada), (LOCALE, ada), (SECURITY, eve), (LOCALE, eve), (LOCALE, kim)]
        assert [(type_, UUID(data["user_id"])) for type_, data in told] == once * times
    assert (told[0][1]["email"], told[0][1]["sms"], told[0][1]["muted_categories"]) == (False, True, ["SOCIAL"])
    assert (told[2][1]["sign_in_notices"], told[2][1]["requires_second_factor"]) == ("EVERY", False)
    assert (told[4][1]["locale"], told[4][1]["timezone"]) == ("de", "Asia/Tokyo")
    assert await query("SELECT count(*) FROM audit_logs WHERE action = 'preferences.resend'") == [(2,)]


async def test_whoever_may_come_back_is_told_of_and_whoever_is_forgotten_not(
    people: "People", choose: Choose, database: Database, clock: MovableClock
) -> None:
    ada, eve = await people.add("ada@example.com"), await people.add("eve@example.com")
    root = people.client(await people.add("root@example.com", "super_admin"))
    for user_id in (ada, eve):
        await choose(user_id, "notifications", {"sms": False})
    assert (await root.delete(f"/user/v1/users/{ada}")).is_success
    assert (await root.post(f"/user/v1/users/{eve}/erasure")).is_success
    assert await resend(database, SYSTEM, clock) == 1
    assert [data["user_id"] for type_, data in await people.told() if type_ == NOTICES] == [str(ada)]


@pytest.mark.parametrize("what", ["chosen", "erased"])
async def test_what_is_chosen_or_erased_meanwhile_stands_behind_what_is_told_again(
    people: "People",
    choose: Choose,
    changed: "Changed",
    database: Database,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    ada = await people.add("ada@example.com")
    root = people.client(await people.add("root@example.com", "super_admin"))
    await choose(ada, "notifications", {"sms": False})
    meanwhile: list[asyncio.Task[httpx.Response]] = []

    async def write(transaction: Transaction, event: Event, now: datetime) -> None:
        """What happens between reading and telling has to wait."""
        if not meanwhile:
            asked = (
                changed(people.client(ada), "/user/v1/me/preferences/notifications", {"sms": True})
                if what == "chosen"
                else root.post(f"/user/v1/users/{ada}/erasure")
            )
            meanwhile.append(asyncio.ensure_future(asked))
            await asyncio.wait(meanwhile, timeout=0.5)
        await outbox.write(transaction, event, now)

    monkeypatch.setattr(resending, "outbox", SimpleNamespace(write=write))
    assert await resend(database, SYSTEM, clock) == 1
    assert (await meanwhile[0]).is_success
    told = [(type_, data.get("sms")) for type_, data in await people.told()]
    last = (NOTICES, True) if what == "chosen" else (ErasureRequested.type, None)
    assert told == [(NOTICES, False), (LOCALE, None), last]


async def test_more_than_one_transaction_holds(
    people: "People", choose: Choose, database: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "AT_ONCE", 2)
    users = [await people.add(f"user{number}@example.com") for number in range(5)]
    for user_id in users:
        await choose(user_id, "notifications", {"sms": False})
    assert await resend(database, SYSTEM, clock) == 5
    told = [data["user_id"] for type_, data in await people.told() if type_ == NOTICES]
    assert told == [str(user_id) for user_id in sorted(users)]


async def test_by_an_operator(
    people: "People", choose: Choose, test_database: TestDatabase, query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    await choose(await people.add("ada@example.com"), "notifications", {"push": False})
    settings = {"DATABASE_URL": test_database.url, "SERVICE_KEY": "key"}
    settings |= {name: Keyring.new_key("k1") for name in ("SEALING_KEYS", "EVENT_SEALING_KEYS")}
    for name, value in settings.items():
        monkeypatch.setenv(f"USER_{name}", value)
    words = ["resend-preferences", "--json", "--operator", "Grace"]
    result = await asyncio.to_thread(CliRunner().invoke, commands, words)
    structlog.reset_defaults()
    assert (result.exit_code, json.loads(result.output)) == (0, {"users": 1}), result.output
    assert await query("SELECT actor_name FROM audit_logs WHERE action = 'preferences.resend'") == [("Grace",)]
