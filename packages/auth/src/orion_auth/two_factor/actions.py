"""Second factors and codes sent to an address, inside the transactions of other slices."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.identities.actions import KnownIdentity
from orion_auth.passkeys import actions as passkeys
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer, Confirmed
from orion_auth.two_factor import store
from orion_auth.two_factor.codes import PURPOSE, open_code, sent_message, take_back_codes, try_code
from orion_auth.two_factor.rules import (
    CHALLENGE_LIFETIME,
    CODES_PER_CHALLENGE,
    Enrolled,
    matching_step,
    next_primary,
    normalise_backup_code,
)
from orion_auth.two_factor.totp import TotpOffer, accept_totp, offer_totp, open_pending, seal_pending, totp_values
from orion_auth.two_factor_methods import ChallengePurpose, RecoveryContacts, TwoFactorMethod
from orion_contracts.claims import AccessClaims
from orion_core.database import Database, Transaction
from orion_core.http.authentication import require_recent
from orion_core.http.authentication import user_id as owner_of
from orion_core.http.rate_limit import RateLimitState
from orion_core.http.step_up import SEVERAL_FACTORS, second_factor_needed
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.secrets import new_code
from orion_core.statement import Look


@dataclass(frozen=True)
class Challenged:
    """A sign-in that waits for its second factor."""

    challenge: str = field(repr=False)
    methods: Sequence[TwoFactorMethod]
    expires_at: datetime
    must_enrol: bool = False
    """There is no second factor, and one is required: it is set up before the session begins."""
    limit: RateLimitState | None = None
    """Under which the first proof was counted."""


@dataclass(frozen=True)
class HalfFinished:
    """A sign-in whose first proof was good, and which waits for a second factor."""

    id: UUID
    user_id: UUID
    methods: frozenset[TwoFactorMethod]
    context: dict[str, Any]
    """What whoever opened it needs to go on."""
    code_hash: bytes | None = field(repr=False)
    """Of the code that was sent out for it last."""
    tries_left: int
    codes_sent: int
    expires_at: datetime

    @property
    def device_id(self) -> str | None:
        """The client's own id of the device that it began on."""
        return self.context["first"]["device_id"]

    @property
    def must_enrol(self) -> bool:
        """Whether its second factor has to be set up first."""
        return bool(self.context.get("must_enrol"))


async def open_email_verification(
    transaction: Transaction, keyring: Keyring, confirmed: Confirmed, expires_at: datetime
) -> str:
    """A new code for verifying this address; from now on it is the only one that counts."""
    purpose, method = ChallengePurpose.EMAIL_VERIFICATION, TwoFactorMethod.EMAIL
    context = {"email": confirmed.email, "password_hash": confirmed.password_hash}
    return await open_code(transaction, keyring, confirmed.user_id, purpose, method, context, expires_at)


async def try_email_verification(
    transaction: Transaction, keyring: Keyring, user_id: UUID, code: str, now: datetime
) -> Confirmed | None:
    """What the code confirms, which is then used up; None when it is wrong.

    A wrong try counts when the transaction is committed; the caller must commit it.
    """
    purpose = ChallengePurpose.EMAIL_VERIFICATION
    context = await try_code(transaction, keyring, user_id, purpose, TwoFactorMethod.EMAIL, code, now)
    return Confirmed(user_id, context["email"], context.get("password_hash")) if context is not None else None


async def forget_passwords(transaction: Transaction, user_id: UUID) -> None:
    """Take the password hashes off a user's verification codes: one of them is the identity's now."""
    await store.forget_passwords(transaction.connection, user_id, ChallengePurpose.EMAIL_VERIFICATION)


_TOKEN = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")
_TOKEN_PURPOSE = "half-finished sign-in"


def enrolled(user_id: UUID) -> Look[Enrolled]:
    """What the user has as second factors."""
    return Look(store.FIND_FACTORS, {"user_id": user_id}, _enrolled)


