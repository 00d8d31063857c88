"""Who carries a message: the accounts of a channel, each with a circuit breaker and its share of a limit.

An account that refuses for a reason of its own or of its provider's is passed over for the next in the same try. One
that may have taken the message ends the try: nobody else is asked, since the message would arrive twice. What nobody
has room for goes back unsent, and does not count as a try.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil, inf
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause
from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.wakeup import Wakeup
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault
from orion_notifications.kinds import Channel
from orion_notifications.providers import actions as providers
from orion_notifications.providers.actions import Account
from orion_notifications.providers.rules import SLOW_SECONDS, Candidate, ProviderHealth, Standing, in_order

REFRESH_SECONDS = 5.0
FAILOVER_SECONDS = 15.0
"""Nobody new is asked in a try that has taken this long: its lease must not run out."""
TOKENS_SECONDS = 0.2
"""For so long a worker takes tokens ahead; what it has not used after a second is lost, and only makes it slower."""
TOKENS_KEPT_SECONDS = 1.0
MOST_TOKENS = 100
PATIENCE_SECONDS = 4.0
"""For a token, or a probe of another message, within a try; less than a worker that is stopped gives its messages."""
PROBE_SECONDS = 0.1
NO_ERRORS = frozenset({AttemptStatus.RATE_LIMITED, AttemptStatus.NOT_TRIED})
"""Who waits as he was asked to, or asks him to wait, works."""
SHORTEST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=5)

log = structlog.get_logger()


class Driver(Protocol):
    """What speaks to one provider."""

    async def send(self, message: Message) -> Receipt:
        """Hand a message over; raises NotDeliveredError."""
        ...

    async def close(self) -> None:
        """Let go of what it keeps."""
        ...


Ask = Callable[[Any], Awaitable[Receipt]]
"""What is asked of a driver: to send, or, of those of push services, to call one device."""


@dataclass
class Line:
    """One account in use by this worker; `account` is None for the one that the environment sets up."""

    driver: Driver
    provider: str
    account: Account | None = None
    standing: Standing = field(default_factory=Standing)
    is_probing: bool = False
    blocked_until: float = 0.0
    """As the provider has asked."""
    tokens: int = 0
    tokens_until: float = 0.0
    empty_until: float = 0.0
    """Until when the bucket, as it said, has nothing for anybody."""
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    told: ProviderHealth = ProviderHealth.HEALTHY
    heard_at: datetime | None = None

    @property
    def id(self) -> UUID | None:
        """The account's."""
        return None if self.account is None else self.account.id

    def candidate(self) -> Candidate:
        """It, as one to choose from."""
        weight = 1 if self.account is None else self.account.weight
        return Candidate(self.id, weight, self.standing.health, random.random())  # noqa: S311 - shares of load

    def wait(self, at: float) -> float:
        """For how many seconds it must not be asked."""
        if self.standing.health is ProviderHealth.DOWN and self.is_probing:
            return PROBE_SECONDS
        return max(self.standing.paused_until, self.blocked_until) - at


Make = Callable[[Account], Driver]
"""Makes the driver of an account."""


