"""A token of an ended session is refused as soon as auth's feed says so, and all are while the feed cannot be heard."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from orion_contracts.api_keys import ApiKeyEnded
from orion_contracts.claims import AccessClaims
from orion_contracts.cloud_event import CloudEvent
from orion_contracts.event import Event
from orion_contracts.events import SecurityEpochRaised, SessionEnded, SessionProved
from orion_core.errors import Problem
from orion_core.events.client import FeedClient
from orion_core.ids import uuid7
from orion_core.revocations import (
    FOLLOWED,
    STALE_AFTER,
    EndedEpoch,
    EndedSession,
    FollowedRevocations,
    RevocationSnapshot,
)
from orion_core.service_token import ServiceTokens
from orion_core.testing import MovableClock

URL = "http://auth.test"


class Auth:
    """Auth's feed and its snapshot of what is refused."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.events: list[CloudEvent] = []
        self.away = False
        self.page = 500
        self.before_snapshot: Callable[[], None] | None = None

    def end(self, session_id: UUID) -> None:
        now = self.clock()
        data = SessionEnded(
            session_id=session_id,
            user_id=uuid7(),
            reason="SIGNED_OUT",
            ended_at=now,
            tokens_expire_at=now + timedelta(minutes=10),
        )
        self.tell(data)

    def raise_epoch(self, user_id: UUID, epoch: int) -> None:
        now = self.clock()
        data = SecurityEpochRaised(
            user_id=user_id,
            epoch=epoch,
            reason="REVOKED",
            raised_at=now,
            tokens_expire_at=now + timedelta(minutes=10),
        )
        self.tell(data)

    def tell(self, data: Event) -> None:
        position = len(self.events) + 1
        event = CloudEvent(
            id=uuid7(),
            source="auth",
            type=data.type,
            subject=data.subject,
            time=self.clock(),
            position=position,
            data=data.data(),
        )
        self.events.append(event)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away")
        if request.url.path == "/auth/oauth2/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 600})
        if request.url.path == "/auth/v1/revocations":
            return self._snapshot()
        assert sorted(request.url.params.get_list("type")) == sorted(FOLLOWED)
        after = int(request.url.params["after"])
        if after > len(self.events):
            return httpx.Response(409, json={"code": "position_unknown"})
        await asyncio.sleep(0.01)
        page = [event.model_dump(mode="json") for event in self.events[after : after + self.page]]
        headers = {"Orion-Next-Position": str(after + len(page))}
        if len(page) == self.page:
            headers["Orion-Backlog"] = "true"
        return httpx.Response(200, json=page, headers=headers)

    def _snapshot(self) -> httpx.Response:
        """As auth does: the position first, then the rows."""
        position = len(self.events)
        if self.before_snapshot is not None:
            self.before_snapshot()
        ended = [SessionEnded.read(event.data) for event in self.events if event.type == SessionEnded.type]
        raised = [
            SecurityEpochRaised.read(event.data) for event in self.events if event.type == SecurityEpochRaised.type
        ]
        epochs = [EndedEpoch(user_id=e.user_id, epoch=e.epoch, tokens_expire_at=e.tokens_expire_at) for e in raised]
        sessions = [EndedSession(session_id=e.session_id, tokens_expire_at=e.tokens_expire_at) for e in ended]
        snapshot = RevocationSnapshot(sessions=sessions, epochs=epochs, position=position)
        return httpx.Response(200, text=snapshot.model_dump_json())


@pytest.fixture
def auth(clock: MovableClock) -> Auth:
    return Auth(clock)


@pytest.fixture
async def revocations(auth: Auth, clock: MovableClock) -> AsyncGenerator[FollowedRevocations]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(auth.answer)) as http:
        tokens = ServiceTokens(http, URL, "user", "key", clock)
        yield FollowedRevocations(FeedClient("auth", f"{URL}/auth/v1/events", tokens, http), clock)


@asynccontextmanager
async def following(revocations: FollowedRevocations) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(revocations.run(stop))
    await asyncio.sleep(0.1)
    yield
    stop.set()
    await asyncio.wait_for(task, 5)


