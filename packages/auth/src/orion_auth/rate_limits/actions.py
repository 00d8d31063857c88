"""Counting a try, and refusing it when there were too many. The policies are rows that an administrator edits.

A limit holds in every window of its length, wherever the window begins: a counter remembers when each try that passed
was made, so that nobody gets twice as many around a boundary, and of any number of tries at one moment exactly as many
pass as may. A refused try counts nowhere but where it was refused.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from uuid import UUID

import structlog

from orion_auth.addresses import country_calling_code
from orion_auth.base import AnyRow
from orion_auth.devices.rules import KnownDevice
from orion_auth.rate_limits import store
from orion_auth.rate_limits.rules import (
    Endpoint,
    Limit,
    RateLimitKeyType,
    by_all,
    by_network,
    from_somewhere,
    mail_to_account,
    of_known_device,
    of_sign_in_on,
    of_stranger,
    on_device,
    refusal_records,
    verification_mail,
)
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SMS_WITHHELD
from orion_core import metrics
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState, seconds_until, too_many_requests
from orion_core.networks import network
from orion_core.tables import IpAddress

log = structlog.get_logger()


@dataclass(frozen=True)
class Taken:
    """A try that was counted: where its maker stands now, and what is given back of it."""

    state: RateLimitState | None
    failures: tuple[str, ...]
    """Counters that have it unless it turns out well."""
    all: tuple[str, ...]
    """Those that have it, unless it was not made after all."""

    @classmethod
    def under(cls, limits: Sequence[Limit], state: RateLimitState | None) -> "Taken":
        """A try that was counted under these limits."""
        failures = tuple(limit.key for limit in limits if limit.counts_failures)
        return cls(state, failures, tuple(limit.key for limit in limits))


@dataclass(frozen=True)
class Refused:
    """A try that was one too many, as whoever made it is told."""

    problem: Problem
    is_worth_recording: bool
    """Whether it is written down: a flood of them must not write without end."""


async def take_login(
    database: Database, email: str, address: IpAddress, now: datetime, *, device: KnownDevice | None = None
) -> Taken | Refused:
    """Count a sign-in to this account: from `device`, one that it knows, or else from this network."""
    limits = of_stranger(email, address) if device is None else of_sign_in_on(device, address)
    async with database.autocommit() as connection:
        rows = await store.take(connection, limits, now, refusal_records(address))
    counted = [row for row in rows if row.step < len(limits)]
    refusal = _refusal(limits, counted, now)
    if refusal is not None:
        return Refused(refusal, all(row.has_passed for row in rows[len(counted) :]))
    return Taken.under(limits, _tightest(counted, now))


async def take_refusal_record(database: Database, address: IpAddress, now: datetime) -> bool:
    """Count an attempt that another limit has refused; whether it is worth recording."""
    async with database.autocommit() as connection:
        rows = await store.take(connection, refusal_records(address), now)
    return all(row.has_passed for row in rows)


async def take_proof(database: Database, user_id: UUID, session_id: UUID, address: IpAddress, now: datetime) -> Taken:
    """Count a password that is shown within a session, and those of all sessions of its user.

    So a stolen session does not guess without end, and what strangers try keeps no owner from his own account.
    """
    of_all = Limit("login", RateLimitKeyType.USER, f"{user_id} in sessions")
    limits = [*of_known_device(in_session(session_id), address), of_all]
    return Taken.under(limits, await _take_all(database, limits, now))


def give_back_with(transaction: Transaction, taken: Taken) -> None:
    """Forget a try that turned out well, where only failures count, if this transaction is committed."""
    if taken.failures:
        transaction.later(store.GIVE_BACK, {"keys": list(taken.failures)})


async def give_back(database: Database, taken: Taken) -> None:
    """Forget a try that turned out well, where only failures count."""
    await _give_back(database, taken.failures)


async def _give_back(database: Database, keys: Sequence[str]) -> None:
    if keys:
        async with database.autocommit() as connection:
            await store.GIVE_BACK.execute(connection, {"keys": list(keys)})


@asynccontextmanager
async def given_back_if_untried(database: Database, taken: Taken) -> AsyncGenerator[None]:
    """Give a try back that was counted and then not made, for want of room (503)."""
    try:
        yield
    except Problem as problem:
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            await _give_back(database, taken.all)
        raise


async def take_registration(database: Database, address: IpAddress, now: datetime) -> RateLimitState | None:
    """Count a registration from this network, whatever comes of it; the mail that it sends is counted apart."""
    return await _take_all(database, [by_network("registration", address), by_all("registration")], now)


async def take_sign_in_mail(
    database: Database, email: str, address: IpAddress, now: datetime, *, device: KnownDevice | None = None
) -> RateLimitState | None:
    """Count a mail to sign in with, asked for on `device`, one that the account knows, or else on this network."""
    return await _take_all(database, mail_to_account("sign_in_mail", email, address, device), now)


async def take_mailed_key(database: Database, address: IpAddress, now: datetime) -> Taken:
    """Count what is shown of a mail to sign in with, by network, apart from the mails: nothing can be guessed, but what
    was never mailed is looked for and written down.
    """
    limit = Limit("sign_in_mail", RateLimitKeyType.IP, f"key {network(address)}", counts_failures=True)
    return Taken.under([limit], await _take_all(database, [limit], now))


async def take_verification_mail(
    database: Database, email: str, address: IpAddress, now: datetime
) -> RateLimitState | None:
    """Count a verification mail to this address, from this network and from all, and from here to all addresses."""
    return await _take_all(database, verification_mail(email, address), now)


async def take_verification_code(
    database: Database, email: str, address: IpAddress, now: datetime
) -> RateLimitState | None:
    """Count a guess from this network at the code sent to this address; each code has few tries, whoever makes them."""
    guesses = Limit("email_verification", RateLimitKeyType.EMAIL, from_somewhere(f"code {email}", address))
    return await _take_all(database, [guesses, by_network("email_verification", address)], now)


async def take_password_reset(
    database: Database, email: str, address: IpAddress, now: datetime, *, device: KnownDevice | None = None
) -> RateLimitState | None:
    """Count a mail to set a new password with, as one to sign in with is counted."""
    return await _take_all(database, mail_to_account("password_reset", email, address, device), now)


async def take_two_factor(
    database: Database, user_id: UUID, now: datetime, *, device: KnownDevice | None = None
) -> RateLimitState | None:
    """Count a try at this user's second factor, wherever it is made and for whichever sign-in: a code is short.

    Those on each `device` that he knows are counted apart: whoever has his password uses up what strangers may try.
    """
    return await _take(database, "two_factor_verification", RateLimitKeyType.USER, _whose(user_id, device), now)


async def take_two_factor_code(
    database: Database, user_id: UUID, now: datetime, *, device: KnownDevice | None = None
) -> RateLimitState | None:
    """Count a code sent to this user, by whichever way; those asked for on each `device` that he knows apart."""
    return await _take(database, "two_factor_code", RateLimitKeyType.USER, _whose(user_id, device), now)


def _whose(user_id: UUID, device: KnownDevice | None) -> str:
    return str(user_id) if device is None else on_device(device)


def in_session(session_id: UUID) -> KnownDevice:
    """A session is to its account as a device that it knows, and that proves itself."""
    return KnownDevice(f"session {session_id}", is_proved=True)


async def take_set_up(
    database: Database, user_id: UUID, session_id: UUID | None, now: datetime
) -> RateLimitState | None:
    """Count a try at a code that sets something up in this user's session: no stranger keeps him from that."""
    device = in_session(session_id) if session_id is not None else None
    return await take_two_factor(database, user_id, now, device=device)


