"""What user tells: invitations to organizations that leave as mails, and choices that are heeded."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from packages.notifications.tests.conftest import EVENT_KEYRING, USER_EVENT_KEYRING

from orion_contracts.access_events import RoleAssigned, RoleAssignmentEnded
from orion_contracts.erasures import IdentityErased
from orion_contracts.events import EmailVerified
from orion_contracts.imports import IdentitiesImported, ImportedIdentity
from orion_contracts.invitations import (
    InvitationExpired,
    InvitationMailRequested,
    InvitationSecrets,
    InvitationsForgotten,
)
from orion_contracts.user_events import ErasureRequested, NotificationPreferencesChanged
from orion_core.events.follow import EventFailedError
from orion_core.ids import uuid7
from orion_core.local.mailbox import Mailbox
from orion_core.sealing import Keyring

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Query, Until, UserFeed, Working

LINK = "https://app.example/join?from=mail#invitation=s3lector.s3cret"
CHANNELS = {"email": True, "sms": True, "push": True, "in_app": True}
MAILS = "SELECT type, status, error_code FROM notifications WHERE channel = 'EMAIL' ORDER BY id"

WAITING = """
    SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()
"""


def invitation(user: "UserFeed", keyring: Keyring = USER_EVENT_KEYRING, **other: Any) -> InvitationMailRequested:
    fields: dict[str, Any] = {
        "message_id": uuid7(),
        "membership_id": uuid7(),
        "organization_id": uuid7(),
        "organization": "Söhne & Töchter <b>AG</b>",
        "recipient": "grace@example.com",
        "locale": "de",
        "requested_at": user.clock(),
        "expires_at": user.clock() + timedelta(days=7),
        "secrets": "",
    }
    event = InvitationMailRequested.model_validate(fields | other)
    sealed = keyring.seal_text(InvitationSecrets(link=LINK).model_dump_json(), event.associated_data())
    return event.model_copy(update={"secrets": sealed})


def expiry(user: "UserFeed", sender: UUID) -> InvitationExpired:
    return InvitationExpired(
        user_id=sender,
        membership_id=uuid7(),
        organization_id=uuid7(),
        organization="Acme",
        email="grace@example.com",
        expired_at=user.clock(),
    )


def choices(user: "UserFeed", user_id: UUID, **other: Any) -> NotificationPreferencesChanged:
    values = {"user_id": user_id, "changed_at": user.clock()} | CHANNELS | other
    return NotificationPreferencesChanged.model_validate(values)


async def verified(auth: "AuthFeed") -> UUID:
    user_id = await auth.register()
    await auth.bring(EmailVerified(user_id=user_id, email="ada@example.com", verified_at=auth.clock()))
    return user_id


async def test_an_invitation_reaches_an_address_that_is_nobodys_and_its_link_is_kept_nowhere(
    user: "UserFeed", query: "Query", working: "Working", mailbox: Mailbox
) -> None:
    event = invitation(user)
    await user.bring(event, event)
    async with working():
        [mail] = await mailbox.wait_for("grace@example.com")
    assert mail.subject == "Ihre Einladung zu Söhne & Töchter <b>AG</b>"
    assert LINK in mail.text and LINK in mail.html
    assert "<b>AG</b>" not in mail.html
    assert await query(MAILS) == [("organization.invitation", "SENT", None)]
    for table in ("notifications", "delivery_attempts", "notification_queue", "notification_keys", "inbox"):
        assert not [row for (row,) in await query(f"SELECT t::text FROM {table} t") if "s3cret" in row]


async def test_an_invitation_that_comes_too_late_or_was_sealed_by_another_is_not_sent(
    user: "UserFeed", query: "Query"
) -> None:
    late = invitation(user)
    user.clock.advance(days=7)
    await user.bring(late)
    with pytest.raises(EventFailedError):
        await user.bring(invitation(user, EVENT_KEYRING))
    with pytest.raises(EventFailedError):  # the link of one invitation is none of another's
        await user.bring(invitation(user).model_copy(update={"membership_id": uuid7()}))
    assert await query(MAILS) == []


async def test_whoever_has_invited_hears_that_nobody_came_once_for_each_time(
    auth: "AuthFeed", user: "UserFeed", working: "Working", mailbox: Mailbox
) -> None:
    event = expiry(user, await verified(auth))
    unverified = await auth.register("new@example.com")
    again = event.model_copy(update={"expired_at": event.expired_at + timedelta(days=8)})
    await user.bring(event, event, again, expiry(user, unverified), expiry(user, uuid7()))
    async with working():
        mails = await mailbox.wait_for("ada@example.com", count=3)
    told = [mail.text for mail in mails if "abgelaufen" in mail.subject]
    assert len(told) == 2
    assert all("grace@example.com" in text for text in told)


async def test_what_was_chosen_in_user_is_heeded_and_what_protects_comes_all_the_same(
    auth: "AuthFeed", user: "UserFeed", query: "Query"
) -> None:
    user_id = await auth.register()
    told: list[str] = []

    async def sent() -> str:
        await user.bring(invitation(user, user_id=user_id, recipient="ada@example.com"))
        return (await query(MAILS))[-1][1]

    for chosen in ({"email": False}, {}, {"muted_categories": ["SOCIAL", "SECURITY"]}, {"muted_categories": ["X"]}):
        await user.bring(choices(user, user_id, **chosen))
        told.append(await sent())
    assert told == ["REJECTED", "QUEUED", "REJECTED", "QUEUED"]
    await user.bring(choices(user, user_id, email=False, muted_categories=["SECURITY", "TRANSACTIONAL"]))
    await auth.bring(auth.verification(user_id))
    assert (await query(MAILS))[-1][:2] == ("account.email_verification", "QUEUED")
    await user.bring(choices(user, user_id, in_app=False))
    await auth.bring(EmailVerified(user_id=user_id, email="ada@example.com", verified_at=auth.clock()))
    assert (await query(MAILS))[-1][:2] == ("account.welcome", "QUEUED")
    for digest, kept in (("DAILY", "DAILY"), (None, "DAILY"), ("WEEKLY", "WEEKLY"), ("NONE", None)):
        await user.bring(choices(user, user_id, digest=digest))
        [(found,)] = await query("SELECT digests FROM user_preferences WHERE user_id = :id", id=user_id)
        assert found == ({} if kept is None else dict.fromkeys(("MARKETING", "SYSTEM", "ACCOUNT", "SOCIAL"), kept))


async def test_what_was_sent_to_an_address_is_forgotten_with_whoever_turned_out_to_have_it(
    auth: "AuthFeed", user: "UserFeed", query: "Query"
) -> None:
    await user.bring(invitation(user, recipient="ada@example.com"), invitation(user))
    stranger, ada = await auth.register(), await verified(auth)
    for user_id in (stranger, ada):
        await auth.bring(IdentityErased(user_id=user_id, erasure_id=uuid7(), counts={}, erased_at=auth.clock()))
        kept = [address for (address,) in await query("SELECT recipient FROM notifications WHERE channel = 'EMAIL'")]
        assert ("ada@example.com" in kept) is (user_id == stranger), "whoever only typed the address empties nothing"
        assert "grace@example.com" in kept


def erasing(user: "UserFeed", user_id: UUID) -> tuple[ErasureRequested, IdentityErased]:
    """What user tells, and what auth answers."""
    erasure_id = uuid7()
    return (
        ErasureRequested(user_id=user_id, erasure_id=erasure_id, requested_at=user.clock()),
        IdentityErased(user_id=user_id, erasure_id=erasure_id, counts={}, erased_at=user.clock()),
    )


async def test_an_invitation_that_is_heard_after_the_invited_was_erased_is_forgotten_and_sent_to_nobody(
    auth: "AuthFeed", user: "UserFeed", query: "Query"
) -> None:
    bob = await auth.register("bob@example.com")
    invited = invitation(user, user_id=bob, recipient="bob@example.com")
    asked, done = erasing(user, bob)
    await auth.bring(done)
    await user.bring(invited, invitation(user), choices(user, bob), asked)
    kept = await query("SELECT recipient, status FROM notifications WHERE channel = 'EMAIL' ORDER BY recipient")
    assert kept == [("grace@example.com", "QUEUED"), (None, "CANCELLED")]
    assert len(await query("SELECT notification_id FROM notification_queue")) == 1
    assert await query("SELECT user_id FROM user_preferences") == []


@pytest.mark.parametrize("auth_comes_first", [True, False])
async def test_an_invitation_to_an_address_alone_is_forgotten_with_its_owner_whichever_feed_is_heard_first(
    auth: "AuthFeed", user: "UserFeed", query: "Query", *, auth_comes_first: bool
) -> None:
    sender, bob = await verified(auth), await auth.register("bob@example.com")
    await auth.bring(EmailVerified(user_id=bob, email="bob@example.com", verified_at=auth.clock()))
    _, done = erasing(user, bob)
    invited, other = invitation(user, recipient="bob@example.com"), invitation(user)
    ended = expiry(user, sender).model_copy(update={"email": "bob@example.com"})
    forgotten = InvitationsForgotten.model_validate(
        {
            "user_id": bob,
            "message_ids": [invited.message_id, uuid7()],
            "expiries": [ended.data()],
            "forgotten_at": user.clock(),
        }
    )
    if auth_comes_first:
        await auth.bring(done)
    await user.bring(invited, ended, other, expiry(user, sender))
    if not auth_comes_first:
        await auth.bring(done)
    await user.bring(forgotten, forgotten)
    rows = [row for (row,) in await query("SELECT n::text FROM notifications n")]
    assert not [row for row in rows if "bob@example.com" in row]
    kept = await query("SELECT user_id, status FROM notifications WHERE type LIKE 'organization.%' ORDER BY id")
    assert kept == [(bob, "CANCELLED"), (sender, "CANCELLED"), (None, "QUEUED"), (sender, "QUEUED")]
    waiting = "SELECT count(*) FROM notification_queue q JOIN notifications n ON n.id = q.notification_id"
    assert await query(f"{waiting} WHERE n.type LIKE 'organization.%'") == [(2,)]


async def test_what_both_feeds_tell_in_one_moment_is_forgotten_too(
    auth: "AuthFeed", user: "UserFeed", query: "Query"
) -> None:
    bob = await auth.register("bob@example.com")
    asked, done = erasing(user, bob)
    heard = user.handlers()
    async with user.database.transaction() as transaction:
        await heard[InvitationMailRequested](transaction, invitation(user, user_id=bob, recipient="bob@example.com"))
        await heard[ErasureRequested](transaction, asked)
        answer = asyncio.create_task(auth.bring(done))
        async with asyncio.timeout(5):
            while not await query(WAITING):
                assert not answer.done(), "it has passed by what is not yet committed"
    await answer
    assert {address for (address,) in await query("SELECT recipient FROM notifications")} == {None}


async def test_users_who_are_brought_over_get_their_address_although_their_choice_was_heard_before(
    auth: "AuthFeed", user: "UserFeed", query: "Query"
) -> None:
    chosen, known = uuid7(), await auth.register()
    await user.bring(choices(user, chosen, sms=False))
    imported = [
        ImportedIdentity(user_id=each, email=email, is_verified=True, name="Bob", locale="de", timezone="Europe/Vienna")
        for each, email in ((chosen, "bob@example.com"), (known, "other@example.com"))
    ]
    await auth.bring(IdentitiesImported(import_id=uuid7(), identities=imported, imported_at=auth.clock()))
    kept = (
        "SELECT name, locale, timezone, sms_enabled, email_verified_at IS NOT NULL FROM user_preferences WHERE email = "
    )
    assert await query(f"{kept}'bob@example.com'") == [("Bob", "de", "Europe/Vienna", False, True)]
    assert await query(f"{kept}'other@example.com'") == []


async def test_choices_count_that_are_heard_before_their_user_and_go_with_him(
    auth: "AuthFeed", user: "UserFeed", query: "Query"
) -> None:
    user_id, kept = uuid7(), "SELECT email, email_enabled, sms_enabled FROM user_preferences"
    await user.bring(choices(user, user_id, sms=False))
    assert await query(kept) == [(None, True, False)]
    known = await auth.register()
    await user.bring(choices(user, known, email=False))
    assert await query(f"{kept} WHERE email IS NOT NULL") == [("ada@example.com", False, True)]
    asked = {"erasure_id": uuid7(), "requested_at": user.clock()}
    await user.bring(*(ErasureRequested.model_validate(asked | {"user_id": each}) for each in (user_id, known)))
    assert await query(kept) == [("ada@example.com", False, True)]  # what auth has told goes when auth says so
    await auth.bring(IdentityErased(user_id=known, erasure_id=uuid7(), counts={}, erased_at=auth.clock()))
    assert await query(kept) == []


async def test_whoever_is_given_a_role_by_somebody_else_reads_of_it_once_and_of_its_end(
    auth: "AuthFeed", user: "UserFeed", working: "Working", query: "Query", until: "Until"
) -> None:
    ada, admin = await auth.register(), uuid7()
    given: dict[str, Any] = {"user_id": ada, "scope": "GLOBAL", "starts_at": user.clock(), "role": "editor"}
    given |= {"role_id": uuid7()}
    told = RoleAssigned(**given, grant_id=uuid7(), by=admin)
    own = [RoleAssigned(**given, grant_id=uuid7(), by=by) for by in (None, ada)]
    await user.bring(told, told, *own, RoleAssignmentEnded(**given, grant_id=told.grant_id, by=admin))
    texts = "SELECT content FROM notifications WHERE type = 'account.role_changed' AND content IS NOT NULL ORDER BY id"

    async def are_read() -> bool:
        return len(await query(texts)) == 2

    async with working():
        await until(are_read)
    assert [text.partition("\n")[0] for (text,) in await query(texts)] == [
        "Sie haben die Rolle „editor“ erhalten.",
        "Sie haben die Rolle „editor“ nicht mehr.",
    ]
    assert await query("SELECT count(*) FROM notifications WHERE type = 'account.role_changed'") == [(2,)]