def claims(session_id: UUID | None, user_id: UUID | str = "u", epoch: int = 0, **more: object) -> AccessClaims:
    sid = str(session_id) if session_id else None
    values = {"iss": "i", "aud": "orion", "client_id": "web", "exp": 2**31, "iat": 0, "jti": "1"}
    return AccessClaims.model_validate(values | {"sub": str(user_id), "sid": sid, "epoch": epoch} | more)


async def refusal(
    revocations: FollowedRevocations, session_id: UUID | None, user_id: UUID | str = "u", epoch: int = 0
) -> int:
    with pytest.raises(Problem) as problem:
        await revocations.check(claims(session_id, user_id, epoch))
    return problem.value.status


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orion_core.revocations.RETRY_SECONDS", 0.01)


async def test_before_auth_was_heard_nobody_is_let_in(revocations: FollowedRevocations) -> None:
    assert await refusal(revocations, uuid7()) == 503
    assert revocations.fault


async def test_a_session_that_ends_is_refused_within_a_moment(auth: Auth, revocations: FollowedRevocations) -> None:
    session, other = uuid7(), uuid7()
    async with following(revocations):
        await revocations.check(claims(session))
        auth.end(session)
        await asyncio.sleep(0.2)
        assert await refusal(revocations, session) == 401
        await revocations.check(claims(other))
        await revocations.check(claims(None))  # a service's token belongs to no session
        assert revocations.fault is None


async def test_tokens_of_an_earlier_epoch_are_refused_within_a_moment(
    auth: Auth, revocations: FollowedRevocations
) -> None:
    user, other = uuid7(), uuid7()
    async with following(revocations):
        await revocations.check(claims(uuid7(), user, 2))
        auth.raise_epoch(user, 3)
        await asyncio.sleep(0.2)
        assert [await refusal(revocations, uuid7(), user, epoch) for epoch in (0, 2)] == [401, 401]
        await revocations.check(claims(uuid7(), user, 3))
        await revocations.check(claims(uuid7(), other, 2))


async def test_tokens_of_before_a_proof_are_refused_within_a_moment(
    auth: Auth, revocations: FollowedRevocations, clock: MovableClock
) -> None:
    session, proved_at = uuid7(), clock().replace(microsecond=0)
    second = int(proved_at.timestamp())
    until = clock() + timedelta(minutes=10)
    async with following(revocations):
        before, after = claims(session, auth_time=second - 1), claims(session, auth_time=second)
        await revocations.check(before)
        auth.tell(SessionProved(session_id=session, user_id=uuid7(), proved_at=proved_at, tokens_expire_at=until))
        await asyncio.sleep(0.2)
        for refused in (before, claims(session)):
            with pytest.raises(Problem, match="replaced"):
                await revocations.check(refused)
        await revocations.check(after)
        await revocations.check(claims(uuid7(), auth_time=second - 1))


async def test_tokens_of_a_key_that_ended_are_refused_within_a_moment(
    auth: Auth, revocations: FollowedRevocations, clock: MovableClock
) -> None:
    key, until = uuid7(), clock() + timedelta(minutes=10)
    async with following(revocations):
        token = claims(key, "service:billing", client_id="orn_live_Abc123Abc123")
        await revocations.check(token)
        auth.tell(ApiKeyEnded(key_id=key, reason="REVOKED", ended_at=clock(), tokens_expire_at=until))
        await asyncio.sleep(0.2)
        with pytest.raises(Problem, match="API key"):
            await revocations.check(token)


async def test_an_epoch_that_was_over_before_we_started_is_refused_and_never_comes_back(
    auth: Auth, revocations: FollowedRevocations
) -> None:
    """The snapshot may know a later epoch than the events that the feed still tells."""
    user = uuid7()

    def raise_twice() -> None:
        auth.raise_epoch(user, 1)
        auth.raise_epoch(user, 2)

    auth.before_snapshot = raise_twice
    async with following(revocations):
        assert await refusal(revocations, uuid7(), user, 1) == 401
        await revocations.check(claims(uuid7(), user, 2))
        auth.before_snapshot = None