def _enrolled(row: AnyRow | None) -> Enrolled:
    if row is None:
        return Enrolled()
    verified_at = {
        TwoFactorMethod.TOTP: row.totp_verified_at,
        TwoFactorMethod.SMS: row.sms_verified_at,
        TwoFactorMethod.EMAIL: row.email_verified_at,
        TwoFactorMethod.HARDWARE_KEY: row.hardware_key_verified_at,
    }
    verified = frozenset(method for method, moment in verified_at.items() if moment is not None)
    return Enrolled(row.is_enabled, verified, row.primary_method, row.backup_codes, row.is_required or row.is_wanted)


async def open_sign_in(
    transaction: Transaction,
    keyring: Keyring,
    identity: KnownIdentity,
    methods: Sequence[TwoFactorMethod],
    context: dict[str, Any],
    now: datetime,
    *,
    must_enrol: bool = False,
) -> Challenged:
    """Keep a sign-in whose first proof was good until one of `methods` is shown.

    It is bound to the account as it is now: a new password, address or epoch ends it.
    """
    challenge_id, expires_at = uuid7(), now + CHALLENGE_LIFETIME
    values: dict[str, Any] = {
        "id": challenge_id,
        "user_id": identity.id,
        "purpose": ChallengePurpose.SIGN_IN,
        "methods": list(methods),
        "context": context
        | {"account": keyring.mac(_TOKEN_PURPOSE, _account(identity)).hex(), "must_enrol": must_enrol},
        "expires_at": expires_at,
    }
    await store.insert_challenge(transaction.connection, values)
    mac = urlsafe_b64encode(keyring.mac(_TOKEN_PURPOSE, challenge_id.bytes)).decode().rstrip("=")
    return Challenged(f"{challenge_id.hex}.{mac}", methods, expires_at, must_enrol=must_enrol)


async def find_sign_in(
    connection: AsyncConnection, keyring: Keyring, challenge: str, now: datetime
) -> HalfFinished | None:
    """The half-finished sign-in that `challenge` names; None when it is over, or never was."""
    match = _TOKEN.fullmatch(challenge)
    if match is None:
        return None
    challenge_id = UUID(hex=match[1])
    if not keyring.verify_mac(_TOKEN_PURPOSE, challenge_id.bytes, urlsafe_b64decode(f"{match[2]}=")):
        return None
    return _half_finished(await store.find_open(connection, challenge_id, ChallengePurpose.SIGN_IN, now))


async def count_try(transaction: Transaction, sign_in: HalfFinished, now: datetime) -> HalfFinished | None:
    """Count a try, and keep others waiting until the transaction ends; None when there is none left."""
    row = await store.count_try_of(transaction.connection, sign_in.id, ChallengePurpose.SIGN_IN, now)
    return _half_finished(row)


def is_of(keyring: Keyring, sign_in: HalfFinished, identity: KnownIdentity) -> bool:
    """Whether the account is still the one that the sign-in began with."""
    account = bytes.fromhex(sign_in.context["account"])
    return keyring.verify_mac(_TOKEN_PURPOSE, _account(identity), account)


async def new_code_for(
    transaction: Transaction, keyring: Keyring, sign_in: HalfFinished, method: TwoFactorMethod, now: datetime
) -> str | None:
    """A code to be sent out, the only one that counts from now on; None when enough were sent."""
    code = new_code()
    code_hash = keyring.mac(PURPOSE, sent_message(sign_in.id, method, code))
    counted = await store.count_code(
        transaction.connection, sign_in.id, ChallengePurpose.SIGN_IN, code_hash, at_most=CODES_PER_CHALLENGE, now=now
    )
    return code if counted is not None else None


async def phone_of(connection: AsyncConnection, user_id: UUID) -> str | None:
    """The verified phone that codes are sent to."""
    row = await store.find_factors(connection, user_id)
    return row.sms_phone if row is not None and row.sms_verified_at is not None else None


