"""Taking in the users of another system, line by line.

A line whose address is there already changes nothing, so an import that was cut off is simply begun again, and one that
is run twice does nothing the second time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError

from orion_auth import trial
from orion_auth.foreign_hashes import UnusableHashError
from orion_auth.hashing import hash_secret
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity, NewIdentity
from orion_auth.imports.formats import read_hash
from orion_auth.imports.shapes import ImportedUser
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import ACCOUNT_IMPORTED
from orion_contracts.events import EmailVerified, IdentityRegistered
from orion_core.database import Database, Transaction
from orion_core.events.outbox import Outbox
from orion_core.faults import code_and_words
from orion_core.ids import uuid7

Outcome = Literal["CREATED", "EXISTS", "REFUSED"]

LONGEST_LINE = 64 * 1024

CLAIMED = (
    "email: somebody has registered it here and never verified it, so the account is not brought over; "
    "whose the address is sets a password by a mail"
)


@dataclass(frozen=True)
class Line:
    """What a line says, or why it cannot be taken. Neither is shown with what it holds."""

    number: int
    user: ImportedUser | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    fault: str | None = None


@dataclass(frozen=True)
class Report:
    """What became of a line."""

    line: int
    outcome: Outcome
    user_id: UUID | None = None
    reason: str | None = None


def read_line(number: int, text: bytes) -> Line:
    """Read a line; what is wrong with it is said without repeating anything of it but the names of fields."""
    if len(text) > LONGEST_LINE:
        return Line(number, fault=f"longer than {LONGEST_LINE} bytes")
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return Line(number, fault="not a JSON object")
    if not isinstance(found, dict):
        return Line(number, fault="not a JSON object")
    if "password" in found:
        return Line(number, fault="password: no password is taken in clear; give password_hash")
    try:
        return Line(number, ImportedUser.model_validate(found))
    except ValidationError as error:
        faults = [_fault(entry["loc"], entry) for entry in error.errors(include_input=False, include_url=False)]
        return Line(number, fault="; ".join(dict.fromkeys(faults)))


async def take_in(
    database: Database, outbox: Outbox, lines: Sequence[Line], *, operator: str, now: datetime, dry_run: bool
) -> list[Report]:
    """Take in a batch of lines in one transaction, hashing what has to be hashed before it."""
    async with database.autocommit() as connection:
        emails = {line.user.email for line in lines if line.user}
        known = {email: await identities.find_by_email(connection, email, now) for email in emails}
    prepared = [_prepare(line) if line.user and known[line.user.email] is None else line for line in lines]
    async with trial.transaction(database, dry_run=dry_run) as transaction:
        return [await _take_in(transaction, outbox, line, operator, now) for line in prepared]


def _fault(location: tuple[int | str, ...], entry: Mapping[str, Any]) -> str:
    return f"{location[0] if location else 'line'}: {code_and_words(entry)[1]}"


def _prepare(line: Line) -> Line:
    """Bring a hash into the form in which it is kept. One that is too fast is wrapped, which takes its time."""
    if line.user is None or line.user.password_hash is None:
        return line
    try:
        return Line(line.number, line.user, read_hash(line.user.password_hash, hash_secret))
    except UnusableHashError as error:
        return Line(line.number, fault=f"password_hash: {error}")


async def _take_in(transaction: Transaction, outbox: Outbox, line: Line, operator: str, now: datetime) -> Report:
    user = line.user
    if user is None:
        return Report(line.number, "REFUSED", reason=line.fault)
    known = await identities.find_by_email(transaction.connection, user.email, now)
    if known is not None and user.email_verified and known.is_claimed:
        return Report(line.number, "REFUSED", reason=CLAIMED)
    if known is not None:
        return Report(line.number, "EXISTS", known.id)
    if await identities.username_is_taken(transaction.connection, user.username, prepares=True):
        return Report(line.number, "REFUSED", reason="username: somebody has it")
    new = NewIdentity(user.email, user.username, line.password_hash, user.locale, user.id or uuid7())
    user_id = await identities.bring_in(transaction, new, is_verified=user.email_verified, now=now)
    if user_id is None:
        return Report(line.number, "REFUSED", reason="id: somebody has it")
    await _tell(transaction, outbox, user_id, user, operator, now)
    return Report(line.number, "CREATED", user_id)


async def _tell(
    transaction: Transaction, outbox: Outbox, user_id: UUID, user: ImportedUser, operator: str, now: datetime
) -> None:
    registered = IdentityRegistered(
        user_id=user_id,
        email=user.email,
        username=user.username,
        name=user.name,
        locale=user.locale,
        timezone=user.timezone,
        registered_at=now,
        is_imported=True,
    )
    await outbox.record(transaction, registered, now)
    if user.email_verified:
        verified = EmailVerified(
            user_id=user_id, email=user.email, username=user.username, verified_at=now, is_imported=True
        )
        await outbox.record(transaction, verified, now)
    whose = KnownIdentity(
        id=user_id,
        email=user.email,
        username=user.username,
        locale=user.locale,
        password_hash=None,
        password_changed_at=None,
        standing="GOOD" if user.email_verified else "UNVERIFIED",
        security_epoch=0,
    )
    circumstances = Circumstances(details={"operator": operator})
    await security_events.note(transaction, outbox, ACCOUNT_IMPORTED, whose, circumstances, now)
