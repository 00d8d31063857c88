"""Signing in by what a journey has proved: whose account it is, and the session."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from orion_auth.addresses import normalise_email
from orion_auth.admission.actions import Visit, admit, recorded_if_limited
from orion_auth.admission.rules import Proof as FirstProof
from orion_auth.base import AnyRow
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity, NewIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.mailing import Letter
from orion_auth.oauth_connections import actions as oauth_connections
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.sessions.actions import Grant
from orion_auth.social import linking, store
from orion_auth.social.bridge import Bridge, authorization_is_dead, no_such_provider
from orion_auth.social.proofs import Proof
from orion_auth.social.rules import MOST_TRIES, Arrival, decide, is_of_domain
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor.actions import Challenged
from orion_auth.verifications import actions as verifications
from orion_contracts.account_messages import MessageSecrets
from orion_contracts.events import IdentityRegistered
from orion_core.database import Transaction
from orion_core.errors import FieldError, Problem
from orion_core.secrets import hash_secret, new_code

FEDERATED = FirstProof(("fed",))
"""`fed`: by a federation of identities (RFC 8176 has no better word for it)."""

EMAIL_CODE = "social e-mail code"
"""What the keyring derives the key of these codes' hashes for."""


@dataclass(frozen=True)
class Shown:
    """What shows that a journey is one's own: its secret from the beginning, and the code from its end."""

    flow_id: UUID
    flow: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True)
class EmailSaid:
    """What the person says about an address, where the provider says too little."""

    email: str | None = None
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _ToProve:
    """An address that a code has to be mailed to first."""

    email: str
    locale: str


async def sign_in(
    bridge: Bridge, shown: Shown, said: EmailSaid, bearer: Bearer, now: datetime, *, remember: bool = True
) -> Grant | Challenged:
    """Begin a session for whoever the journey is of, in an account of his, which may be a new one.

    Problems that leave the journey as it is, for another try: `account_exists` (sign in to that account, then link),
    `email_needed`, `email_code_needed`, `invalid_code`, `domain_refused` (of a new account's address). 410 for one that
    was used, and for anybody else's.
    """
    visit = Visit(LoginMethod.SOCIAL, None, bridge.gate.locate(bearer), now, time.perf_counter(), remember=remember)
    async with recorded_if_limited(bridge.gate, visit):
        limit = await rate_limits.take_social_login(bridge.database, bearer.ip_address, now)
    async with bridge.database.transaction() as transaction:
        outcome = await _arrive(transaction, bridge, shown, said, bearer, now)
        # As it is while it is held: what ends its sessions later is then seen by `admit`.
        known = await identities.find(transaction.connection, outcome, now) if isinstance(outcome, UUID) else None
    if isinstance(outcome, _ToProve):
        await _mail_code(bridge, shown, outcome, bearer, now)
        raise _email_code_needed()
    if isinstance(outcome, Problem):
        if outcome.code == "invalid_code":  # the others are steps on the way, or a button that was pressed twice
            await _record(bridge, visit, Finding("FAILED", "WRONG_CODE"), None)
        raise outcome  # what it counted is kept
    if known is None or known.standing != "GOOD":
        finding = Finding("BLOCKED", known.standing if known is not None else "SUSPENDED")
        await _record(bridge, visit, finding, outcome)
        raise _refusal(known)
    return await admit(bridge.gate, replace(visit, limit=limit), known, FEDERATED)


async def hold(transaction: Transaction, bridge: Bridge, shown: Shown, now: datetime) -> tuple[AnyRow, Proof] | None:
    """The journey and what it has proved, for whoever has its secrets, while nobody else uses it."""
    flow = await store.hold_proved(
        transaction.connection, shown.flow_id, hash_secret(shown.flow), hash_secret(shown.code), now
    )
    return (flow, Proof.open(bridge.keyring, flow.id, flow.proof)) if flow is not None else None


