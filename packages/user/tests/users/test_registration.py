"""From auth's events to a profile: once, whatever comes twice or at the same time."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from orion_contracts.events import (
    EmailChanged,
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    PhoneChanged,
    UserCreated,
)
from orion_core.events.follow import EventFailedError
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_user.roles.actions import MissingRoleError
from orion_user.users.rules import UserStatus, status_once_verified

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

PROFILE = """
    SELECT users.email, users.status::text, locale, timezone, roles.name
    FROM users JOIN user_preferences ON user_preferences.user_id = users.id
    JOIN user_roles ON user_roles.user_id = users.id JOIN roles ON roles.id = role_id
"""


async def test_a_registration_makes_profile_preferences_role_and_event(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register("ada@example.com", username="Ada", name="Ada Lovelace")
    assert await query(PROFILE) == [("ada@example.com", "PENDING", "de", "Europe/Berlin", "user")]
    ((kind, subject, data),) = await query("SELECT type, subject, data FROM outbox")
    assert (kind, subject) == (UserCreated.type, str(user_id))
    assert UserCreated.read(data).name == "Ada Lovelace"


async def test_an_event_that_comes_again_changes_nothing(auth: "AuthFeed", query: "Query") -> None:
    event = IdentityRegistered(
        user_id=uuid7(), email="ada@example.com", locale="en", timezone="UTC", registered_at=auth.clock()
    )
    (envelope,) = await auth.bring(event)
    await auth.follower().apply(auth.at, [envelope], auth.at + 1)  # the same event under a later page
    auth.at += 1
    await auth.bring(event)  # and once more under another id
    assert await query("SELECT count(*) FROM users") == [(1,)]
    assert await query("SELECT count(*) FROM outbox") == [(1,)]
    assert await query("SELECT count(*) FROM user_roles") == [(1,)]


async def test_two_copies_of_the_service_apply_a_page_once(auth: "AuthFeed", query: "Query") -> None:
    events = [
        IdentityRegistered(
            user_id=uuid7(), email=f"{n}@example.com", locale="en", timezone="UTC", registered_at=auth.clock()
        )
        for n in range(20)
    ]
    page = [auth.envelope(event) for event in events]
    copies = [auth.follower().apply(0, page, 20) for _ in range(4)]
    assert await asyncio.gather(*copies) == [20] * 4
    assert await query("SELECT count(*), count(DISTINCT subject) FROM outbox") == [(20, 20)]
    assert await query("SELECT count(*) FROM users") == [(20,)]


async def test_a_page_that_fails_leaves_no_trace(auth: "AuthFeed", query: "Query") -> None:
    await auth.register("ada@example.com")
    good, clash = (
        IdentityRegistered(user_id=uuid7(), email=email, locale="en", timezone="UTC", registered_at=auth.clock())
        for email in ("bob@example.com", "ada@example.com")
    )
    with pytest.raises(EventFailedError) as failure:
        await auth.bring(good, clash)
    assert isinstance(failure.value.__cause__, IntegrityError)
    assert await query("SELECT email FROM users") == [("ada@example.com",)]
    assert await query("SELECT position FROM inbox_cursors") == [(auth.at,)]


async def test_without_seeds_the_feed_waits_and_says_why(auth: "AuthFeed", query: "Query") -> None:
    await query("DELETE FROM roles WHERE name = 'user'")
    with pytest.raises(EventFailedError) as failure:
        await auth.register()
    assert isinstance(failure.value.__cause__, MissingRoleError)
    assert await query("SELECT count(*) FROM users") == [(0,)]


async def test_a_verified_address_activates(auth: "AuthFeed", query: "Query", clock: MovableClock) -> None:
    user_id = await auth.register("ada@example.com", username="ada")
    assert await query("SELECT username FROM users") == [(None,)]
    event = EmailVerified(user_id=user_id, email="ada@example.com", username="ada", verified_at=clock())
    await auth.bring(event)
    await auth.bring(event.model_copy(update={"verified_at": clock.advance(hours=1)}))
    found = await query("SELECT status::text, username, email_verified_at FROM users")
    assert found == [("ACTIVE", "ada", event.verified_at)]


async def test_verifying_another_address_or_a_stranger_does_nothing(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register("ada@example.com")
    await auth.bring(
        EmailVerified(user_id=user_id, email="old@example.com", verified_at=auth.clock()),
        EmailVerified(user_id=uuid7(), email="ada@example.com", verified_at=auth.clock()),
    )
    assert await query("SELECT status::text, email_verified_at FROM users") == [("PENDING", None)]


async def test_a_changed_address_is_the_users_and_verified(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register("ada@example.com")
    event = EmailChanged(user_id=user_id, email="new@example.com", previous="ada@example.com", changed_at=auth.clock())
    await auth.bring(event)
    assert await query("SELECT email, email_verified_at FROM users") == [("new@example.com", event.changed_at)]


async def test_whoever_never_verified_a_changed_address_makes_room_and_whoever_did_does_not(
    auth: "AuthFeed", query: "Query"
) -> None:
    squatter, user_id = await auth.register("new@example.com"), await auth.register("ada@example.com")
    event = EmailChanged(user_id=user_id, email="new@example.com", previous="ada@example.com", changed_at=auth.clock())
    await auth.bring(event)
    living = "SELECT id, email FROM users WHERE deleted_at IS NULL"
    assert await query(living) == [(user_id, "new@example.com")]
    assert await query("SELECT id FROM users WHERE purge_after <= deleted_at") == [(squatter,)], "for good"
    told = await query("SELECT subject FROM outbox WHERE type = 'orion.user.user.deleted.v1'")
    assert told == [(str(squatter),)]
    trail = await query("SELECT user_id, actor_name FROM audit_logs WHERE action = 'user.delete'")
    assert trail == [(squatter, "auth")]
    other = await auth.register("bob@example.com")
    with pytest.raises(EventFailedError):
        await auth.bring(event.model_copy(update={"user_id": other, "previous": "bob@example.com"}))
    assert (user_id, "new@example.com") in await query(living)


async def test_a_changed_number_is_the_users_and_verified_until_it_is_taken_away(
    auth: "AuthFeed", query: "Query"
) -> None:
    user_id = await auth.register("ada@example.com")
    event = PhoneChanged(user_id=user_id, phone="+4791234567", changed_at=auth.clock())
    await auth.bring(event)
    assert await query("SELECT phone, phone_verified_at FROM users") == [("+4791234567", event.changed_at)]
    await auth.bring(PhoneChanged(user_id=user_id, previous="+4791234567", changed_at=auth.clock()))
    assert await query("SELECT phone, phone_verified_at FROM users") == [(None, None)]


@given(st.sampled_from(UserStatus))
def test_verifying_ends_nothing_but_waiting(status: UserStatus) -> None:
    after = status_once_verified(status)
    assert after is (UserStatus.ACTIVE if status is UserStatus.PENDING else status)
    assert status_once_verified(after) is after


async def test_a_provider_fills_in_what_the_profile_has_not_and_replaces_nothing(
    auth: "AuthFeed", query: "Query"
) -> None:
    user_id = await auth.register("ada@example.com")
    for name, picture in (("Ada", None), ("Eve", "https://cdn.example/a.png"), ("Eve", "https://cdn.example/b.png")):
        told = IdentityProfileChanged(
            user_id=user_id, provider="example", name=name, picture_url=picture, changed_at=auth.clock()
        )
        await auth.bring(told)
    assert await query("SELECT name, avatar_url FROM users") == [("Ada", "https://cdn.example/a.png")]
