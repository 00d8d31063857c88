"""What can be done with permissions that are given to users directly, past all roles."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from orion_contracts.access_events import PermissionGranted, PermissionGrantEnded
from orion_core.database import Transaction
from orion_core.errors import not_found
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.assignments import giving, rules, store
from orion_user.assignments.shapes import NewPermissionGrant, PermissionGrantSearch, PermissionGrantState
from orion_user.audit.actions import Change
from orion_user.delegation import actions as delegation
from orion_user.desk import Desk
from orion_user.permissions import actions as permissions
from orion_user.permissions.rules import PermissionEffect
from orion_user.places import actions as places

WHAT = "grant of a permission"


async def grant(
    desk: Desk, new: NewPermissionGrant, claim: Claim[PermissionGrantState] = NO_CLAIM
) -> PermissionGrantState:
    """Allow or deny a user something. 403 unless the caller holds it, there and until then."""
    giving.refuse_unsound(new, desk.now)
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            place = await giving.place_for(connection, new)
            await desk.require(connection, "permission:grant", place)
            await claim.recall(connection)
            permission = await permissions.known(connection, new.permission)
            if new.effect == PermissionEffect.ALLOW.name:
                giving.refuse_too_wide({new.permission: permission["scope"]}, place)
            await delegation.require(connection, desk.claims, {new.permission}, desk.now, place, new.expires_at)
            values = giving.values_of(desk, new) | {
                "permission_id": permission["id"],
                "effect": PermissionEffect[new.effect],
            }
            row = await store.find_permission(connection, await store.insert_user_permission(connection, values))
            assert row is not None
            event = PermissionGranted.model_validate(
                giving.event_values(row, desk.user_id, row["expires_at"])
                | {"permission": new.permission, "effect": new.effect}
            )
            told = giving.kept(row, "permission", "effect")
            change = Change("permission.grant", "permission_grant", str(row["id"]), row["user_id"], new=told)
            await desk.tell(transaction, event, change)
            made = PermissionGrantState.of(row)
            await claim.settle(transaction, made)
    except IntegrityError as error:
        raise giving.refusal(error) from None
    return made


async def read(desk: Desk, grant_id: UUID) -> PermissionGrantState:
    """One grant; 404 for none. Everybody sees his own."""
    async with desk.database.autocommit() as connection:
        row = await store.find_permission(connection, grant_id)
        if row is None:
            raise not_found(WHAT)
        if row["user_id"] != desk.person:
            place = await places.around(connection, row["scope"], row["scope_id"])
            await desk.require(connection, "permission:grant", place)
        return PermissionGrantState.of(row)


async def search(desk: Desk, wanted: PermissionGrantSearch, before: UUID | None) -> Sequence[RowMapping]:
    """Grants of a user, of a permission or in an organization, the latest first, one more than wanted."""
    async with desk.database.autocommit() as connection:
        await giving.require_seeing(desk, connection, "permission:grant", wanted)
        permission_id = None
        if wanted.permission is not None:
            permission_id = (await permissions.find(connection, wanted.permission))["id"]
        return await store.permissions(connection, giving.wanted_of(desk, wanted, before), permission_id)


async def end(desk: Desk, grant_id: UUID, reason: str | None) -> None:
    """End a grant now; one that has not begun is taken back. 403 unless the caller holds what it is about."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        row = giving.unended(await store.find_permission(connection, grant_id, lock=True), desk.now, WHAT)
        place = await places.around(connection, row["scope"], row["scope_id"])
        await desk.require(connection, "permission:revoke", place)
        until = rules.held_until([row["effect"].name], row["expires_at"], desk.now)
        await delegation.require(connection, desk.claims, {row["permission"]}, desk.now, place, until)
        await stop(desk, transaction, row, reason)


async def stop(desk: Desk, transaction: Transaction, row: RowMapping, reason: str | None) -> None:
    """End a grant, and tell of it."""
    if row["starts_at"] < desk.now:
        await store.end_permission(transaction.connection, row["id"], desk.now)
    else:
        await store.remove_permission(transaction.connection, row["id"])
    event = PermissionGrantEnded.model_validate(
        giving.event_values(row, desk.user_id, desk.now)
        | {"permission": row["permission"], "effect": row["effect"].name}
    )
    old = giving.kept(row, "permission", "effect")
    new = old | {"expires_at": desk.now, "reason": reason or row["reason"]}
    change = Change("permission.revoke", "permission_grant", str(row["id"]), row["user_id"], old=old, new=new)
    await desk.tell(transaction, event, change)