async def is_shown(
    transaction: Transaction,
    keyring: Keyring,
    sign_in: HalfFinished,
    method: TwoFactorMethod,
    code: str,
    now: datetime,
    drift: int,
    bearer: Bearer,
) -> bool:
    """Whether `code` is the second factor asked for; one that can be shown once is used up by it.

    A hardware key shows no code: whoever checks one does it himself.
    """
    match method:
        case TwoFactorMethod.TOTP:
            return await _accept_totp(transaction, keyring, sign_in, code, now, drift)
        case TwoFactorMethod.SMS | TwoFactorMethod.EMAIL:
            message = sent_message(sign_in.id, method, code)
            return sign_in.code_hash is not None and keyring.verify_mac(PURPOSE, message, sign_in.code_hash)
        case TwoFactorMethod.BACKUP_CODE:
            hashes = backup_code_hashes(keyring, sign_in.user_id, code)
            return await store.use_backup_code(transaction.connection, sign_in.user_id, hashes, now, bearer)
        case TwoFactorMethod.HARDWARE_KEY:
            return False


async def is_shown_again(
    transaction: Transaction,
    keyring: Keyring,
    user_id: UUID,
    method: TwoFactorMethod,
    code: str,
    now: datetime,
    drift: int,
    bearer: Bearer,
) -> bool:
    """Whether `code` is a second factor of somebody who is signed in; one that can be shown once is used up by it.

    A wrong try counts when the transaction is committed; the caller must commit it.
    """
    match method:
        case TwoFactorMethod.TOTP:
            return await accept_totp(transaction.connection, keyring, user_id, code, now, drift)
        case TwoFactorMethod.SMS | TwoFactorMethod.EMAIL:
            purpose = ChallengePurpose.STEP_UP
            return await try_code(transaction, keyring, user_id, purpose, method, code, now) is not None
        case TwoFactorMethod.BACKUP_CODE:
            hashes = backup_code_hashes(keyring, user_id, code)
            return await store.use_backup_code(transaction.connection, user_id, hashes, now, bearer)
        case TwoFactorMethod.HARDWARE_KEY:
            return False


async def require_shown(database: Database, claims: AccessClaims, now: datetime) -> None:
    """Refuse (401) who has not proved of late who he is, or has a second factor that his session has not shown.

    What was shown after the token was given out counts too: whoever has just set up his first factor goes on.
    """
    require_recent(claims, now)
    if SEVERAL_FACTORS in (claims.amr or ()):
        return
    subject = owner_of(claims)
    async with database.autocommit() as connection:
        if not (await enrolled(subject).alone(connection)).is_enabled:
            return
        session = await tokens.find_session(connection, subject, UUID(claims.sid), now)
    if session is None or SEVERAL_FACTORS not in session.amr:
        raise second_factor_needed()


async def forget_all(transaction: Transaction, user_id: UUID, now: datetime) -> None:
    """Leave the user no second factor, no passkey and no backup codes, and nothing that was sent to show one."""
    await take_back_codes(transaction, user_id)
    await store.forget_factors(transaction.connection, user_id)
    await store.replace_backup_codes(transaction.connection, user_id, [], now)
    await passkeys.remove_all(transaction, user_id)


async def set_up_since(connection: AsyncConnection, user_id: UUID) -> datetime | None:
    """Since when the user has had one of his present second factors, the oldest of them; None without one."""
    row = await store.find_factors(connection, user_id)
    columns = ("totp_verified_at", "sms_verified_at", "email_verified_at", "hardware_key_verified_at")
    return min(filter(None, (getattr(row, column, None) for column in columns)), default=None)


async def recovery_contacts(connection: AsyncConnection, user_id: UUID) -> RecoveryContacts:
    """Where the account is recovered; what was never shown to be its owner's is left out."""
    row = await store.find_factors(connection, user_id)
    if row is None:
        return RecoveryContacts()
    return RecoveryContacts(
        row.recovery_email if row.recovery_email_verified_at is not None else None,
        row.recovery_email_verified_at,
        row.recovery_phone if row.recovery_phone_verified_at is not None else None,
        row.recovery_phone_verified_at,
    )


async def set_recovery_email(transaction: Transaction, user_id: UUID, email: str | None, now: datetime) -> None:
    """Recover the account by this address, which was shown to be its owner's, or by none."""
    await store.ensure_row(transaction.connection, user_id)
    values: dict[str, Any] = {"recovery_email": email, "recovery_email_verified_at": now if email else None}
    await store.change(transaction.connection, user_id, values)


