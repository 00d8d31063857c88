"""`Idempotency-Key`: a POST that is sent again takes effect once and gets the same answer.

The key is claimed in the transaction that makes the change, so a crash at any moment leaves either both or neither. The
answer is stored afterwards, sealed, since it may hold tokens. (draft-ietf-httpapi-idempotency-key-header)
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog
from sqlalchemy import MetaData, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request
from starlette.responses import Response

from orion_core.clock import Clock
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.house import add_tables
from orion_core.sealing import Keyring, SealError, place

LIFETIME = timedelta(hours=24)
LONGEST_KEY = 255
KEPT_HEADERS = ("content-type", "location", "etag")
FINGERPRINT = "idempotency fingerprint"

_tables = MetaData()
add_tables(_tables)
KEYS = _tables.tables["idempotency_keys"]

log = structlog.get_logger()


@dataclass(frozen=True)
class Claim:
    """The right to make one change under a key; without a key it asks nothing."""

    key_hash: bytes = b""
    fingerprint: bytes = b""
    claimed_at: datetime | None = None

    async def take(self, transaction: Transaction) -> None:
        """Claim the key in the transaction that makes the change; a 409 Problem when another request has it.

        A concurrent request with the same key waits here for the first one's commit (primary key of idempotency_keys).
        """
        if self.claimed_at is None:
            return
        values = {
            "fingerprint": self.fingerprint,
            "expires_at": self.claimed_at + LIFETIME,
            "response_status": None,
            "response_body": None,
        }
        claimed = (
            insert(KEYS)
            .values(key_hash=self.key_hash, **values)
            .on_conflict_do_update(
                index_elements=[KEYS.c.key_hash], set_=values, where=KEYS.c.expires_at <= self.claimed_at
            )
            .returning(KEYS.c.key_hash)
        )
        if (await transaction.connection.execute(claimed)).one_or_none() is None:
            raise _in_use()


NO_CLAIM = Claim()

Work = Callable[[Claim], Awaitable[Response]]


class IdempotencyKeys:
    """The keys that callers of one service have used."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    async def once(self, request: Request, principal: str, work: Work) -> Response:
        """Do `work` under the request's key, or give the answer that it got before.

        `principal` is who asks, verified: one caller's keys are nothing to another. 422 when the key was used for
        another request; 409 when that request is still under way, or took effect and its answer was lost.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return await work(NO_CLAIM)
        claim = await self._claim(request, principal, key)
        row = await self._find(claim.key_hash)
        if row is not None:
            return self._replay(row, await _content(request), claim)
        answer = await work(claim)
        try:
            await self._store(claim, answer)
        except (DBAPIError, PoolTimeoutError, ConnectionError) as error:  # it took effect: the caller should know
            log.warning("idempotency.answer_lost", reason=type(error).__name__)
        return answer

    async def _claim(self, request: Request, principal: str, key: str) -> Claim:
        if not 0 < len(key) <= LONGEST_KEY:
            raise Problem(
                400, "invalid_idempotency_key", "Invalid Idempotency-Key", "Use 1 to 255 characters, best a UUID."
            )
        name = f"{principal}\0{request.method}\0{request.url.path}\0{key}"
        return Claim(
            key_hash=sha256(name.encode()).digest(),  # no key of the ring, which may be rotated meanwhile
            fingerprint=self._keyring.mac(FINGERPRINT, await _content(request)),
            claimed_at=self._clock(),
        )

    async def _find(self, key_hash: bytes) -> Any:
        statement = select(KEYS).where(KEYS.c.key_hash == key_hash, KEYS.c.expires_at > self._clock())
        async with self._database.autocommit() as connection:
            return (await connection.execute(statement)).one_or_none()

    def _replay(self, row: Any, content: bytes, claim: Claim) -> Response:
        if not self._keyring.verify_mac(FINGERPRINT, content, row.fingerprint):
            detail = "This Idempotency-Key was used for a different request; use a new key for a new request."
            raise Problem(422, "idempotency_key_reused", "Idempotency-Key reused", detail)
        if row.response_status is None:
            raise _in_use()
        try:
            body = self._keyring.open(row.response_body, _place(claim))
        except SealError:
            raise _in_use() from None
        headers = {**row.response_headers, "Idempotency-Replayed": "true"}
        return Response(body, row.response_status, headers=headers)

    async def _store(self, claim: Claim, answer: Response) -> None:
        """Keep the answer of a change that claimed the key; of one that was refused there is no row to keep it in."""
        headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
        statement = (
            update(KEYS)
            .where(KEYS.c.key_hash == claim.key_hash)
            .values(
                response_status=answer.status_code,
                response_headers=headers,
                response_body=self._keyring.seal(bytes(answer.body), _place(claim)),
            )
        )
        async with self._database.autocommit() as connection:
            await connection.execute(statement)


async def _content(request: Request) -> bytes:
    """What makes a request this one: its query and its body."""
    return request.url.query.encode() + b"\0" + await request.body()


def _place(claim: Claim) -> str:
    return place("idempotency_keys", "response_body", sha256(claim.key_hash).hexdigest())


def _in_use() -> Problem:
    detail = (
        "A request with this Idempotency-Key is being worked on, or took effect and its answer was lost. "
        "Wait a moment and repeat it; if this stays, read the resource instead."
    )
    return Problem(409, "idempotency_key_in_use", "Idempotency-Key in use", detail, headers={"Retry-After": "1"})
