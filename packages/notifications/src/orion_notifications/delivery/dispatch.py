"""The loop of a worker: claim, send, write back.

Claims and write-backs are batches. Between them lies one task per message where a channel waits for somebody, and
nothing but a function call where it does not; all of it outside any transaction. Results are written back as they come,
so a slow receiver holds up nobody but itself. Whatever happens to this process, a lease runs out and another worker
takes over.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from operator import attrgetter
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import first_of
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.database_faults import database_reason, sqlstate
from orion_core.sealing import Keyring
from orion_core.wakeup import Wakeup
from orion_notifications.delivery import lease_store as store
from orion_notifications.delivery import metrics, outcomes
from orion_notifications.delivery.lanes import Lane
from orion_notifications.delivery.messages import (
    Admit,
    AtOnce,
    Claimed,
    Message,
    NotDeliveredError,
    Outcome,
    Receipt,
    Ruling,
    Send,
    admit_all,
)
from orion_notifications.delivery.pace import WRITE_SECONDS, Pace, cancel
from orion_notifications.delivery.prepare import Linking, prepare, unlinked
from orion_notifications.delivery.rules import AttemptStatus, Failure
from orion_notifications.kinds import Channel
from orion_notifications.templates.actions import Library
from orion_notifications.templates.rules import Content, TemplateFaultError

LARGEST_WRITE = 500
DATABASE_PAUSE_SECONDS = 1.0
SLICE_SECONDS = 0.01
"""How long a batch of a channel that waits for nobody keeps the others from the event loop."""
SWEEP_SECONDS = 1.0
"""How often, at most, the whole queue is looked through, and not only what came since the last claim."""
SWEEP_SHARE = 20
"""The look takes one part in so many of the time; with an old snapshot in the way it may take long."""

log = structlog.get_logger()


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
        at_once: Mapping[Channel, AtOnce] | None = None,
        admit: Admit = admit_all,
        written: Callable[[Sequence[Outcome]], None] = metrics.tell_finished,
        linking: Linking = unlinked,
    ) -> None:
        self._database = database
        self._queue = queue
        self._keyring = keyring
        self._channels = channels
        self._at_once = at_once or {}
        self._clock = clock
        self._pace = pace
        self._admit = admit
        self._written = written
        self._linking = linking
        self._library = Library(database)
        self._lanes = {channel: self._lane(channel) for channel in Channel}
        self._sending: set[asyncio.Task[None]] = set()
        self._outcomes: asyncio.Queue[tuple[Claimed, Outcome]] = asyncio.Queue()
        self._room_made = asyncio.Event()
        self._suspect: UUID | None = None
        """In hand, one at a time: its last worker did not come back, and it may be why."""
        self._next_sweep = 0.0
        self._is_stopping = False

    def _lane(self, channel: Channel) -> Lane:
        """Of a channel that nothing is set up for, messages fail at once."""
        if channel in self._at_once or channel not in self._channels:
            return Lane(channel, self._pace.batch, is_at_once=True, is_dead=channel not in self._at_once)
        return Lane(channel, self._pace.slots, min(self._pace.urgent_slots, self._pace.slots - 1))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then end within `stop_seconds` and a little, with nothing left in hand."""
        others = [asyncio.create_task(self._write_back()), asyncio.create_task(self._give_back(stop))]
        taking = asyncio.create_task(self._take_until(stop))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([taking, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._wind_up(taking)
            await cancel(stopped, *others)
        if not taking.cancelled():
            taking.result()

    async def _take_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._take(stop)

    async def _wind_up(self, taking: asyncio.Task[None]) -> None:
        """Let what is on its way arrive, and hand the rest back rather than leave it to its lease."""
        self._is_stopping = True
        await asyncio.wait([taking, *self._sending], timeout=self._pace.stop_seconds)
        await cancel(taking)
        await cancel(*self._sending)
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_SECONDS):
                while any(lane.in_hand for lane in self._lanes.values()):
                    self._room_made.clear()
                    await self._room_made.wait()

    async def _take(self, stop: asyncio.Event) -> None:
        """Claim as much as there is room for; wait when there is no room, or nothing to do."""
        ring = self._queue.next_ring()  # before looking, so no ring is missed
        self._room_made.clear()
        claimed = await self._admitted(await self._claim())
        batches = [
            (lane, [each for each in claimed if each.channel is channel]) for channel, lane in self._lanes.items()
        ]
        for lane, batch in batches:
            for each in [] if lane.is_at_once else batch:
                task = asyncio.create_task(self._work(each))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        for lane, batch in batches:
            if lane.is_at_once and batch:
                await self._deliver(lane, batch)
        if not any(lane.is_worth_a_claim for lane in self._lanes.values()):
            await first_of(self._queue.wait(self._pace.poll_seconds, ring), self._room_made.wait(), stop.wait())

    async def _claim(self) -> list[Claimed]:
        began = _now()
        everything = began >= self._next_sweep
        asks = [ask for lane in self._lanes.values() if (ask := lane.ask(everything=everything))]
        if not asks:
            return []
        lease, ageing = timedelta(seconds=self._pace.lease_seconds), timedelta(seconds=self._pace.ageing_seconds)
        at_once = [lane.channel for lane in self._lanes.values() if lane.is_at_once]
        try:
            async with self._database.autocommit() as connection:
                lost = 0 if self._suspect else 1
                claimed = await store.claim(connection, asks, lease, ageing, at_once=at_once, lost=lost)
        except (SQLAlchemyError, OSError) as error:
            log.warning("queue.unreachable", reason=database_reason(error))
            await asyncio.sleep(DATABASE_PAUSE_SECONDS)
            return []
        if everything:
            self._next_sweep = _now() + max(SWEEP_SECONDS, SWEEP_SHARE * (_now() - began))
        for ask in asks:
            of_channel = [each for each in claimed if each.channel is ask.channel]
            self._lanes[ask.channel].take(ask, of_channel)
            if of_channel:
                metrics.tell_claimed(ask.channel, of_channel)
        claimed.sort(key=attrgetter("lost_leases"))
        if claimed and claimed[-1].lost_leases:
            self._suspect = claimed[-1].id
        return claimed

    async def _admitted(self, claimed: list[Claimed]) -> list[Claimed]:
        """Those that go out now; of the others it is written why not. If that is not decided in time, none goes out."""
        try:
            async with asyncio.timeout(self._pace.admit_seconds):
                rulings: Mapping[UUID, Ruling] = await self._admit(claimed) if claimed else {}
        except asyncio.CancelledError:  # the worker stops: what it has in hand goes back
            self._fail(claimed, outcomes.NOT_TRIED)
            raise
        except Exception:
            log.exception("delivery.undecided", notifications=len(claimed))
            self._fail(claimed, outcomes.UNDECIDED)
            return []
        if not rulings:
            return claimed
        for each in claimed:
            if each.id in rulings:
                self._settle(each, outcomes.ruled(each, rulings[each.id]))
        return [each for each in claimed if each.id not in rulings]

    async def _deliver(self, lane: Lane, batch: list[Claimed]) -> None:
        """Send by a channel that waits for nobody: all in a row, and written back together."""
        began = _now()
        left = list(reversed(batch))
        done: list[tuple[Claimed, Outcome]] = []
        try:
            await self._warm_up(batch)
            until = began + min(self._pace.lease_seconds / 2, self._pace.prepare_seconds)
            yielded = now = _now()
            while left and now < until and not self._is_stopping:
                if self._suspect and done and left[-1].id == self._suspect:
                    await self._write(done)
                    done = []
                done.append((left[-1], await self._deliver_one(left[-1], now)))
                left.pop()
                now = _now()
                if now - yielded > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    yielded = now
            lane.size(len(batch) - len(left) or 1, _now() - began)
        except asyncio.CancelledError:
            self._settle_all(done)
            self._fail(left, outcomes.NOT_TRIED)
            raise
        self._fail(left, outcomes.NOT_TRIED if self._is_stopping else outcomes.OUT_OF_TIME)
        await self._write(done)

    async def _warm_up(self, batch: Sequence[Claimed]) -> None:
        """Have the templates of a batch at hand, so that none of its messages has to wait for one."""
        wanted = {(each.template_id, each.template_version, each.locale or "en") for each in batch}
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.prepare_seconds / 2):
                for template_id, version, locale in wanted:
                    if template_id is not None and version is not None:
                        with suppress(TemplateFaultError, SQLAlchemyError, OSError):  # told of each message
                            await self._library.get(template_id, version, locale)

    async def _deliver_one(self, claimed: Claimed, began: float) -> Outcome:
        try:
            self._check(claimed)
            message, content = await prepare(claimed, self._library, self._keyring, self._linking)
            receipt = self._at_once[claimed.channel](message)
            return outcomes.sent(claimed, receipt, content, _milliseconds(began))
        except NotDeliveredError as error:
            return outcomes.failed(claimed, error.failure, self._clock, provider=error.provider)
        except Exception as error:
            return self._broken(claimed, error)

    async def _work(self, claimed: Claimed) -> None:
        """Send by a channel that waits for somebody."""
        began: float | None = None
        try:
            message, content = await self._prepare(claimed)
            began = _now()
            receipt = await self._hand_over(claimed.channel, message)
            outcome = outcomes.sent(claimed, receipt, content, _milliseconds(began))
        except NotDeliveredError as error:
            took = _milliseconds(began)
            outcome = outcomes.failed(claimed, error.failure, self._clock, provider=error.provider, took=took)
        except asyncio.CancelledError:  # by `_wind_up` alone, which wants to know what has become of it
            failure = outcomes.NOT_TRIED if began is None else outcomes.INTERRUPTED
            outcome = outcomes.failed(claimed, failure, self._clock, took=_milliseconds(began))
        except Exception as error:
            outcome = self._broken(claimed, error)
        self._settle(claimed, outcome)

    def _check(self, claimed: Claimed) -> None:
        if self._is_stopping:
            raise NotDeliveredError(outcomes.NOT_TRIED)
        if claimed.expires_at is not None and claimed.expires_at <= self._clock():
            raise outcomes.not_delivered("expired", "it was not sent before it expired")
        if self._lanes[claimed.channel].is_dead:
            raise outcomes.not_delivered("no_provider", f"nothing is set up to send by {claimed.channel.name}")

    async def _prepare(self, claimed: Claimed) -> tuple[Message, Content | None]:
        self._check(claimed)
        try:
            async with asyncio.timeout(self._pace.prepare_seconds):
                return await prepare(claimed, self._library, self._keyring, self._linking)
        except TimeoutError as error:
            raise NotDeliveredError(outcomes.NOT_PREPARED) from error

    async def _hand_over(self, channel: Channel, message: Message) -> Receipt:
        try:
            async with asyncio.timeout(self._pace.send_seconds):
                return await self._channels[channel](message)
        except TimeoutError as error:
            raise NotDeliveredError(outcomes.SEND_TIMEOUT) from error

    def _broken(self, claimed: Claimed, error: Exception) -> Outcome:
        log.error("delivery.failed", notification_id=str(claimed.id), channel=claimed.channel.name, exc_info=error)
        failure = Failure(AttemptStatus.FAILURE, "internal_error", type(error).__name__, is_permanent=False)
        return outcomes.failed(claimed, failure, self._clock)

    def _fail(self, claimed: Sequence[Claimed], failure: Failure) -> None:
        self._settle_all([(each, outcomes.failed(each, failure, self._clock)) for each in claimed])

    def _settle(self, claimed: Claimed, outcome: Outcome) -> None:
        self._outcomes.put_nowait((claimed, outcome))

    def _settle_all(self, done: Sequence[tuple[Claimed, Outcome]]) -> None:
        for claimed, outcome in done:
            self._settle(claimed, outcome)

    async def _write_back(self) -> None:
        """Write results until cancelled: those that came while the last write was under way go together."""
        while True:
            done = [await self._outcomes.get()]
            while not self._outcomes.empty() and len(done) < LARGEST_WRITE:
                done.append(self._outcomes.get_nowait())
            await self._write(done)

    async def _write(self, done: Sequence[tuple[Claimed, Outcome]]) -> None:
        if not done:
            return
        try:
            await self._finish([outcome for _, outcome in done])
        except Exception:
            log.exception("delivery.unwritable", notifications=[str(claimed.id) for claimed, _ in done[:20]])
        for claimed, _ in done:
            self._lanes[claimed.channel].release(claimed)
            if self._suspect and claimed.id == self._suspect:  # it has come through, and the next one's turn is here
                self._suspect = None
                self._room_made.set()
        if self._is_stopping or any(lane.is_worth_a_claim for lane in self._lanes.values()):
            self._room_made.set()

    async def _finish(self, finished: list[Outcome]) -> None:
        """Repeats until the database answers. The lease is the fence: a repetition after a lost reply is harmless."""
        while True:
            try:
                async with self._database.autocommit() as connection:
                    held = await store.finish(connection, finished)
            except (SQLAlchemyError, OSError) as error:
                if _is_about_values(error):
                    await self._finish_apart(finished)
                    return
                log.warning("queue.unreachable", reason=database_reason(error))
                await asyncio.sleep(DATABASE_PAUSE_SECONDS)
                continue
            if len(held) < len(finished):
                for lost in (outcome for outcome in finished if outcome.id not in held):
                    log.warning("delivery.lease_lost", notification_id=str(lost.id), attempt=lost.attempt)
            self._written(finished)
            return

    async def _finish_apart(self, finished: list[Outcome]) -> None:
        """One result cannot be written: it must not keep the others from it.

        It is written without words and content, since a message that has left is not to leave once more. If that does
        not help either, its lease runs out.
        """
        if len(finished) > 1:
            for outcome in finished:
                await self._finish([outcome])
            return
        (outcome,) = finished
        log.error("delivery.unwritable", notification_id=str(outcome.id), attempt=outcome.attempt)
        bare = Outcome(
            outcome.id,
            outcome.attempt,
            outcome.attempt_status,
            outcome.next,
            outcome.delay_seconds,
            outcome.due_at,
            error_code=outcome.error_code,
            ordering_key=outcome.ordering_key,
        )
        if bare != outcome:
            await self._finish([bare])

    async def _give_back(self, stop: asyncio.Event) -> None:
        """Return what other workers have left behind, and name the lane of what has none."""
        while not stop.is_set():
            began = _now()
            try:
                async with self._database.autocommit() as connection:
                    returned = await store.give_back(connection, LARGEST_WRITE)
                    adopted = await store.adopt(connection, LARGEST_WRITE)
                if returned:
                    log.warning("queue.leases_expired", notifications=[str(id) for id in returned[:20]])
                if returned or adopted:
                    self._queue.ring()
                if LARGEST_WRITE in (len(returned), adopted):
                    continue
            except (SQLAlchemyError, OSError) as error:
                log.warning("queue.not_taken_back", reason=database_reason(error))
            pause = max(self._pace.give_back_seconds, SWEEP_SHARE * (_now() - began))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)


def _is_about_values(error: Exception) -> bool:
    """Whether PostgreSQL refuses what is to be written, rather than being unable to write (SQLSTATE 22 and 23)."""
    return sqlstate(error)[:2] in {"22", "23"}


def _milliseconds(began: float | None) -> int | None:
    return None if began is None else round((_now() - began) * 1000)


def _now() -> float:
    return time.monotonic()