async def _arrive(
    transaction: Transaction, bridge: Bridge, shown: Shown, said: EmailSaid, bearer: Bearer, now: datetime
) -> UUID | _ToProve | Problem:
    held = await hold(transaction, bridge, shown, now)
    if held is None:
        return authorization_is_dead()
    flow, proof = held
    provider = await oauth_connections.enabled(transaction.connection, bridge.keyring, flow.provider)
    if provider is None:
        return no_such_provider()
    linked = await store.hold_subject(transaction.connection, flow.provider, proof.subject)
    email = proof.email or (normalise_email(said.email) if said.email is not None else flow.email)
    if said.email is not None and email is None:
        return _invalid_email()
    is_proved = proof.email_is_verified
    if linked is None and not is_proved and email is not None and said.code is not None:
        is_proved = await _try_code(transaction, bridge, flow, email, said.code)
        if not is_proved:
            return _invalid_code()
    holder = await identities.find_by_email(transaction.connection, email, now)
    arrival = Arrival(
        linked_to=linked.user_id if linked is not None else None,
        signed_in=None,
        email=email,
        email_is_proved=is_proved,
        email_is_authoritative=proof.email_is_verified and is_of_domain(email or "", provider.auto_link_domains),
        holder=holder.id if holder is not None else None,
        holder_is_verified=holder is not None and holder.standing != "UNVERIFIED",
    )
    return await _settle(transaction, bridge, flow, proof, arrival, linked, bearer, now)


async def _settle(
    transaction: Transaction,
    bridge: Bridge,
    flow: AnyRow,
    proof: Proof,
    arrival: Arrival,
    linked: AnyRow | None,
    bearer: Bearer,
    now: datetime,
) -> UUID | _ToProve | Problem:
    email, owner = arrival.email or "", arrival.linked_to or arrival.holder
    match decide(arrival):
        case "NAME_EMAIL":
            return _email_needed()
        case "PROVE_EMAIL":
            return _ToProve(email, linking.locale_of(proof))
        case "SIGN_IN_FIRST":
            return _account_exists(flow.provider)
        case "CREATE":
            bridge.addresses.check_domain(email)
            owner = await _create(transaction, bridge, flow.id, email, proof, now)
            if owner is None or not await verifications.take_as_verified(
                transaction, bridge.mailing, owner, email, now
            ):
                return _changed_meanwhile()
        case "CLAIM" if owner is not None:
            if not await verifications.take_as_verified(transaction, bridge.mailing, owner, email, now):
                return _changed_meanwhile()
        case _:
            pass
    assert owner is not None
    if linked is not None:
        await identities.hold(transaction, owner, now)  # before the link, as whoever takes it away
        if not await linking.note_use(transaction, bridge, linked, proof, now):
            return _changed_meanwhile()
    await store.use_up(transaction.connection, flow.id)
    if linked is None:
        proof = replace_email(proof, email)
        is_new = arrival.holder is None
        await linking.link(transaction, bridge, owner, flow.provider, proof, bearer, now, is_told=not is_new)
    return owner


def replace_email(proof: Proof, email: str) -> Proof:
    """The proof, with the address that was proved here where the provider named none."""
    return proof if proof.email is not None else proof.model_copy(update={"email": email})


async def _create(
    transaction: Transaction, bridge: Bridge, user_id: UUID, email: str, proof: Proof, now: datetime
) -> UUID | None:
    """A new identity without a password; its id is the journey's, under which a code may have been mailed already."""
    new = NewIdentity(email, None, None, linking.locale_of(proof), user_id)
    created = await identities.create(transaction, new, now)
    if created is None:
        return None
    registered = IdentityRegistered(
        user_id=created,
        email=email,
        name=proof.profile.get("name"),
        locale=new.locale,
        timezone="UTC",
        registered_at=now,
    )
    await bridge.gate.outbox.record(transaction, registered, now)
    return created


