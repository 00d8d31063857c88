"""Taking down what providers tell, and mails that come back."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import structlog

from orion_core.database import Database, Transaction
from orion_core.errors import Problem, not_found, unavailable
from orion_core.sealing import Keyring
from orion_notifications.amazon_certificates import Certificates
from orion_notifications.batches import actions as batches
from orion_notifications.callbacks import amazon, rules, store, texts
from orion_notifications.callbacks.returned import Returned
from orion_notifications.callbacks.returned import Verdict as ReturnVerdict
from orion_notifications.callbacks.returned import read as read_returned
from orion_notifications.callbacks.rules import Heard, MalformedError, News, NotGenuineError, Once, Posted, Verdict
from orion_notifications.delivery import actions as delivery
from orion_notifications.delivery.actions import Report
from orion_notifications.delivery.rules import Reported
from orion_notifications.kinds import Channel
from orion_notifications.message_tags import notification_of
from orion_notifications.provider_settings import (
    MailgunSettings,
    PostmarkSettings,
    SendGridSettings,
    SesSettings,
    TwilioSettings,
    VonageSettings,
)
from orion_notifications.providers import actions as providers
from orion_notifications.providers.actions import Account
from orion_notifications.suppressions import actions as suppressions
from orion_notifications.suppressions.rules import SuppressionReason

WRITTEN_WITHIN = timedelta(minutes=10)
"""A worker has written by then what it has sent: what is told of a message before that is told again."""
PHONE_SILENCE = timedelta(days=90)
"""A number that is nobody's is given to somebody else after a while."""
IN_ONE_TRANSACTION = 100

REPORTED = {
    Verdict.DELIVERED: Reported.DELIVERED,
    Verdict.BOUNCED: Reported.BOUNCED,
    Verdict.FAILED: Reported.FAILED,
    Verdict.REJECTED: Reported.REJECTED,
}
SILENCING = {
    Verdict.BOUNCED: SuppressionReason.BOUNCE,
    Verdict.COMPLAINED: SuppressionReason.COMPLAINT,
    Verdict.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBE,
}

log = structlog.get_logger()


@dataclass(frozen=True)
class Clerk:
    """What taking down needs."""

    database: Database
    keyring: Keyring = field(repr=False)
    certificates: Certificates
    now: datetime


async def take(clerk: Clerk, account_id: UUID, posted: Posted) -> None:
    """Take down a call-back, as often as it comes; of what the account has not carried it tells nothing.

    404 for an account that has none, 401 when it is not the provider's, 422 when it makes no sense, 503 when it is
    about a message of which it is not written yet that it has left: the provider tells it again.
    """
    account = await providers.account(clerk.database, clerk.keyring, account_id)
    if account is None:
        raise not_found("provider account")
    try:
        heard = await _read(clerk, account, posted)
    except NotGenuineError:
        log.warning("callback.not_genuine", account_id=str(account_id), provider=account.provider)
        detail = "The signature does not hold, is too old, or the account has no key to check it by."
        raise Problem(401, "callback_not_genuine", "Not genuine", detail) from None
    except MalformedError:
        detail = f"This is not what {account.provider} is known to send."
        raise Problem(422, "callback_malformed", "Not understood", detail) from None
    if await _is_repeated(clerk, account, heard):
        return
    is_early, is_only = False, await providers.is_only(clerk.database, account)
    for start in range(0, len(heard.news), IN_ONE_TRANSACTION):
        async with clerk.database.transaction() as transaction:
            for each in heard.news[start : start + IN_ONE_TRANSACTION]:
                is_early |= not await _apply(transaction, clerk, account, each, is_only=is_only)
    if is_early:
        detail = "It is about a message that has only just left; tell it again."
        raise unavailable("callback_early", detail, 30)
    if heard.once is not None:
        async with clerk.database.autocommit() as connection:
            await store.note(connection, _mark(account, heard.once), heard.once.good_until)


async def _is_repeated(clerk: Clerk, account: Account, heard: Heard) -> bool:
    if heard.once is None:
        return False
    async with clerk.database.autocommit() as connection:
        return await store.is_noted(connection, _mark(account, heard.once))


def _mark(account: Account, once: Once) -> bytes:
    return sha256(account.id.bytes + once.signed_hash).digest()


async def take_mail(clerk: Clerk, source: bytes, recipient: str) -> Returned | None:
    """Take down a mail that came back; None when it is none that is understood, or to no address that we made."""
    returned = read_returned(source, clerk.keyring, recipient)
    if returned is None or returned.notification_id is None:
        return None
    async with clerk.database.transaction() as transaction:
        carried = await delivery.carried(transaction, returned.notification_id)
        if carried is None:
            return None
        match returned.verdict:
            case ReturnVerdict.BOUNCED:
                verdict = Verdict.BOUNCED
            case ReturnVerdict.FAILED:
                verdict = Verdict.FAILED
            case ReturnVerdict.DELIVERED:
                verdict = Verdict.DELIVERED
            case ReturnVerdict.COMPLAINED:
                verdict = Verdict.COMPLAINED
            case ReturnVerdict.DELAYED:
                return returned
        if (reported := REPORTED.get(verdict)) is not None and carried.provider is not None:
            report = Report(reported, *_why(verdict, returned.status))
            await delivery.report_on(transaction, returned.notification_id, carried.provider, report)
        is_mail = carried.recipient is not None and carried.channel is Channel.EMAIL
        if is_mail and await _silence(transaction, clerk, Channel.EMAIL, carried.recipient or "", verdict):
            await _count(transaction, verdict, returned.notification_id)
    return returned