class Roster:
    """The accounts of all channels, as this worker knows them; `run` keeps them as they are in the database."""

    def __init__(
        self, database: Database, keyring: Keyring, bell: Wakeup, make: Make, defaults: Mapping[Channel, Line]
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._bell = bell
        self._make = make
        self._defaults = defaults
        self._lines: dict[UUID, Line] = {}
        self._refreshing = asyncio.Lock()
        self.is_known = False
        """Whether the accounts have been read; before that, nothing is sent by guess."""

    def lines(self, channel: Channel, provider: str | None = None) -> list[Line]:
        """The lines of a channel (and provider); the environment's while no account of the channel is enabled."""
        of_channel = [
            line
            for line in self._lines.values()
            if line.account is not None and line.account.channel is channel and line.account.is_enabled
        ]
        if not of_channel and channel in self._defaults:
            of_channel = [self._defaults[channel]]
        return [line for line in of_channel if provider is None or line.provider == provider]

    async def load(self, stop: asyncio.Event) -> None:
        """Read the accounts for the first time, as soon as the database answers."""
        while not stop.is_set() and not self.is_known:
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                log.warning("providers.unreadable", reason=type(error).__name__)
                await pause(stop, 1)

    async def run(self, stop: asyncio.Event) -> None:
        """Take up what administrators change, and tell what was measured, until `stop`."""
        while not stop.is_set():
            ring = self._bell.next_ring()
            with suppress(SQLAlchemyError, OSError):
                await self.refresh()
            waiting = asyncio.create_task(self._bell.wait(REFRESH_SECONDS, ring))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([waiting, stopped], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            stopped.cancel()

    async def refresh(self) -> None:
        """Write what has changed here, then read what has changed elsewhere."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        for id, line in self._lines.items():
            if line.told is not line.standing.health:
                line.told = line.standing.health
                await providers.tell_health(self._database, id, line.told)
        present = {account.id: account for account in await providers.accounts(self._database, self._keyring)}
        leaving = [line for id, line in self._lines.items() if not _is_same(line, present.get(id))]
        self._lines = {id: self._line(account) for id, account in present.items()}
        self.is_known = True
        for line in leaving:
            await line.driver.close()

    def _line(self, account: Account) -> Line:
        known = self._lines.get(account.id)
        if known is None or not _is_same(known, account):
            return Line(self._make(account), account.provider, account, heard_at=account.health_changed_at)
        known.account = account
        if account.health_changed_at != known.heard_at:
            known.heard_at = account.health_changed_at
            if account.health is not known.told:
                known.standing = known.standing.told(account.health, _now())
        return known

    async def token(self, line: Line) -> float:
        """Take what lets one message through; returns 0, or the seconds until the next is there."""
        account = line.account
        if account is None or account.rate_limit is None:
            return 0.0
        async with line.taking:  # one asks the bucket for all who wait
            now = _now()
            if line.tokens and now < line.tokens_until:
                line.tokens -= 1
                return 0.0
            if now < line.empty_until:
                return line.empty_until - now
            wanted = ceil(account.rate_limit / account.rate_limit_seconds * TOKENS_SECONDS)
            try:
                granted, wait = await providers.take_tokens(self._database, account, min(max(1, wanted), MOST_TOKENS))
            except (SQLAlchemyError, OSError):
                granted, wait = 0, 1.0
            if not granted:
                line.empty_until = now + max(wait, 0.001)
                return max(wait, 0.001)
            line.tokens, line.tokens_until = granted - 1, now + TOKENS_KEPT_SECONDS
            return 0.0

    def changed(self, line: Line) -> None:
        """Note that a line's health is another now."""
        log.warning(
            "provider.health", account_id=str(line.id), provider=line.provider, health=line.standing.health.name
        )
        self._bell.ring()

    async def close(self) -> None:
        """Close every driver."""
        for line in [*self._lines.values(), *self._defaults.values()]:
            await line.driver.close()


class Carrier:
    """Sends by a channel, through whichever of its accounts does it. One `provider` alone where that is given."""

    def __init__(self, roster: Roster, channel: Channel, provider: str | None = None) -> None:
        self._roster = roster
        self._channel = channel
        self._provider = provider

    @property
    def is_set_up(self) -> bool:
        """Whether there is anybody who carries."""
        return bool(self._roster.lines(self._channel, self._provider))

    async def send(self, message: Message) -> Receipt:
        """Hand a message over; raises NotDeliveredError."""
        return await self.carry(lambda driver: driver.send(message), message.id)

    async def carry(self, ask: Ask, notification_id: UUID) -> Receipt:
        """Ask one account after the other for something; raises NotDeliveredError.

        Where the next token is near, it is waited for: to go back into the queue costs more, and would be for nothing.
        """
        began = _now()
        while True:
            receipt, refused, soonest = await self._round(ask, notification_id, began)
            if receipt is not None:
                return receipt
            if refused is not None:
                raise refused
            if _now() - began + soonest > PATIENCE_SECONDS:
                raise no_room(soonest)
            await asyncio.sleep(soonest)

    async def _round(
        self, ask: Ask, notification_id: UUID, began: float
    ) -> tuple[Receipt | None, NotDeliveredError | None, float]:
        """Ask each that may be asked now: the receipt, or the last refusal, or in how many seconds one may be asked."""
        refused: NotDeliveredError | None = None
        soonest = inf
        for line in self._in_order():
            wait = line.wait(_now()) if _now() - began < FAILOVER_SECONDS else inf
            if wait <= 0:
                wait = await self._roster.token(line)
            if wait > 0:
                soonest = min(soonest, wait)
                continue
            try:
                return await self._ask(line, ask), None, 0.0
            except NotDeliveredError as error:
                failure = error.failure
                if failure.fault is Fault.MESSAGE or failure.may_have_left or failure.is_permanent:
                    raise
                told = {"account_id": str(line.id), "error_code": failure.code}
                log.info("delivery.passed_over", notification_id=str(notification_id), **told)
                refused = error
        return None, refused, soonest

    def _in_order(self) -> Sequence[Line]:
        if not self._roster.is_known:
            raise no_room(1.0)
        lines = {line.id: line for line in self._roster.lines(self._channel, self._provider)}
        if not lines:
            words = f"nothing is set up to send by {self._channel.name}"
            raise NotDeliveredError(Failure(AttemptStatus.FAILURE, "no_provider", words, is_permanent=True))
        return [lines[id] for id in in_order(line.candidate() for line in lines.values())]

    async def _ask(self, line: Line, ask: Ask) -> Receipt:
        began, is_probe = _now(), line.standing.health is ProviderHealth.DOWN
        line.is_probing = line.is_probing or is_probe
        is_error = is_theirs = False
        try:
            return await ask(line.driver)
        except NotDeliveredError as error:
            failure = error.failure
            is_theirs = failure.fault is Fault.MESSAGE
            is_error = not is_theirs and failure.status not in NO_ERRORS
            if failure.retry_after and not is_theirs:
                line.blocked_until = max(line.blocked_until, _now() + failure.retry_after.total_seconds())
            raise
        except asyncio.CancelledError:  # the worker's patience is over, or the worker is
            is_error = _now() - began >= SLOW_SECONDS
            raise
        finally:
            if is_probe:
                line.is_probing = False
            before = line.standing.health
            seconds = 0.0 if is_theirs else _now() - began  # a browser's service that hangs is no slow account
            line.standing = line.standing.answered(_now(), is_error=is_error, seconds=seconds, is_probe=is_probe)
            if line.standing.health is not before:
                self._roster.changed(line)


def no_room(seconds: float) -> NotDeliveredError:
    """Nobody may be asked now; the message was not tried.

    Those that wait come back spread out, and not all when there is room for one.
    """
    base = LONGEST_WAIT if seconds == inf else min(max(timedelta(seconds=seconds), SHORTEST_WAIT), LONGEST_WAIT)
    wait = base * (1 + random.random())  # noqa: S311 - jitter
    words = "every account of the channel is at its limit or down"
    failure = Failure(AttemptStatus.NOT_TRIED, "no_room", words, is_permanent=False, fault=Fault.ACCOUNT)
    return NotDeliveredError(replace(failure, retry_after=wait))


def _is_same(line: Line, account: Account | None) -> bool:
    """Whether a line's driver still fits: everything else of an account may change under it."""
    present = line.account
    return present is not None and account is not None and present.settings == account.settings


def _now() -> float:
    return asyncio.get_running_loop().time()