async def _mail_code(bridge: Bridge, shown: Shown, to: _ToProve, bearer: Bearer, now: datetime) -> None:
    """Mail a code. It has no link: whoever gets mail for somebody else's journey must not end it by a click."""
    await rate_limits.take_verification_mail(bridge.database, to.email, bearer.ip_address, now)
    code = new_code()
    code_hash = bridge.keyring.mac(EMAIL_CODE, _message(shown.flow_id, to.email, code))
    async with bridge.database.transaction() as transaction:
        held = await hold(transaction, bridge, shown, now)
        if held is None:
            raise authorization_is_dead()
        await store.set_email_code(transaction.connection, shown.flow_id, to.email, code_hash)
        letter = Letter(
            purpose="SIGN_IN",
            channel="EMAIL",
            recipient=to.email,
            user_id=shown.flow_id,
            locale=to.locale,
            secrets=MessageSecrets(code=code),
            expires_at=held[0].expires_at,
            ip_address=bearer.ip_address,
        )
        await bridge.mailing.send(transaction, letter, now)


async def _try_code(transaction: Transaction, bridge: Bridge, flow: AnyRow, email: str, code: str) -> bool:
    """Whether this is the code that was mailed to this address. Every guess counts, five in all."""
    if flow.email_code_hash is None or flow.email != email or flow.email_tries >= MOST_TRIES:
        return False
    await store.count_try(transaction.connection, flow.id)
    return bridge.keyring.verify_mac(EMAIL_CODE, _message(flow.id, email, code), flow.email_code_hash)


def _message(flow_id: UUID, email: str, code: str) -> bytes:
    return f"{flow_id}:{email}:{code}".encode()


async def _record(bridge: Bridge, visit: Visit, finding: Finding, user_id: UUID | None) -> None:
    await login_attempts.record_alone(
        bridge.database, visit.attempt, finding, user_id=user_id, duration_ms=visit.milliseconds
    )


def _refusal(identity: KnownIdentity | None) -> Problem:
    if identity is not None and identity.standing == "LOCKED":
        return Problem(403, "account_locked", "Account locked", "This account is locked for now; try again later.")
    if identity is not None and identity.standing == "UNVERIFIED":
        detail = "The address of this account is not verified yet; POST /auth/v1/verifications sends another mail."
        return Problem(403, "email_not_verified", "Address not verified", detail)
    detail = "This account was suspended by an administrator; ask for help."
    return Problem(403, "account_suspended", "Account suspended", detail)


def _account_exists(provider: str) -> Problem:
    detail = (
        f"There is an account with this address already, and {provider} is not linked to it. Sign in to it, then send "
        "the same authorization to POST /auth/v1/me/oauth-accounts to link the two; it stays good for some minutes."
    )
    return Problem(409, "account_exists", "Sign in first", detail)


def _email_needed() -> Problem:
    detail = "The provider names no e-mail address. Ask for one and send it as email; a code will be mailed there."
    return _about_field("email", "email_needed", "Address needed", detail)


def _email_code_needed() -> Problem:
    detail = "The provider does not vouch for the address. We have mailed a code there; send it as email_code."
    return _about_field("email_code", "email_code_needed", "Code needed", detail)


def _invalid_code() -> Problem:
    detail = "The code is wrong, is not for this address, or was tried too often. Type it again, or begin anew."
    return _about_field("email_code", "invalid_code", "Invalid code", detail)


def _invalid_email() -> Problem:
    return _about_field("email", "invalid_email", "Invalid address", "This is not an e-mail address that can get mail.")


def _about_field(name: str, code: str, title: str, detail: str) -> Problem:
    return Problem(422, code, title, detail, errors=[FieldError(field=f"/{name}", code=code, detail=detail)])


def _changed_meanwhile() -> Problem:
    detail = "The account came to be, or was changed, at the same moment. Nothing was begun; send it again."
    return Problem(409, "account_changed", "Account changed", detail)
