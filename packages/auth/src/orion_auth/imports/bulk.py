"""Taking in many users at once, for the user service, which keeps their profiles.

The caller chooses the ids. So a request that is sent again, because its answer was lost, takes in nobody twice and gets
the same answer.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from orion_auth.addresses import normalise_email
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.imports.actions import CLAIMED
from orion_auth.imports.shapes import BulkIdentity, BulkOutcome
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import ACCOUNTS_IMPORTED
from orion_contracts.imports import IdentitiesImported, ImportedIdentity
from orion_core.database import Database, Transaction
from orion_core.events import outbox


async def take_in_many(
    database: Database, import_id: UUID, wanted: Sequence[BulkIdentity], *, by: str, now: datetime
) -> list[BulkOutcome]:
    """Take in those of whom nothing is taken; what became of each, in their order. One event tells of all of them."""
    emails = [normalise_email(each.email) for each in wanted]
    good = [(each, email) for each, email in zip(wanted, emails, strict=True) if email is not None]
    async with database.transaction() as transaction:
        columns = {
            "ids": [each.id for each, _ in good],
            "emails": [email for _, email in good],
            "usernames": [each.username for each, _ in good],
            "locales": [each.locale for each, _ in good],
            "verified": [each.email_verified for each, _ in good],
        }
        created, owners = await identities.bring_in_many(transaction, columns, now)
        told = [_told(each, email) for each, email in good if each.id in created]
        if told:
            await _tell(transaction, import_id, told, by, now)
    return [_outcome(each, email, created, owners) for each, email in zip(wanted, emails, strict=True)]


def _told(each: BulkIdentity, email: str) -> ImportedIdentity:
    return ImportedIdentity.model_construct(
        user_id=each.id,
        email=email,
        is_verified=each.email_verified,
        username=each.username,
        name=each.name,
        locale=each.locale,
        timezone=each.timezone,
    )


async def _tell(
    transaction: Transaction, import_id: UUID, told: list[ImportedIdentity], by: str, now: datetime
) -> None:
    circumstances = Circumstances(details={"import_id": str(import_id), "accounts": len(told)})
    await security_events.note_administration(transaction, ACCOUNTS_IMPORTED, by, circumstances, now)
    event = IdentitiesImported.model_construct(import_id=import_id, identities=told, imported_at=now)
    await outbox.write(transaction, event, now)  # wakes nobody: user has the answer to write profiles from


def _outcome(
    each: BulkIdentity, email: str | None, created: frozenset[UUID], owners: dict[str, KnownIdentity]
) -> BulkOutcome:
    if email is None:
        return BulkOutcome(outcome="REFUSED", reason="email: not an e-mail address")
    owner = owners.get(email)
    if each.id in created or (owner is not None and owner.id == each.id):
        return BulkOutcome(outcome="CREATED", user_id=each.id, email=email)
    if owner is not None and owner.is_claimed and each.email_verified:
        return BulkOutcome(outcome="REFUSED", reason=CLAIMED)
    if owner is not None:
        return BulkOutcome(outcome="EXISTS", user_id=owner.id)
    return BulkOutcome(outcome="REFUSED", reason="username or id: somebody has it")