async def take_recovery(
    database: Database, user_id: UUID, now: datetime, *, device: KnownDevice | None = None
) -> RateLimitState | None:
    """Count that somebody who has given a first proof asks to recover this user's account; known devices apart."""
    return await _take(database, "recovery", RateLimitKeyType.USER, _whose(user_id, device), now)


async def take_social_login(database: Database, address: IpAddress, now: datetime) -> RateLimitState | None:
    """Count a step of a sign-in through another provider, by network: no account is known yet."""
    return await _take_all(database, [by_network("social_login", address)], now)


async def take_passkey(database: Database, address: IpAddress, now: datetime) -> RateLimitState | None:
    """Count a step of a ceremony with a passkey, by network: nothing can be guessed, but rows and signatures cost."""
    return await _take_all(database, [by_network("passkey", address), by_all("passkey")], now)


async def take_api_key(database: Database, key_id: UUID, now: datetime) -> RateLimitState | None:
    """Count a token that is asked for with this API key, which is known: nobody else can use up its tries."""
    return await _take(database, "api_key_token", RateLimitKeyType.API_KEY, str(key_id), now)


async def take_wrong_api_key(database: Database, address: IpAddress, now: datetime) -> None:
    """Count an API key that is none, by network: nothing can be guessed, but looking for it costs."""
    await _take_all(database, [by_network("api_key_token", address)], now)


