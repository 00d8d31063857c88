"""`Idempotency-Key`: a POST that is sent again takes effect once and gets the same answer.

The key and the answer are written in the transaction that makes the change, so a crash at any moment leaves all of it
or nothing. The answer is sealed, since it may hold tokens. It is given again only once the action has found that the
caller still may, as it was the first time. (draft-ietf-httpapi-idempotency-key-header)
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Generic, TypeVar

from sqlalchemy import MetaData, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
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

Result = TypeVar("Result")


class KeyTakenError(Exception):
    """Another request with this key has taken effect meanwhile; the transaction is rolled back."""


class AnsweredError(Exception):
    """A request with this key has taken effect before; nothing is done, and it is answered as then."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before")
        self.response = response


@dataclass(frozen=True)
class Claim(Generic[Result]):
    """What an action settles in its transaction, so that the change and its answer are one."""

    recall: Callable[[AsyncConnection], Awaitable[None]]
    """Call it as soon as it is known that the caller may do this: what was done before under the key ends here."""
    settle: Callable[[Transaction, Result], Awaitable[None]]
    """Call it last, with what the action returns. Waits for a concurrent request with the same key; its commit wins."""


async def _recall_nothing(_: AsyncConnection) -> None:
    """There is no key to look up."""


async def _settle_nothing(_: Transaction, __: object) -> None:
    """There is no key to settle."""


NO_CLAIM: Claim[Any] = Claim(_recall_nothing, _settle_nothing)
"""For callers without an `Idempotency-Key`."""

Work = Callable[[Claim[Result]], Awaitable[Result]]


class IdempotencyKeys:
    """The keys that callers of one service have used."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    async def once(
        self,
        request: Request,
        principal: str,
        work: Work[Result],
        answer: Callable[[Result], Response],
        *,
        work_recalls: bool = False,
    ) -> Response:
        """Do `work` and answer with what it returns; under a key that was used before, answer as then and do nothing.

        `principal` is who asks, verified: one caller's keys are nothing to another. 422 when the key was used for
        another request. Work that raises settles nothing, so it may be tried again under its key.

        With `work_recalls` it is the work that finds out whether the caller may, and then recalls: until it has, nobody
        is answered as before. Without, whoever comes here may.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return answer(await work(NO_CLAIM))
        use, may = await self._use(request, principal, key), not work_recalls
        if may and (replayed := await self._replay_now(use)) is not None:
            return replayed

        async def recall(connection: AsyncConnection) -> None:
            nonlocal may
            may = True
            if (replayed := await self._replay(connection, use)) is not None:
                raise AnsweredError(replayed)

        async def settle(transaction: Transaction, result: Result) -> None:
            assert may, "settled without having recalled: nobody has found out whether the caller may"
            await self._keep(transaction, use, answer(result))

        try:
            return answer(await work(Claim(recall, settle)))
        except AnsweredError as answered:
            return answered.response
        except (KeyTakenError, Problem, IntegrityError):
            # The same request, sent twice at once: what stood in our way may be what the other has just done.
            if may and (replayed := await self._replay_now(use)) is not None:
                return replayed
            raise

    async def _use(self, request: Request, principal: str, key: str) -> "_Use":
        if not 0 < len(key) <= LONGEST_KEY:
            raise Problem(
                400, "invalid_idempotency_key", "Invalid Idempotency-Key", "Use 1 to 255 characters, best a UUID."
            )
        name = f"{principal}\0{request.method}\0{request.url.path}\0{key}"
        content = request.url.query.encode() + b"\0" + await request.body()
        return _Use(sha256(name.encode()).digest(), content)

    async def _replay_now(self, use: "_Use") -> Response | None:
        async with self._database.autocommit() as connection:
            return await self._replay(connection, use)

    async def _replay(self, connection: AsyncConnection, use: "_Use") -> Response | None:
        statement = select(KEYS).where(KEYS.c.key_hash == use.key_hash, KEYS.c.expires_at > self._clock())
        row = (await connection.execute(statement)).one_or_none()
        if row is None:
            return None
        if not self._keyring.verify_mac(FINGERPRINT, use.content, row.fingerprint):
            detail = "This Idempotency-Key was used for a different request; use a new key for a new request."
            raise Problem(422, "idempotency_key_reused", "Idempotency-Key reused", detail)
        try:
            body = self._keyring.open(row.response_body, use.place)
        except SealError:
            detail = "The request took effect, but its answer can no longer be read; read the resource instead."
            raise Problem(409, "idempotency_answer_lost", "Answer lost", detail) from None
        return Response(body, row.response_status, headers={**row.response_headers, "Idempotency-Replayed": "true"})

    async def _keep(self, transaction: Transaction, use: "_Use", response: Response) -> None:
        """Write the key with its answer; an expired use of the same key makes room (primary key of the table)."""
        now = self._clock()
        values = {
            "fingerprint": self._keyring.mac(FINGERPRINT, use.content),
            "response_status": response.status_code,
            "response_headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
            "response_body": self._keyring.seal(bytes(response.body), use.place),
            "expires_at": now + LIFETIME,
        }
        statement = (
            insert(KEYS)
            .values(key_hash=use.key_hash, **values)
            .on_conflict_do_update(index_elements=[KEYS.c.key_hash], set_=values, where=KEYS.c.expires_at <= now)
            .returning(KEYS.c.key_hash)
        )
        if (await transaction.connection.execute(statement)).one_or_none() is None:
            raise KeyTakenError


@dataclass(frozen=True)
class _Use:
    """One use of a key: its name, hashed without any key of the ring, and what makes the request this one."""

    key_hash: bytes
    content: bytes

    @property
    def place(self) -> str:
        return place("idempotency_keys", "response_body", self.key_hash.hex())