async def test_what_ended_before_we_started_is_refused(auth: Auth, revocations: FollowedRevocations) -> None:
    auth.end(session := uuid7())
    async with following(revocations):
        assert await refusal(revocations, session) == 401


async def test_what_ends_while_the_snapshot_is_made_is_refused(auth: Auth, revocations: FollowedRevocations) -> None:
    """Between the position and the rows it is in both, after the rows it is in the feed: never in neither."""
    session, late = uuid7(), uuid7()
    auth.before_snapshot = lambda: auth.end(session)
    async with following(revocations):
        auth.before_snapshot = None
        auth.end(late)
        await asyncio.sleep(0.2)
        assert [await refusal(revocations, ended) for ended in (session, late)] == [401, 401]


async def test_when_auth_falls_silent_all_are_refused_until_it_speaks_again(
    auth: Auth, revocations: FollowedRevocations, clock: MovableClock
) -> None:
    session, ended_meanwhile = uuid7(), uuid7()
    async with following(revocations):
        auth.away = True
        await asyncio.sleep(0.05)
        clock.advance(seconds=STALE_AFTER.total_seconds() - 1)
        await revocations.check(claims(session))
        clock.advance(seconds=1.001)
        with pytest.raises(Problem) as refused:
            await revocations.check(claims(session))
        assert (refused.value.status, refused.value.code) == (503, "revocations_stale")
        assert await refusal(revocations, None) == 503 and revocations.fault, "a service's token too"
        auth.end(ended_meanwhile)
        auth.away = False
        await asyncio.sleep(0.3)
        await revocations.check(claims(session))
        assert await refusal(revocations, ended_meanwhile) == 401 and revocations.fault is None


async def test_an_answer_says_nothing_of_the_time_after_it_was_asked_for(
    auth: Auth, revocations: FollowedRevocations, clock: MovableClock
) -> None:
    """A page that hung on its way for longer than we dare not to know does not make us dare again."""
    async with following(revocations):
        pass
    slow = auth.answer

    async def hang(request: httpx.Request) -> httpx.Response:
        answer = await slow(request)
        clock.advance(seconds=STALE_AFTER.total_seconds() + 1)
        return answer

    revocations._client._http = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    auth.end(uuid7())
    await revocations._step()
    assert await refusal(revocations, uuid7()) == 503


async def test_while_there_is_more_to_hear_than_was_heard_all_are_refused(
    auth: Auth, revocations: FollowedRevocations, clock: MovableClock
) -> None:
    """That auth answers is not that its answer is the last word: the end of this very session may be in the next."""
    await revocations._step()
    auth.page = 2
    for session in (sessions := [uuid7() for _ in range(5)]):
        auth.end(session)
    for _ in range(2):
        clock.advance(seconds=STALE_AFTER.total_seconds() - 1)
        await revocations._step()
    assert await refusal(revocations, sessions[-1]) == 503
    assert revocations.fault
    await revocations._step()
    assert await refusal(revocations, sessions[-1]) == 401
    assert revocations.fault is None


async def test_a_feed_that_was_set_back_is_read_anew(auth: Auth, revocations: FollowedRevocations) -> None:
    session, forgotten = uuid7(), uuid7()
    auth.end(forgotten)
    auth.end(forgotten)
    async with following(revocations):
        auth.events = []  # restored from a backup in which the session was alive
        auth.end(session)
        await asyncio.sleep(0.3)
        assert await refusal(revocations, session) == 401
        await revocations.check(claims(forgotten))


async def test_what_no_token_can_need_any_more_is_forgotten(
    auth: Auth, revocations: FollowedRevocations, clock: MovableClock
) -> None:
    auth.end(uuid7())
    auth.raise_epoch(uuid7(), 1)
    async with following(revocations):
        assert len(revocations._ended) == len(revocations._epochs) == 1
        clock.advance(minutes=10, seconds=1)
        await asyncio.sleep(0.1)
        assert revocations._ended == revocations._epochs == {}
