"""What has been revoked, followed from auth's feed into the memory of every process, so that a check costs no query.

Knowledge gets old when auth cannot be reached, and is old while there is more to hear than was heard. A process that
has not known for `STALE_AFTER` how things stand refuses every token (503): a revoked one must not live on because a
cable was cut, or because its end stands at the end of a long queue.
"""

import asyncio
import random
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

import httpx
import structlog
from pydantic import BaseModel

from orion_contracts.api_keys import ApiKeyEnded
from orion_contracts.claims import AccessClaims
from orion_contracts.cloud_event import CloudEvent
from orion_contracts.events import SecurityEpochRaised, SessionEnded, SessionProved
from orion_core.background import pause, unless_stopped
from orion_core.clock import Clock
from orion_core.errors import Problem, unauthenticated, unavailable
from orion_core.events.client import MOST, WAIT_SECONDS, FeedClient

STALE_AFTER = timedelta(seconds=WAIT_SECONDS + 10)
RETRY_SECONDS = 1.0
PRUNE_EVERY = timedelta(minutes=1)

log = structlog.get_logger()


def token_ended(claims: AccessClaims) -> Problem:
    """The refusal of a token that was good until its session or API key ended."""
    if claims.is_of_api_key:
        return unauthenticated("The API key of this token has ended, or its owner ended all access; get another.")
    return unauthenticated("The session of this access token has ended; sign in again.")


def token_superseded() -> Problem:
    """The refusal of a token that a proof within its session has put another in the place of."""
    return unauthenticated("This access token was replaced when you proved who you are; use the new one, or refresh.")


class EndedSession(BaseModel):
    """A session, or an API key, whose access tokens are refused until the last of them would have died anyway.

    A key's id stands where a session's does (`sid`), in tokens and here.
    """

    session_id: UUID
    tokens_expire_at: datetime


class EndedEpoch(BaseModel):
    """A user whose access tokens of epochs before `epoch` are refused until the last of them would have died anyway."""

    user_id: UUID
    epoch: int
    tokens_expire_at: datetime


class ProvedSession(BaseModel):
    """A session whose access tokens of before a proof are refused until the last of them would have died anyway."""

    session_id: UUID
    proved_at: datetime
    tokens_expire_at: datetime


class RevocationSnapshot(BaseModel):
    """Everything refused at a moment, and the feed position from which to follow on (`GET /auth/v1/revocations`)."""

    sessions: list[EndedSession]
    epochs: list[EndedEpoch] = []
    proofs: list[ProvedSession] = []
    position: int


FOLLOWED = frozenset({SessionEnded.type, SecurityEpochRaised.type, SessionProved.type, ApiKeyEnded.type})


class FollowedRevocations:
    """The refusals of auth, held in memory, each for as long as tokens that it refuses could be alive."""

    def __init__(self, client: FeedClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._ended: dict[str, datetime] = {}
        self._epochs: dict[str, tuple[int, datetime]] = {}
        self._proved: dict[str, tuple[int, datetime]] = {}
        self._position: int | None = None
        self._confirmed_at: datetime | None = None
        self._pruned_at = clock()

    @property
    def fault(self) -> str | None:
        """Why tokens are refused wholesale, if they are; for `/readyz`."""
        return None if self._fresh() else "auth's revocations have not been heard of lately; access tokens are refused"

    async def check(self, claims: AccessClaims) -> None:
        """Refuse a token of an ended session or an earlier epoch; refuse all while our knowledge is stale."""
        if not self._fresh():
            raise unavailable("revocations_stale", "Whether this token was revoked cannot be known just now.", 5)
        if claims.sid is not None and (claims.sid in self._ended or self._is_of_earlier_epoch(claims)):
            raise token_ended(claims)
        if claims.sid in self._proved and (claims.auth_time or 0) < self._proved[claims.sid][0]:
            raise token_superseded()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow auth until `stop`."""
        while not stop.is_set():
            try:
                await unless_stopped(stop, self._step())
            except Exception as error:
                self._note(error)
                await pause(stop, RETRY_SECONDS * random.uniform(0.5, 1))  # noqa: S311

    async def _step(self) -> None:
        asked_at = self._clock()  # an answer tells what was so when it was asked for, at the latest
        is_whole = True
        if self._position is None:
            await self._take_snapshot()
        else:
            batch = await self._client.read(self._position, limit=MOST, types=FOLLOWED)
            self.apply(batch.events)
            self._position, is_whole = batch.next, batch.is_whole
        if is_whole:
            self._confirmed_at = asked_at
        self._prune()

    async def _take_snapshot(self) -> None:
        snapshot = RevocationSnapshot.model_validate_json(await self._client.get("revocations"))
        self._ended = {str(ended.session_id): ended.tokens_expire_at for ended in snapshot.sessions}
        self._epochs = {}
        for over in snapshot.epochs:
            self._raise(over.user_id, over.epoch, over.tokens_expire_at)
        self._proved = {}
        for proof in snapshot.proofs:
            self._supersede(proof.session_id, proof.proved_at, proof.tokens_expire_at)
        self._position = snapshot.position

    def apply(self, events: list[CloudEvent]) -> None:
        """Take in what the feed said."""
        for event in events:
            if event.type == SecurityEpochRaised.type:
                raised = SecurityEpochRaised.read(event.data)
                self._raise(raised.user_id, raised.epoch, raised.tokens_expire_at)
            elif event.type == SessionProved.type:
                proved = SessionProved.read(event.data)
                self._supersede(proved.session_id, proved.proved_at, proved.tokens_expire_at)
            elif event.type == ApiKeyEnded.type:
                key = ApiKeyEnded.read(event.data)
                self._ended[str(key.key_id)] = key.tokens_expire_at
            else:
                ended = SessionEnded.read(event.data)
                self._ended[str(ended.session_id)] = ended.tokens_expire_at

    def _raise(self, user_id: UUID, epoch: int, until: datetime) -> None:
        """An epoch only rises, in whichever order it is told: what the snapshot knows, the feed may tell once more."""
        known = self._epochs.get(str(user_id))
        if known is None or epoch > known[0]:
            self._epochs[str(user_id)] = epoch, until

    def _supersede(self, session_id: UUID, proved_at: datetime, until: datetime) -> None:
        """The last proof counts, in whichever order they are told."""
        known, second = self._proved.get(str(session_id)), int(proved_at.timestamp())
        if known is None or second > known[0]:
            self._proved[str(session_id)] = second, until

    def _is_of_earlier_epoch(self, claims: AccessClaims) -> bool:
        known = self._epochs.get(claims.sub)
        return known is not None and claims.epoch < known[0]

    def _fresh(self) -> bool:
        return self._confirmed_at is not None and self._clock() - self._confirmed_at <= STALE_AFTER

    def _prune(self) -> None:
        now = self._clock()
        if now - self._pruned_at >= PRUNE_EVERY:
            self._ended = {session: until for session, until in self._ended.items() if until > now}
            self._epochs = {user: (epoch, until) for user, (epoch, until) in self._epochs.items() if until > now}
            self._proved = {session: (at, until) for session, (at, until) in self._proved.items() if until > now}
            self._pruned_at = now

    def _note(self, error: Exception) -> None:
        begin_anew = (HTTPStatus.CONFLICT, HTTPStatus.GONE)  # the feed was restored to an earlier state, or pruned
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in begin_anew:
            self._position = None
        if self._fresh():
            log.warning("revocations.unreachable", reason=type(error).__name__)
