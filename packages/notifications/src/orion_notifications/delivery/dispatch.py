"""The loop of a worker: claim, send, write back.

Claims and write-backs are batches; what lies between them is one task per message and outside any transaction. Results
are written back as they come, so a slow receiver holds up nobody but itself. Whatever happens to this process, a lease
runs out and another worker takes over.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.wakeup import Wakeup
from orion_notifications.delivery import store
from orion_notifications.delivery.messages import (
    Admit,
    Claimed,
    Message,
    NotDeliveredError,
    Outcome,
    Receipt,
    Ruling,
    Send,
)
from orion_notifications.delivery.prepare import prepare
from orion_notifications.delivery.rules import AttemptStatus, Failure, Next, after_failure
from orion_notifications.kinds import Category, Channel
from orion_notifications.templates.actions import Library
from orion_notifications.templates.rules import Content

LARGEST_WRITE = 500
DATABASE_PAUSE_SECONDS = 1.0
CANCEL_SECONDS = 0.5
WRITE_SECONDS = 1.5
"""For the last results to be written when the worker stops; what is not is left to its lease."""

NOT_PREPARED = Failure(AttemptStatus.FAILURE, "not_prepared", "its template was not to be had", is_permanent=False)
NOT_TRIED = Failure(AttemptStatus.NOT_TRIED, "worker_stopped", "the worker was stopped before", is_permanent=False)
INTERRUPTED = Failure(
    AttemptStatus.UNKNOWN, "worker_stopped", "the worker was stopped meanwhile; it may have left", is_permanent=False
)
UNDECIDED = Failure(
    AttemptStatus.NOT_TRIED,
    "undecided",
    "whether it may go out could not be decided",
    is_permanent=False,
    retry_after=timedelta(seconds=5),
)
SEND_TIMEOUT = Failure(AttemptStatus.TIMEOUT, "send_timeout", "the provider took too long", is_permanent=False)

log = structlog.get_logger()


async def admit_all(_: Sequence[Claimed]) -> Mapping[UUID, Ruling]:
    """Nothing is held back."""
    return {}


@dataclass(frozen=True)
class Pace:
    """How a worker goes about it. A try is cut off well before its lease ends."""

    slots: int = 8
    """Messages in hand at once, and so connections to a provider at most. None waits for another: one that did would be
    late through no fault of its provider, could outlive its lease unsent, and would be in doubt if the worker died."""
    lease_seconds: float = 60.0
    prepare_seconds: float = 10.0
    """For looking up its template and rendering it."""
    send_seconds: float = 40.0
    """For the provider to take it, from when it is ready to be handed over."""
    poll_seconds: float = 1.0
    """How late a message is at most when a wake-up was lost, or a retry has become due."""
    give_back_seconds: float = 5.0
    stop_seconds: float = 6.0
    """For messages that are on their way when the worker is to stop. Who stops processes kills them after ten."""


class Dispatcher:
    """One worker. Any number of them may work on one database."""

    def __init__(
        self,
        *,
        database: Database,
        queue: Wakeup,
        keyring: Keyring,
        channels: Mapping[Channel, Send],
        clock: Clock,
        pace: Pace,
        admit: Admit = admit_all,
    ) -> None:
        self._database = database
        self._queue = queue
        self._keyring = keyring
        self._channels = channels
        self._clock = clock
        self._pace = pace
        self._admit = admit
        self._library = Library(database)
        self._sending: set[asyncio.Task[None]] = set()
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self._slots_changed = asyncio.Event()
        self._in_hand = 0
        self._is_stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then end within `stop_seconds` and a little, with nothing left in hand."""
        others = [asyncio.create_task(self._write_back()), asyncio.create_task(self._give_back(stop))]
        taking = asyncio.create_task(self._take_until(stop))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([taking, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._wind_up(taking)
            await _cancel(stopped, *others)
        if not taking.cancelled():
            taking.result()

    async def _take_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._take(stop)

    async def _wind_up(self, taking: asyncio.Task[None]) -> None:
        """Let what is on its way arrive, and hand the rest back rather than leave it to its lease."""
        self._is_stopping = True
        await asyncio.wait([taking, *self._sending], timeout=self._pace.stop_seconds)
        await _cancel(taking)
        await _cancel(*self._sending)
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_SECONDS):
                while self._in_hand:
                    self._slots_changed.clear()
                    await self._slots_changed.wait()

    async def _take(self, stop: asyncio.Event) -> None:
        """Claim as much as there is room for; wait when there is no room, or nothing to do."""
        room = self._pace.slots - self._in_hand
        if room < max(1, self._pace.slots // 4):  # small claims cost as much as large ones
            self._slots_changed.clear()
            await _first(self._slots_changed.wait(), stop.wait())
            return
        news = asyncio.create_task(self._queue.wait(self._pace.poll_seconds))  # before looking, so no ring is missed
        claimed = await self._claim(room)
        self._in_hand += len(claimed)
        for notification in await self._admitted(claimed):
            task = asyncio.create_task(self._work(notification))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if len(claimed) < room:
            await _first(news, stop.wait())
        news.cancel()

    async def _claim(self, room: int) -> list[Claimed]:
        try:
            async with self._database.autocommit() as connection:
                rows = await store.claim(connection, room, self._pace.lease_seconds)
        except (SQLAlchemyError, OSError) as error:
            log.warning("queue.unreachable", reason=type(error).__name__)
            await asyncio.sleep(DATABASE_PAUSE_SECONDS)
            return []
        return [_claimed(dict(row)) for row in rows]

    async def _admitted(self, claimed: list[Claimed]) -> list[Claimed]:
        """Those that go out now; of the others it is written why not. If that cannot be decided, none goes out."""
        try:
            rulings = await self._admit(claimed) if claimed else {}
        except asyncio.CancelledError:  # the worker stops: what it has in hand goes back
            for each in claimed:
                self._outcomes.put_nowait(self._failed(each, NOT_TRIED))
            raise
        except Exception:
            log.exception("delivery.undecided", notifications=len(claimed))
            rulings = None
        for each in claimed:
            if rulings is None:
                self._outcomes.put_nowait(self._failed(each, UNDECIDED))
            elif each.id in rulings:
                self._outcomes.put_nowait(_ruled(each, rulings[each.id]))
        return [] if rulings is None else [each for each in claimed if each.id not in rulings]

    async def _work(self, claimed: Claimed) -> None:
        began: float | None = None
        try:
            message, content = await self._prepare(claimed)
            began = _now()
            outcome = _sent(claimed, await self._hand_over(claimed.channel, message), content)
        except NotDeliveredError as error:
            outcome = self._failed(claimed, error.failure, error.provider)
        except asyncio.CancelledError:  # by `_wind_up` alone, which wants to know what has become of it
            outcome = self._failed(claimed, NOT_TRIED if began is None else INTERRUPTED)
        except Exception as error:
            log.exception("delivery.failed", notification_id=str(claimed.id), channel=claimed.channel.name)
            failure = Failure(AttemptStatus.FAILURE, "internal_error", type(error).__name__, is_permanent=False)
            outcome = self._failed(claimed, failure)
        took = None if began is None else round((_now() - began) * 1000)
        self._outcomes.put_nowait(replace(outcome, response_time_ms=took))

    async def _prepare(self, claimed: Claimed) -> tuple[Message, Content | None]:
        if self._is_stopping:
            raise NotDeliveredError(NOT_TRIED)
        if claimed.expires_at is not None and claimed.expires_at <= self._clock():
            raise _not_delivered("expired", "it was not sent before it expired")
        if claimed.channel not in self._channels:
            raise _not_delivered("no_provider", f"nothing is set up to send by {claimed.channel.name}")
        try:
            async with asyncio.timeout(self._pace.prepare_seconds):
                return await prepare(claimed, self._library, self._keyring)
        except TimeoutError as error:
            raise NotDeliveredError(NOT_PREPARED) from error

    async def _hand_over(self, channel: Channel, message: Message) -> Receipt:
        try:
            async with asyncio.timeout(self._pace.send_seconds):
                return await self._channels[channel](message)
        except TimeoutError as error:
            raise NotDeliveredError(SEND_TIMEOUT) from error

    def _failed(self, claimed: Claimed, failure: Failure, provider: str | None = None) -> Outcome:
        verdict = after_failure(
            failure,
            attempts=claimed.attempts,
            max_attempts=claimed.max_attempts,
            now=self._clock(),
            expires_at=claimed.expires_at,
            chance=random.random(),  # noqa: S311 - jitter
        )
        log.info(
            "delivery.refused",
            notification_id=str(claimed.id),
            attempt=claimed.attempt,
            error_code=failure.code,
            next=verdict.next.name,
        )
        return Outcome(
            claimed.id,
            claimed.attempt,
            claimed.attempt_id,
            failure.status,
            verdict.next,
            delay=verdict.delay,
            provider=provider,
            status_code=failure.status_code,
            error_code=failure.code,
            error_message=failure.message,
        )

    async def _write_back(self) -> None:
        """Write results until cancelled: those that came while the last write was under way go together."""
        while True:
            outcomes = [await self._outcomes.get()]
            while not self._outcomes.empty() and len(outcomes) < LARGEST_WRITE:
                outcomes.append(self._outcomes.get_nowait())
            try:
                await self._finish(outcomes)
            except Exception:
                log.exception("delivery.unwritable", notifications=[str(outcome.id) for outcome in outcomes])
            self._in_hand -= len(outcomes)
            self._slots_changed.set()

    async def _finish(self, outcomes: list[Outcome]) -> None:
        """Repeats until the database answers. The lease is the fence: a repetition after a lost reply is harmless."""
        while True:
            try:
                async with self._database.autocommit() as connection:
                    held = await store.finish(connection, outcomes)
            except (SQLAlchemyError, OSError) as error:
                if _is_about_values(error):
                    await self._finish_apart(outcomes)
                    return
                log.warning("queue.unreachable", reason=type(error).__name__)
                await asyncio.sleep(DATABASE_PAUSE_SECONDS)
                continue
            for lost in (outcome for outcome in outcomes if outcome.id not in held):
                log.warning("delivery.lease_lost", notification_id=str(lost.id), attempt=lost.attempt)
            return

    async def _finish_apart(self, outcomes: list[Outcome]) -> None:
        """One result cannot be written: it must not keep the others from it. Its lease runs out."""
        if len(outcomes) == 1:
            log.error("delivery.unwritable", notification_id=str(outcomes[0].id), attempt=outcomes[0].attempt)
            return
        for outcome in outcomes:
            await self._finish([outcome])

    async def _give_back(self, stop: asyncio.Event) -> None:
        """Return what other workers have left behind."""
        while not stop.is_set():
            with suppress(SQLAlchemyError, OSError):
                async with self._database.autocommit() as connection:
                    returned = await store.give_back(connection, LARGEST_WRITE)
                if returned:
                    log.warning("queue.leases_expired", notifications=[str(id) for id in returned[:20]])
                    self._queue.ring()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._pace.give_back_seconds)


def _claimed(row: dict[str, Any]) -> Claimed:
    row["channel"] = Channel[row["channel"]]
    row["category"] = Category[row["category"]]
    return Claimed(**row)


def _sent(claimed: Claimed, receipt: Receipt, content: Content | None) -> Outcome:
    return Outcome(
        claimed.id,
        claimed.attempt,
        claimed.attempt_id,
        AttemptStatus.SUCCESS,
        receipt.next,
        provider=receipt.provider,
        provider_message_id=receipt.provider_message_id,
        status_code=receipt.status_code,
        response=receipt.response,
        content=content,
    )


def _ruled(claimed: Claimed, ruling: Ruling) -> Outcome:
    is_put_off = ruling.next is Next.QUEUED
    return Outcome(
        claimed.id,
        claimed.attempt,
        claimed.attempt_id,
        AttemptStatus.NOT_TRIED,
        ruling.next,
        due_at=ruling.due_at if is_put_off else None,
        deferred_reason=ruling.words if is_put_off else None,
        error_code=ruling.code,
        error_message=ruling.words,
    )


def _is_about_values(error: Exception) -> bool:
    """SQLSTATE class 22 (data exception) or 23 (integrity constraint violation): the same again would fail again."""
    state = str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")
    return state.startswith(("22", "23"))


def _not_delivered(code: str, message: str) -> NotDeliveredError:
    return NotDeliveredError(Failure(AttemptStatus.FAILURE, code, message, is_permanent=True))


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    """End these; again, if need be: before Python 3.12 `wait_for` loses a cancellation that comes with its result."""
    while alive := [task for task in tasks if not task.done()]:
        for task in alive:
            task.cancel()
        await asyncio.wait(alive, timeout=CANCEL_SECONDS)


async def _first(*waiting: Any) -> None:
    """Return when the first of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
