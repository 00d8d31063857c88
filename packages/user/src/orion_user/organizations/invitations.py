"""Inviting to an organization, by mail; accepting, and taking back."""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database, Transaction
from orion_core.errors import Problem, not_found
from orion_core.http.authentication import user_id
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_core.http.rate_limit import seconds_until
from orion_core.secrets import hash_secret
from orion_user.access import actions as access
from orion_user.access.rules import Asked
from orion_user.audit.rules import ActorType
from orion_user.desk import Desk, Teller
from orion_user.organizations import rules, store
from orion_user.organizations.actions import living
from orion_user.organizations.mailing import Mailing, new_token
from orion_user.organizations.rules import LIFETIME
from orion_user.organizations.shapes import MembershipState
from orion_user.organizations.telling import kept, tell
from orion_user.places.actions import in_organization


@dataclass(frozen=True)
class Opened:
    """What a link in a mail invites to."""

    organization: str
    email: str
    user_id: UUID | None
    """Who has shown that the address is his."""


async def invite(
    desk: Desk, mailing: Mailing, organization_id: UUID, email: str, claim: Claim[MembershipState] = NO_CLAIM
) -> MembershipState:
    """Invite an address, whether or not it is a user's; who reads its mail, or has shown that it is his, accepts.

    409 for one that is invited; 429 for one that the organization has mailed a moment ago, whatever came of it.
    """
    token, kept_of_it = new_token()
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            organization = await living(connection, organization_id)
            await desk.require(connection, "user:create", in_organization(organization_id))
            await claim.recall(connection)
            await store.drop_expired(connection, organization_id, email, desk.now)
            values = {"organization_id": organization_id, "status": store.INVITED, "email": email}
            row = await store.insert_membership(connection, values | kept_of_it | _from(desk))
            # Behind the row, which lets nobody else invite the address meanwhile, so that what is over stands still.
            _require_pause(await store.latest_invited(connection, organization_id, email), desk)
            await tell(desk, transaction, row, "INVITED", {})
            await mailing.send(desk, transaction, row, organization, token)
            made = MembershipState.of(row)
            await claim.settle(transaction, made)
    except IntegrityError:
        detail = "The address is invited already. Have that invitation mailed again, or take it back."
        raise Problem(409, "already_invited", "Already invited", detail) from None
    return made


async def mail_again(desk: Desk, mailing: Mailing, membership_id: UUID) -> MembershipState:
    """Mail an invitation once more, also one that nobody has accepted in time; it begins anew, and the link before is
    dead.
    """
    token, kept_of_it = new_token()
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        before = _open(await store.find_membership(connection, membership_id))
        organization_id = before["organization_id"]
        await desk.require(connection, "user:create", in_organization(organization_id))
        organization = await living(connection, organization_id)
        _require_pause(before["invited_at"], desk)
        values = kept_of_it | _from(desk) | {"expiry_told_at": None}
        row = await store.change_membership(connection, membership_id, values)
        await tell(desk, transaction, row, "INVITED_AGAIN", kept(before))
        await mailing.send(desk, transaction, row, organization, token)
    return MembershipState.of(row)


async def mine(desk: Desk, after: UUID | None, limit: int) -> list[RowMapping]:
    """What the user who is signed in is invited to, once he has shown that his address is his.

    Those without effect are passed over, so that nobody hides another's invitation behind many of them.
    """
    good: list[RowMapping] = []
    async with desk.database.autocommit() as connection:
        found = await store.address(connection, user_id(desk.claims))
        if found is None or found["email_verified_at"] is None:
            return []
        while len(good) < limit:
            rows = await store.invitations(connection, found["email"], desk.now, after, limit)
            good += [row for row in rows if await _is_backed(connection, row, desk.now)]
            if len(rows) < limit:
                break
            after = rows[-1]["id"]
    return good[:limit]


async def accept(desk: Desk, membership_id: UUID) -> MembershipState:
    """Become a member. 404 for an invitation that is not open, or not of one's own verified address."""
    me = user_id(desk.claims)
    async with desk.database.transaction() as transaction:
        row = _open(await store.find_membership(transaction.connection, membership_id))
        found = await store.address(transaction.connection, me)
        if found is None or not _is_addressed(row, found, desk):
            raise not_found("invitation")
        await _require_backed(transaction.connection, row, desk.now)
        return await _join(desk, transaction, row, me)


async def accept_by_token(desk: Desk, text: str) -> MembershipState:
    """Become a member by what was in the mail, whatever one's own address is. 404 for a token that is of no use."""
    me = user_id(desk.claims)
    async with desk.database.transaction() as transaction:
        row = await _mailed(transaction.connection, text, desk.now)
        if await store.address(transaction.connection, me) is None:
            raise not_found("invitation")
        return await _join(desk, transaction, row, me)


