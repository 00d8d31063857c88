"""What a user does with his own passkeys: add, list, rename and remove them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from orion_auth import audit_trail
from orion_auth.audit_trail import Entry
from orion_auth.authenticators import Algorithm, NewCredential
from orion_auth.base import AnyRow
from orion_auth.callers import actions as callers
from orion_auth.clean_starts import actions as clean_starts
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.passkeys import actions as passkeys
from orion_auth.passkeys.actions import Asked
from orion_auth.passkeys.rules import (
    MOST,
    PROVIDERS,
    TRANSPORTS,
    Kind,
    WebAuthnPurpose,
    default_name,
)
from orion_auth.passkeys.shapes import (
    AuthenticatorSelection,
    CreationOptions,
    CredentialParameters,
    MadeCredential,
    PasskeyList,
    PasskeyShape,
    RelyingPartyEntity,
    UserEntity,
    to_base64url,
)
from orion_auth.relying_party import RelyingParty
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import PASSKEY_ADDED, PASSKEY_REMOVED
from orion_auth.security_events.rules import Kind as EventKind
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.rules import may_remove
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_auth.user_agents import describe
from orion_auth.ways_in import is_one_left, last_way_in
from orion_core.database import Transaction
from orion_core.errors import Problem, not_found

SELECTION: dict[Kind, AuthenticatorSelection] = {
    Kind.PASSKEY: AuthenticatorSelection(
        resident_key="required", require_resident_key=True, user_verification="required"
    ),
    Kind.SECURITY_KEY: AuthenticatorSelection(
        resident_key="preferred", require_resident_key=False, user_verification="preferred"
    ),
}


@dataclass(frozen=True)
class Owner:
    """A user who looks after his passkeys, and from where he does."""

    user_id: UUID
    session_id: UUID | None
    """None inside of a sign-in, which begins one."""
    bearer: Bearer
    now: datetime
    sign_in_id: UUID | None = None
    """The half-finished sign-in that waits for the passkey; nothing made for another is taken in it."""

    @property
    def asked(self) -> Asked:
        """What a passkey that is made answers."""
        return Asked(WebAuthnPurpose.REGISTRATION, self.user_id, self.sign_in_id)


async def list_passkeys(gate: Gate, party: RelyingParty, user_id: UUID) -> PasskeyList:
    """All passkeys of the user, the oldest first."""
    async with gate.database.autocommit() as connection:
        rows = await passkeys.list_of(connection, user_id)
        handle = await passkeys.find_handle(connection, user_id)
    return PasskeyList(
        rp_id=party.id,
        user_handle=to_base64url(handle) if handle else None,
        items=[shape(row) for row in rows],
    )


async def begin(gate: Gate, party: RelyingParty, owner: Owner, kind: Kind) -> CreationOptions:
    """What the browser is to have made; 409 when there are enough, 403 when keys may be no second factor."""
    if kind is Kind.SECURITY_KEY and TwoFactorMethod.HARDWARE_KEY not in gate.factor_policy.allowed:
        detail = "This installation does not allow HARDWARE_KEY as a second factor; add a passkey instead."
        raise Problem(403, "method_not_allowed", "Method not allowed", detail)
    async with gate.database.transaction() as transaction:
        identity = await identities.hold_caller(transaction, owner.user_id, owner.now)
        rows = await passkeys.list_of(transaction.connection, owner.user_id)
        if len(rows) >= MOST:
            raise _enough()
        handle = await passkeys.handle_of(transaction, owner.user_id)
        challenge = await passkeys.open_challenge(
            transaction.connection, owner.asked, owner.now, needs_verification=kind is Kind.PASSKEY
        )
    return CreationOptions(
        rp=RelyingPartyEntity(id=party.id, name=party.name),
        user=UserEntity(id=to_base64url(handle), name=identity.email, display_name=identity.username or identity.email),
        challenge=to_base64url(challenge),
        pub_key_cred_params=[CredentialParameters(alg=algorithm.value) for algorithm in Algorithm],
        timeout=passkeys.LIFETIME_MS,
        exclude_credentials=passkeys.descriptors(rows),
        authenticator_selection=SELECTION[kind],
        hints=["security-key"] if kind is Kind.SECURITY_KEY else [],
    )


async def finish(
    gate: Gate, party: RelyingParty, owner: Owner, credential: MadeCredential, name: str | None
) -> PasskeyShape:
    """Keep the credential that was made, as a way in and a second factor, and tell the owner."""
    async with gate.database.transaction() as transaction:
        outcome = await keep(transaction, gate, party, owner, credential, name)
    match outcome:
        case "OVER":
            detail = "The options are older than five minutes, were used already, or were not yours. Begin again."
            raise Problem(410, "ceremony_over", "Too late to add it", detail)
        case "REFUSED":
            detail = (
                "This is not the answer to what was asked for on this site. Begin again, with another key if need be."
            )
            raise Problem(422, "invalid_passkey", "The passkey cannot be added", detail)
        case "ENOUGH":
            raise _enough()
        case "KNOWN":
            detail = "This passkey was added before, here or to another account. Use it, or add another one."
            raise Problem(409, "passkey_known", "Passkey known", detail)
        case row:
            return shape(row)


async def rename(gate: Gate, owner: Owner, row_id: UUID, name: str) -> PasskeyShape:
    """Call a passkey something else; 404 when the user has none of that id."""
    async with gate.database.transaction() as transaction:
        await callers.hold(transaction, owner.user_id, owner.session_id, owner.now)
        had = {each.id: each.name for each in await passkeys.list_of(transaction.connection, owner.user_id)}
        row = await passkeys.rename(transaction.connection, owner.user_id, row_id, name)
        if row is None:
            raise not_found("passkey")
        old, new = {"name": had[row_id]}, {"name": name}
        entry = Entry("passkey.update", "passkey", str(row_id), owner.user_id, old=old, new=new)
        await audit_trail.record(transaction, entry, owner.now)
    return shape(row)


async def remove(gate: Gate, owner: Owner, row_id: UUID, *, mails_let_in: bool) -> None:
    """Remove a passkey, and tell the owner. With the last good one, keys are no second factor any more.

    409 when it is the last way in, or when a second factor is required and there would be none left. Two at once take
    turns.
    """
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, owner.user_id, owner.session_id, owner.now)
        ways_in = await passkeys.count_ways_in(transaction.connection, owner.user_id)
        row = await passkeys.remove(transaction, owner.user_id, row_id)
        if row is None:
            raise not_found("passkey")
        if ways_in and not mails_let_in:
            await _require_way_in(transaction, identity)
        present = await two_factor.enrolled(owner.user_id).alone(transaction.connection)
        is_factor = TwoFactorMethod.HARDWARE_KEY in present.verified
        if is_factor and not await passkeys.count(transaction.connection, owner.user_id):
            if not may_remove(present, TwoFactorMethod.HARDWARE_KEY, gate.factor_policy):
                detail = "A second factor is required of this account. Set up another one first."
                raise Problem(409, "second_factor_required", "A second factor is required", detail)
            await two_factor.note_hardware_key(transaction, owner.user_id, has_one=False, now=owner.now)
        await _note(transaction, gate, PASSKEY_REMOVED, identity, owner, row)


async def _require_way_in(transaction: Transaction, identity: KnownIdentity) -> None:
    if not is_one_left(
        has_password=identity.password_hash is not None,
        passkeys=await passkeys.count_ways_in(transaction.connection, identity.id),
        has_account_elsewhere=await passkeys.has_account_elsewhere(transaction.connection, identity.id),
    ):
        raise last_way_in()


def shape(row: AnyRow) -> PasskeyShape:
    """A passkey as its owner sees it."""
    return PasskeyShape(
        id=row.id,
        credential_id=to_base64url(row.credential_id),
        name=row.name,
        provider=PROVIDERS.get(row.aaguid),
        aaguid=row.aaguid,
        transports=row.transports,
        signs_in_alone=row.user_verified,
        is_discoverable=row.is_discoverable,
        is_synced=row.backup_eligible,
        is_backed_up=row.backed_up,
        is_refused=row.cloned_at is not None,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )


async def keep(
    transaction: Transaction,
    gate: Gate,
    party: RelyingParty,
    owner: Owner,
    credential: MadeCredential,
    name: str | None,
) -> AnyRow | Literal["OVER", "REFUSED", "ENOUGH", "KNOWN"]:
    """Keep the credential that was made, inside a transaction.

    What came of it is returned, not raised: the challenge is used up whatever it is, if the caller commits.
    """
    identity = await callers.hold(transaction, owner.user_id, owner.session_id, owner.now)
    made = await passkeys.made(transaction, party, owner.asked, credential.attestation, owner.now)
    if isinstance(made, str):
        return made
    if len(await passkeys.list_of(transaction.connection, owner.user_id)) >= MOST:
        return "ENOUGH"
    row = await passkeys.add(transaction, _columns(owner, credential, made, name))
    if row is None:
        return "KNOWN"
    if TwoFactorMethod.HARDWARE_KEY in gate.factor_policy.allowed:
        await _note_factor(transaction, gate, identity, owner)
    await _note(transaction, gate, PASSKEY_ADDED, identity, owner, row)
    return row


async def _note_factor(transaction: Transaction, gate: Gate, identity: KnownIdentity, owner: Owner) -> None:
    """Whoever has just made the key has shown it, and goes on where a second factor is asked for from now on."""
    present = await two_factor.enrolled(owner.user_id).alone(transaction.connection)
    await two_factor.note_hardware_key(transaction, owner.user_id, has_one=True, now=owner.now)
    key = TwoFactorMethod.HARDWARE_KEY
    circumstances = Circumstances.of(owner.bearer, session_id=owner.session_id)
    is_first = not present.is_enabled
    await clean_starts.follow(transaction, gate, identity, key, circumstances, owner.now, is_first=is_first)


def _columns(owner: Owner, credential: MadeCredential, made: NewCredential, name: str | None) -> dict[str, Any]:
    return {
        "user_id": owner.user_id,
        "credential_id": made.credential_id,
        "public_key": made.public_key,
        "sign_count": made.sign_count,
        "transports": sorted(TRANSPORTS.intersection(credential.response.transports)),
        "aaguid": made.aaguid,
        "backup_eligible": made.backup_eligible,
        "backed_up": made.backed_up,
        "user_verified": made.user_verified,
        "is_discoverable": credential.extensions.cred_props.rk,
        "created_at": owner.now,
        "name": name or default_name(made.aaguid, describe(owner.bearer.user_agent).name),
    }


async def _note(
    transaction: Transaction, gate: Gate, kind: EventKind, identity: KnownIdentity, owner: Owner, row: AnyRow
) -> None:
    circumstances = Circumstances.of(
        owner.bearer,
        session_id=owner.session_id,
        details={"name": row.name, "passkey_id": str(row.id)},
        subject=PROVIDERS.get(row.aaguid),
    )
    await security_events.note(transaction, gate.outbox, kind, identity, circumstances, owner.now)


def _enough() -> Problem:
    detail = f"There are {MOST} passkeys already; remove one that you no longer use."
    return Problem(409, "enough_passkeys", "Enough passkeys", detail)