async def take_sms(database: Database, phone: str, now: datetime) -> None:
    """Count a text message to this number, to its neighbours, to its country and to everybody, in an hour and a day.

    Whoever earns by messages (SMS pumping) has them sent to many numbers of one range. The narrowest goes first: what
    one number is refused does not use up what others may get. Where a country or everybody is refused, operators are
    told.
    """
    narrow = [
        Limit("sms_to_number", RateLimitKeyType.GLOBAL, phone),
        Limit("sms_to_range", RateLimitKeyType.GLOBAL, phone[:-4]),
    ]
    wide = [
        Limit("sms_to_country", RateLimitKeyType.GLOBAL, country_calling_code(phone)),
        by_all("sms"),
        by_all("sms_daily"),
    ]
    limits = narrow + wide
    async with database.autocommit() as connection:
        rows = await store.take(connection, limits, now)
    refusal = _refusal(limits, rows, now)
    if refusal is None:
        return
    refusing = rows[-1]  # those after it did not count the try
    step: int = refusing.step
    if limits[step] in wide:
        await _note_sms_withheld(database, limits[step], refusing, now)
    raise refusal


async def _note_sms_withheld(database: Database, limit: Limit, refusing: AnyRow, now: datetime) -> None:
    """Write down that messages are withheld from many, once an hour for each limit: an attack must not fill the log."""
    records = Limit("sms_refusal_record", RateLimitKeyType.GLOBAL, f"{limit.endpoint} {limit.whose}")
    details = {"endpoint": limit.endpoint, "whose": limit.whose}
    details |= {"limit": refusing.limit, "window_seconds": refusing.window_seconds}
    async with database.transaction() as transaction:
        counted = await store.take(transaction.connection, [records], now)
        if all(row.has_passed for row in counted):
            circumstances = Circumstances(details=details)
            await security_events.note_administration(transaction, SMS_WITHHELD, "auth", circumstances, now)
            transaction.after_commit(partial(log.warning, "rate_limits.sms_withheld", **details))


async def _take(
    database: Database, endpoint: Endpoint, key_type: RateLimitKeyType, whose: str, now: datetime
) -> RateLimitState | None:
    return await _take_all(database, [Limit(endpoint, key_type, whose)], now)


async def _take_all(database: Database, limits: Sequence[Limit], now: datetime) -> RateLimitState | None:
    """Count a try in a transaction of its own; a 429 Problem when it is one too many under any limit."""
    async with database.autocommit() as connection:
        rows = await store.take(connection, limits, now)
    refusal = _refusal(limits, rows, now)
    if refusal is not None:
        raise refusal
    return _tightest(rows, now)


def _refusal(limits: Sequence[Limit], rows: Sequence[AnyRow], now: datetime) -> Problem | None:
    """What whoever was one too many under one of the limits is told."""
    for row in rows:
        if not row.has_passed:
            step: int = row.step
            limit = limits[step]
            metrics.RATE_LIMITED.labels(limit.endpoint, limit.key_type.name).inc()
            return too_many_requests(_state(row, now))
    return None


def _tightest(rows: Sequence[AnyRow], now: datetime) -> RateLimitState | None:
    return tightest(_state(row, now) for row in rows)


def tightest(states: Iterable[RateLimitState | None]) -> RateLimitState | None:
    """The state under the tightest limit; None when nothing limits the try."""
    held = [state for state in states if state is not None]
    return min(held, key=lambda state: (state.remaining, -state.reset), default=None)


def _state(row: AnyRow, now: datetime) -> RateLimitState:
    return RateLimitState(
        policy=row.endpoint,
        quota=row.limit,
        window=row.window_seconds,
        remaining=row.limit - row.count,
        reset=seconds_until(row.ends_at, now),
    )