async def look_at(database: Database, text: str, now: datetime) -> Opened:
    """What a link in a mail invites whom to; nothing is changed. 404 for a link that is of no use."""
    async with database.autocommit() as connection:
        return await _look_at(connection, await _mailed(connection, text, now))


async def accept_by_link(database: Database, guest: Teller, text: str) -> Opened:
    """Have whoever has shown that the invited address is his become a member: the button was pressed in its mailbox.

    Without such a user nothing is changed. 404 for a link that is of no use.
    """
    async with database.transaction() as transaction:
        row = await _mailed(transaction.connection, text, guest.now)
        opened = await _look_at(transaction.connection, row)
        if opened.user_id is not None:
            by = replace(guest, actor=replace(guest.actor, type=ActorType.USER, id=opened.user_id))
            await _join(by, transaction, row, opened.user_id)
        return opened


async def take_back(desk: Desk, membership_id: UUID) -> None:
    """Take an invitation back, or decline one's own."""
    async with desk.database.transaction() as transaction:
        row = _open(await store.find_membership(transaction.connection, membership_id))
        own = None if desk.person is None else await store.address(transaction.connection, desk.person)
        if own is None or not _is_addressed(row, own, desk):
            await desk.require(transaction.connection, "user:create", in_organization(row["organization_id"]))
        values = {"status": store.ENDED, "ended_at": desk.now, "end_reason": "invitation taken back or declined"}
        after = await store.change_membership(transaction.connection, membership_id, values | store.NO_TOKEN)
        await tell(desk, transaction, after, "TAKEN_BACK", kept(row))


async def _mailed(connection: AsyncConnection, text: str, now: datetime) -> RowMapping:
    """The open invitation whose mail was read by whoever shows its token, locked; 404 for none."""
    token = rules.parse(text)
    row = _open(None if token is None else await store.find_by_token(connection, token.selector))
    is_it = token is not None and hmac.compare_digest(row["invitation_token_hash"], hash_secret(token.secret))
    if not is_it or now >= row["expires_at"]:
        raise not_found("invitation")
    await _require_backed(connection, row, now)
    return row


async def _look_at(connection: AsyncConnection, row: RowMapping) -> Opened:
    organization = await living(connection, row["organization_id"])
    return Opened(organization["name"], row["email"], await store.verified(connection, row["email"]))


async def _join(desk: Teller, transaction: Transaction, row: RowMapping, me: UUID) -> MembershipState:
    values = {"status": store.ACTIVE, "user_id": me, "joined_at": desk.now} | store.NO_TOKEN
    try:
        after = await store.change_membership(transaction.connection, row["id"], values)
    except IntegrityError:
        raise Problem(409, "already_member", "Already a member", "You belong to this organization already.") from None
    await tell(desk, transaction, after, "JOINED", kept(row))
    return MembershipState.of(after)


async def _require_backed(connection: AsyncConnection, row: RowMapping, now: datetime) -> None:
    """409 once whoever sent an invitation may invite no more: what he could not do now is not done in his name.

    404 while the organization is deleted.
    """
    await living(connection, row["organization_id"])
    if not await _is_backed(connection, row, now):
        detail = (
            "Whoever sent this invitation may not invite to the organization any more. "
            "Ask somebody who may to mail it again. Nothing was changed."
        )
        raise Problem(409, "inviter_may_no_more", "Invitation without effect", detail)


async def _is_backed(connection: AsyncConnection, row: RowMapping, now: datetime) -> bool:
    """What a service or an operator has sent is good until it is taken back; and a condition that a user's right has
    was met when he invited.
    """
    if row["invited_by"] is None:
        return True
    here = in_organization(row["organization_id"])
    return await access.might(connection, Asked(row["invited_by"], "user:create", now, here.within))


def _from(desk: Desk) -> dict[str, object]:
    return {"invited_by": desk.user_id, "invited_at": desk.now, "expires_at": desk.now + LIFETIME}


def _open(row: RowMapping | None) -> RowMapping:
    if row is None or row["status"] is not store.INVITED:
        raise not_found("invitation")
    return row


def _is_addressed(row: RowMapping, own: RowMapping, desk: Desk) -> bool:
    return rules.may_accept(row["email"], row["expires_at"], own["email"], own["email_verified_at"], desk.now)


def _require_pause(invited_at: datetime | None, desk: Desk) -> None:
    """429 unless a mail to the address, where one went, is long enough ago for another."""
    if invited_at is None or desk.now >= (again_at := rules.mailed_again_at(invited_at)):
        return
    seconds = seconds_until(again_at, desk.now)
    detail = f"The address was mailed an invitation a moment ago. It can be mailed another in {seconds} seconds."
    raise Problem(429, "mailed_just_now", "Too soon", detail, headers={"Retry-After": str(seconds)})