async def set_recovery_phone(transaction: Transaction, user_id: UUID, phone: str | None, now: datetime) -> None:
    """Recover the account by this phone, which was shown to be its owner's, or by none."""
    await store.ensure_row(transaction.connection, user_id)
    values: dict[str, Any] = {"recovery_phone": phone, "recovery_phone_verified_at": now if phone else None}
    await store.change(transaction.connection, user_id, values)


async def note_hardware_key(transaction: Transaction, user_id: UUID, has_one: bool, now: datetime) -> None:
    """Note that the user has a hardware key now, or has none any more; whoever keeps keys says so.

    Without any second factor there is nothing for backup codes to stand in for.
    """
    await store.ensure_row(transaction.connection, user_id)
    present = await enrolled(user_id).alone(transaction.connection)
    if has_one:
        values: dict[str, Any] = {
            "hardware_key_verified_at": now,
            "is_enabled": True,
            "primary_method": present.primary or TwoFactorMethod.HARDWARE_KEY,
        }
    else:
        primary = next_primary(present, TwoFactorMethod.HARDWARE_KEY)
        values = {
            "hardware_key_verified_at": None,
            "is_enabled": primary is not None,
            "primary_method": primary,
        }
        if primary is None:
            await store.replace_backup_codes(transaction.connection, user_id, [], now)
    await store.change(transaction.connection, user_id, values)


def backup_code_hashes(keyring: Keyring, user_id: UUID, code: str) -> list[bytes]:
    """What a backup code is found by, under every key that it may have been made under."""
    return keyring.macs("backup code", f"{user_id}:{normalise_backup_code(code)}".encode())


async def finish(
    transaction: Transaction, sign_in: HalfFinished, method: TwoFactorMethod | None, now: datetime
) -> None:
    """Close a half-finished sign-in: with the method that was shown, or None when it comes to nothing."""
    await store.consume(transaction.connection, sign_in.id, now)
    if method is not None:
        await store.note_used(transaction.connection, sign_in.user_id, method, now)


async def take_unanswered(transaction: Transaction, since: datetime, before: datetime, most: int) -> Sequence[AnyRow]:
    """Close up to `most` half-finished sign-ins that lapsed between two times with tries left; each falls to one."""
    return await store.take_unanswered(transaction.connection, since, before, most)


async def offer_enrolment(
    transaction: Transaction, keyring: Keyring, sign_in: HalfFinished, issuer: str, account: str
) -> TotpOffer:
    """Offer a secret to somebody who cannot come in before he has a second factor; an earlier offer is worthless."""
    offer = offer_totp(issuer, account)
    context = sign_in.context | {"totp": seal_pending(keyring, sign_in.id, offer.secret)}
    await store.set_context(transaction.connection, sign_in.id, context)
    return offer


async def _accept_totp(
    transaction: Transaction, keyring: Keyring, sign_in: HalfFinished, code: str, now: datetime, drift: int
) -> bool:
    connection, user_id = transaction.connection, sign_in.user_id
    if "totp" not in sign_in.context:
        return await accept_totp(connection, keyring, user_id, code, now, drift)
    offered = open_pending(keyring, sign_in.id, sign_in.context["totp"])
    step = matching_step(offered, code, now, None, drift)
    if step is None:
        return False
    values = await totp_values(connection, keyring, user_id, offered, step, now)
    await store.change(connection, user_id, values | {"is_enabled": True, "primary_method": TwoFactorMethod.TOTP})
    return True


def _half_finished(row: AnyRow | None) -> HalfFinished | None:
    if row is None:
        return None
    return HalfFinished(
        row.id,
        row.user_id,
        frozenset(row.methods),
        row.context,
        row.code_hash,
        tries_left=row.tries_left,
        codes_sent=row.codes_sent,
        expires_at=row.expires_at,
    )


def _account(identity: KnownIdentity) -> bytes:
    """What must not change between a first proof and the second."""
    return "\n".join(map(str, (identity.id, identity.email, identity.security_epoch, identity.password_hash))).encode()