async def _read(clerk: Clerk, account: Account, posted: Posted) -> Heard:
    match account.settings:
        case SendGridSettings() as settings:
            return rules.sendgrid(settings, posted)
        case MailgunSettings() as settings:
            return rules.mailgun(settings, posted)
        case PostmarkSettings() as settings:
            return rules.postmark(settings, posted)
        case TwilioSettings() as settings:
            return texts.twilio(settings, posted)
        case VonageSettings() as settings:
            return texts.vonage(settings, posted)
        case SesSettings() as settings:
            return await _from_amazon(clerk, settings, posted)
        case _:
            raise not_found("call-back of this provider")


async def _from_amazon(clerk: Clerk, settings: SesSettings, posted: Posted) -> Heard:
    told = amazon.envelope(posted.body)
    url = amazon.certificate_url(told)
    if settings.topic_arn is None or told.get("TopicArn") != settings.topic_arn:
        raise NotGenuineError  # before anything is fetched
    try:
        amazon.verify(told, await clerk.certificates.get(url), settings.topic_arn)
        if told["Type"] == "SubscriptionConfirmation" and amazon.is_of_amazon(told.get("SubscribeURL", "")):
            await clerk.certificates.fetch(told["SubscribeURL"])
            log.info("callback.subscribed", host=urlsplit(told["SubscribeURL"]).hostname)
    except httpx.HTTPError as error:
        raise unavailable("amazon_unreachable", "Amazon cannot be asked just now; tell it again.", 30) from error
    return amazon.heard(told, clerk.now) if told["Type"] == "Notification" else Heard([])


async def _apply(transaction: Transaction, clerk: Clerk, account: Account, news: News, *, is_only: bool) -> bool:
    """Take down one thing; False when it is to be told again."""
    if news.is_reply:
        await _heed(transaction, clerk, account, news)
        return True
    notification_id = await _message_of(transaction, clerk, account, news, is_only=is_only)
    if notification_id is None:
        return True
    carried = await delivery.carried(transaction, notification_id)
    is_early = False
    if carried is not None and (reported := REPORTED.get(news.verdict)) is not None:
        report = Report(reported, *_why(news.verdict, news.code))
        told = await delivery.report_on(transaction, notification_id, account.provider, report)
        is_recent = news.occurred_at is None or clerk.now - news.occurred_at < WRITTEN_WITHIN
        is_early = told is None and carried.provider_message_id is None and is_recent
    # A message has one recipient, which is in its record: nobody else's address is silenced by what is told of it.
    recipient = news.recipient if carried is None else carried.recipient or news.recipient
    if recipient is not None and await _silence(transaction, clerk, account.channel, recipient, news.verdict):
        await _count(transaction, news.verdict, notification_id)
    return not is_early


async def _message_of(
    transaction: Transaction, clerk: Clerk, account: Account, news: News, *, is_only: bool
) -> UUID | None:
    """Which message an account tells of; None for one that it has not carried.

    What has no tag of ours has come by the only account of its provider, or nobody knows by which.
    """
    tagged = None if news.tag is None else notification_of(news.tag, clerk.keyring, account.id)
    if tagged is not None or not is_only:
        return tagged
    named = rules.identity(news.tag)  # as before there were tags
    if named is None and news.provider_message_id is not None:
        named = await delivery.carried_as(transaction, account.provider, news.provider_message_id)
    carried = None if named is None else await delivery.carried(transaction, named)
    return named if carried is not None and carried.provider in {None, account.provider} else None


async def _heed(transaction: Transaction, clerk: Clerk, account: Account, news: News) -> None:
    """Do as somebody says who has written back to an account."""
    if news.recipient is None:
        return
    hasher, about = suppressions.hasher_of(clerk.keyring), (account.channel, news.recipient, account.id)
    if news.verdict is Verdict.RESUBSCRIBED:
        await suppressions.start(transaction.connection, hasher, *about)
    elif await suppressions.stop(transaction.connection, hasher, *about, clerk.now):
        await suppressions.tell(transaction, account.channel, SuppressionReason.UNSUBSCRIBE, clerk.now)


async def _silence(transaction: Transaction, clerk: Clerk, channel: Channel, recipient: str, verdict: Verdict) -> bool:
    """Have the address get nothing any more, if that is what follows; whether that is news."""
    reason = SILENCING.get(verdict)
    if reason is None:
        return False
    is_passing = channel is Channel.SMS and reason is SuppressionReason.BOUNCE
    is_news = await suppressions.suppress(
        transaction.connection,
        suppressions.hasher_of(clerk.keyring),
        channel,
        recipient,
        reason,
        expires_at=clerk.now + PHONE_SILENCE if is_passing else None,
    )
    if is_news:
        await suppressions.tell(transaction, channel, reason, clerk.now)
    return is_news


async def _count(transaction: Transaction, verdict: Verdict, notification_id: UUID) -> None:
    """Count a complaint that is news against the batch of the message that it is about."""
    if verdict is Verdict.COMPLAINED:
        await batches.note_complaint(transaction, notification_id)


def _why(verdict: Verdict, code: str | None) -> tuple[str | None, str | None]:
    if verdict is Verdict.DELIVERED:
        return None, None
    return verdict.name.lower(), f"the provider reports {code}" if code else "the provider reports it"
