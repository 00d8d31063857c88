"""Coming in with a passkey: alone, which says who somebody is, or as the second factor after another proof."""

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orion_auth.admission import by_second_factor
from orion_auth.admission.actions import Visit, admit, recorded_if_limited
from orion_auth.admission.by_password import refusal
from orion_auth.admission.by_second_factor import Answer
from orion_auth.admission.rules import Proof, decide
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.own_passkeys import actions as own_passkeys
from orion_auth.own_passkeys.actions import Owner
from orion_auth.pacing import evenly
from orion_auth.passkeys import actions as passkeys
from orion_auth.passkeys.actions import Asked, Shown
from orion_auth.passkeys.rules import Kind, WebAuthnPurpose
from orion_auth.passkeys.shapes import CreationOptions, MadeCredential, RequestOptions, UsedCredential
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.relying_party import RelyingParty
from orion_auth.security_events.actions import Circumstances
from orion_auth.sessions.actions import Grant
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor.actions import Challenged, HalfFinished
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.database import Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState, told_under

ALONE = Asked(WebAuthnPurpose.SIGN_IN)
"""Any passkey that verifies its user."""


@dataclass(frozen=True)
class Offer:
    """What a browser is to ask for, and where its network stands under the limit."""

    options: RequestOptions
    limit: RateLimitState | None


async def offer(gate: Gate, party: RelyingParty, bearer: Bearer, now: datetime) -> Offer:
    """What asks for a passkey without naming anybody, so that it is the same for everybody."""
    limit = await rate_limits.take_passkey(gate.database, bearer.ip_address, now)
    async with gate.database.autocommit() as connection:
        challenge = await passkeys.open_challenge(connection, ALONE, now, needs_verification=True)
    return Offer(passkeys.request_options(party, challenge, (), "required"), limit)


async def sign_in(
    gate: Gate,
    party: RelyingParty,
    credential: UsedCredential,
    bearer: Bearer,
    now: datetime,
    *,
    remember: bool = True,
) -> Grant | Challenged:
    """Begin a session for whoever shows a passkey of an identity in good standing, and was verified by it.

    A 401 Problem is the same, and costs the same, whatever is wrong: an unknown passkey, a wrong signature, a challenge
    that is over, a copy. 403 says what is the matter with the account to whoever has shown its passkey.
    """
    bearer = gate.locate(bearer)
    visit = Visit(LoginMethod.PASSKEY, None, bearer, now, time.perf_counter(), remember=remember)
    async with recorded_if_limited(gate, visit):
        visit = replace(visit, limit=await rate_limits.take_passkey(gate.database, bearer.ip_address, now))
    async with evenly(), gate.database.transaction() as transaction:
        shown = await passkeys.show(transaction, party, ALONE, credential.assertion, now)
        identity = await identities.find(transaction.connection, shown.user_id, now) if shown else None
        is_good = shown is not None and shown.outcome == "GOOD"
        decision = decide(identity.standing if identity else None, is_good)
        if decision.outcome != "SUCCESS":
            login_attempts.record(
                transaction,
                visit.attempt,
                Finding(decision.outcome, _reason(shown) if decision.outcome == "FAILED" else decision.reason),
                user_id=identity.id if identity else None,
                duration_ms=visit.milliseconds,
            )
        if shown is not None and identity is not None:
            await passkeys.tell_of_copy(transaction, gate.outbox, shown, identity, Circumstances.of(bearer), now)
    if decision.reason in {"LOCKED", "SUSPENDED"}:
        raise told_under(visit.limit, refusal(decision))
    if shown is None or identity is None or decision.outcome != "SUCCESS":
        raise told_under(visit.limit, _not_signed_in())
    proof = Proof(shown.amr, is_multi_factor="mfa" in shown.amr)
    return await admit(gate, visit, identity, proof)


async def offer_second_factor(gate: Gate, party: RelyingParty, challenge: str, bearer: Bearer, now: datetime) -> Offer:
    """What asks for a key of whoever is half-way in; its answer is good for this sign-in alone."""
    limit = await rate_limits.take_passkey(gate.database, bearer.ip_address, now)
    sign_in = await by_second_factor.find(gate, challenge, TwoFactorMethod.HARDWARE_KEY, now)
    async with gate.database.transaction() as transaction:
        rows = await passkeys.list_of(transaction.connection, sign_in.user_id)
        challenge_bytes = await passkeys.open_challenge(
            transaction.connection, _second_factor_of(sign_in), now, needs_verification=False
        )
    return Offer(passkeys.request_options(party, challenge_bytes, rows, "preferred"), limit)


async def finish_sign_in(
    gate: Gate,
    party: RelyingParty,
    challenge: str,
    credential: UsedCredential,
    bearer: Bearer,
    now: datetime,
    *,
    trust: timedelta | None = None,
) -> Grant:
    """Begin the session that waited for a key; 422 when it is none of the account's, and the try is counted.

    `trust` is for how long the device is to be trusted.
    """

    async def check(transaction: Transaction, sign_in: HalfFinished, _: Answer, at: datetime) -> bool:
        shown = await passkeys.show(transaction, party, _second_factor_of(sign_in), credential.assertion, at)
        if shown is None:
            return False
        identity = await identities.find(transaction.connection, shown.user_id, at)
        if identity is not None:
            circumstances = Circumstances.of(gate.locate(bearer))
            await passkeys.tell_of_copy(transaction, gate.outbox, shown, identity, circumstances, at)
        return shown.outcome == "GOOD"

    answer = Answer(challenge, TwoFactorMethod.HARDWARE_KEY, "", trust)
    return await by_second_factor.finish_sign_in(gate, answer, bearer, now, check)


async def offer_enrolment(
    gate: Gate, party: RelyingParty, challenge: str, kind: Kind, bearer: Bearer, now: datetime
) -> CreationOptions:
    """What has a key made for somebody who cannot come in before he has a second factor."""
    await rate_limits.take_passkey(gate.database, bearer.ip_address, now)
    sign_in = await by_second_factor.find_enrolling(gate, challenge, TwoFactorMethod.HARDWARE_KEY, now)
    return await own_passkeys.begin(gate, party, Owner(sign_in.user_id, None, bearer, now, sign_in.id), kind)


async def enrol(
    gate: Gate, party: RelyingParty, challenge: str, credential: MadeCredential, bearer: Bearer, now: datetime
) -> Grant:
    """Begin the session that waited for a key to be made; 422 when it is none for this account."""
    await by_second_factor.find_enrolling(gate, challenge, TwoFactorMethod.HARDWARE_KEY, now)

    async def check(transaction: Transaction, sign_in: HalfFinished, _: Answer, at: datetime) -> bool:
        owner = Owner(sign_in.user_id, None, gate.locate(bearer), at, sign_in.id)
        kept = sign_in.must_enrol and await own_passkeys.keep(transaction, gate, party, owner, credential, None)
        return not isinstance(kept, bool | str)

    answer = Answer(challenge, TwoFactorMethod.HARDWARE_KEY, "")
    return await by_second_factor.finish_sign_in(gate, answer, bearer, now, check)


def _second_factor_of(sign_in: HalfFinished) -> Asked:
    return Asked(WebAuthnPurpose.SECOND_FACTOR, sign_in.user_id, sign_in.id)


def _reason(shown: Shown | None) -> str:
    return "WRONG_PASSKEY" if shown is None else "CLONED_PASSKEY"


def _not_signed_in() -> Problem:
    detail = (
        "This passkey does not let you in: it is not known here, was removed, or took too long. "
        "Try again, or sign in another way."
    )
    return Problem(401, "invalid_credentials", "Not signed in", detail)
