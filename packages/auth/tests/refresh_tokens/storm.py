"""Many sessions refreshed by several tabs at once through processes that are killed, with thieves among them."""

import asyncio
import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from multiprocessing.process import BaseProcess
from random import Random
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import uvloop
from sqlalchemy import text

from orion_auth.app import build, create_app
from orion_auth.service import service
from orion_auth.settings import AuthSettings
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer, NewSession
from orion_auth.tokens.rules import GRACE
from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.http.embedded import serving
from orion_core.ids import uuid7
from orion_core.local.ports import LOOPBACK, free_port
from orion_core.testing import TestDatabase

OWNER, THIEF = "Owner/1", "Thief/1"
LOSSES = 0.1
"""The share of answers that never reach whoever asked."""
PATIENCE_SECONDS = GRACE.total_seconds() - 5
AT_ONCE = 24
"""Sessions that are refreshed at the same time."""

Theft = Literal["FROM_ELSEWHERE", "TOO_LATE", "AHEAD"]
"""How a thief uses his copy: one step behind from another client, one step behind with all that its owner shows but
later than the grace, or before its owner does."""

THEFTS: tuple[Theft, ...] = ("FROM_ELSEWHERE", "TOO_LATE", "AHEAD")

_AGE = "UPDATE auth_tokens SET last_used_at = last_used_at - make_interval(secs => :seconds) WHERE token = :selector"
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@dataclass
class Session:
    """What the tabs of a user share who is signed in."""

    id: UUID
    tokens: list[str]
    theft: Theft | None

    @property
    def selector(self) -> str:
        """Of the token that its owner holds."""
        return self.tokens[-1].partition(".")[0]


@dataclass
class Storm:
    """Processes, sessions, and what became of them."""

    environment: dict[str, str]
    owner: Database
    rounds: int
    tabs: int
    kill_at: set[int]
    """After so many refreshes a process is killed."""
    random: Random = field(default_factory=lambda: Random(20261126))
    servers: dict[int, BaseProcess] = field(default_factory=dict[int, BaseProcess])
    in_hand: Counter[int] = field(default_factory=Counter[int])
    sessions: list[Session] = field(default_factory=list[Session])
    refreshes: int = 0
    lost: int = 0
    cut: int = 0
    """Requests that a process had in hand when it was killed."""
    killed: int = 0
    kills: list["asyncio.Task[None]"] = field(default_factory=list["asyncio.Task[None]"])
    strange: list[str] = field(default_factory=list[str])
    """Answers that should not have been given."""

    def start_server(self, port: int) -> None:
        """Start, or start again, the process that listens on a port."""
        self.servers[port] = _processes.Process(target=_serve, args=(port, self.environment), daemon=True)
        self.servers[port].start()

    async def refresh(self, token: str, client: str = OWNER) -> str | None:
        """Refresh by whichever process, again and again until there is an answer: the successor, or None."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                port = self.random.choice(list(self.servers))
                self.in_hand[port] += 1
                try:
                    status, answer = await self._ask(port, token, client)
                except (OSError, EOFError, ValueError):
                    await asyncio.sleep(0.01)
                    continue
                finally:
                    self.in_hand[port] -= 1
                if status in (200, 400):
                    return answer.get("refresh_token")
                self.strange.append(f"{status} {answer}")
                return None

    async def _ask(self, port: int, token: str, client: str) -> tuple[int, dict[str, Any]]:
        """One try. Some hang up without waiting for the answer, some lose it on its way."""
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        body = urlencode({"grant_type": "refresh_token", "refresh_token": token, "device_id": client})
        head = (
            f"POST /auth/oauth2/token HTTP/1.1\r\nHost: auth\r\nUser-Agent: {client}\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write((head + body).encode())
            self._count()
            if (fate := self.random.random()) < LOSSES / 2:
                await asyncio.sleep(fate / 10)
                self.lost += 1
                raise EOFError
            try:
                answer = await reader.read()
                first, _, content = answer.partition(b"\r\n\r\n")
                status, told = int(first.split(maxsplit=2)[1]), json.loads(content)
            except (OSError, IndexError, ValueError):
                self.cut += 1
                raise EOFError from None
            if fate < LOSSES:
                self.lost += 1
                raise EOFError
            return status, told
        finally:
            writer.close()

    def _count(self) -> None:
        self.refreshes += 1
        if self.refreshes in self.kill_at:
            self.kills.append(asyncio.create_task(self._kill_one()))

    async def _kill_one(self) -> None:
        """SIGKILL the process that has most in hand, and start it again."""
        port = max(self.servers, key=lambda port: self.in_hand[port])
        process = self.servers[port]
        process.kill()
        await asyncio.to_thread(process.join)
        self.killed += 1
        self.start_server(port)

    async def life(self, session: Session) -> None:
        """What a session goes through."""
        for _ in range(self.rounds):
            successors = await self._all_tabs(session)
            if len(successors) != 1 or None in successors:
                self.strange.append(f"tabs of {session.id} got {len(successors)} answers: {successors}")
                return
            session.tokens += [successor for successor in successors if successor is not None]
        if session.theft is not None:
            await self._steal(session, session.theft)
            if await self._all_tabs(session) != {None}:
                self.strange.append(f"{session.id} outlived a theft: {session.theft}")

    async def _all_tabs(self, session: Session) -> set[str | None]:
        """What the tabs get that refresh at the same moment."""
        return set(await asyncio.gather(*(self.refresh(session.tokens[-1]) for _ in range(self.tabs))))

    async def _steal(self, session: Session, theft: Theft) -> None:
        behind, present = session.tokens[-2:]
        match theft:
            case "FROM_ELSEWHERE":
                got = await self.refresh(behind, THIEF)
            case "TOO_LATE":
                # While he imitates all that the owner shows and keeps within the grace, he gets no line of his own.
                if await self.refresh(behind) != present:
                    self.strange.append(f"{session.id} has two lines")
                async with self.owner.autocommit() as connection:
                    values = {"seconds": GRACE.total_seconds(), "selector": behind.partition(".")[0]}
                    await connection.execute(text(_AGE), values)
                got = await self.refresh(behind)
            case "AHEAD":
                of_thief = await self.refresh(present, THIEF)
                if of_thief is None or await self.refresh(present) is not None:
                    self.strange.append(f"of two who had {session.id} the second got something")
                    return
                got = await self.refresh(of_thief, THIEF)
        if got is not None:
            self.strange.append(f"the thief of {session.id} got something: {theft}")


async def blow(
    database: TestDatabase,
    settings: dict[str, Any],
    *,
    processes: int,
    sessions: int,
    rounds: int,
    tabs: int,
    kills: int,
) -> Storm:
    """Have a storm, and tell what became of it."""
    environment = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    owner = Database.connect(database.owner_url, role=None, application="storm", pool_size=4)
    moments = {sessions * rounds * tabs * n // (kills + 1) for n in range(1, kills + 1)}
    storm = Storm(environment | {"ORION_LOG_LEVEL": "error", "ORION_POOL_SIZE": "4"}, owner, rounds, tabs, moments)
    with _ended(storm):
        for _ in range(processes):
            storm.start_server(free_port())
        await _sign_in(storm, settings, sessions)  # meanwhile
        room = asyncio.Semaphore(AT_ONCE)

        async def life(session: Session) -> None:
            async with room:
                await storm.life(session)

        await _listening(storm)
        await asyncio.gather(*(life(session) for session in storm.sessions))
        await asyncio.gather(*storm.kills)
    await owner.close()
    return storm


@contextmanager
def _ended(storm: Storm) -> Generator[None]:
    try:
        yield
    finally:
        for process in storm.servers.values():
            process.kill()


async def _listening(storm: Storm) -> None:
    """Until every process takes connections."""
    async with asyncio.timeout(120):
        for port in storm.servers:
            while True:
                try:
                    _, writer = await asyncio.open_connection(LOOPBACK, port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break


async def _sign_in(storm: Storm, settings: dict[str, Any], count: int) -> None:
    """Sessions without sign-ins, since a password costs as much as a hundred refreshes; each user has two."""
    parts = build(AuthSettings.model_validate(settings)).state.components
    users = [uuid7() for _ in range(count // 2)]
    async with storm.owner.transaction() as transaction:
        await service.seed(transaction.connection, "reference")
        widened = "UPDATE rate_limit_policies SET \"limit\" = 1000 WHERE endpoint = 'refresh'"
        await transaction.connection.execute(text(widened))
        query = "INSERT INTO identities (id, email, status, email_verified_at) VALUES (:id, :email, 'ACTIVE', now())"
        people = [{"id": user, "email": f"{user}@example.com"} for user in users]
        await transaction.connection.execute(text(query), people)
    bearer, lifetime = Bearer(ip_address(LOOPBACK), OWNER, OWNER), parts.gate.session_policy.remembered
    now = system_clock()
    async with parts.database.transaction() as transaction:
        for n in range(count):
            ends, session_id = now + lifetime.absolute, uuid7()
            session = NewSession(session_id, users[n // 2], now, ends, lifetime.idle, "orion", ("pwd",), 0)
            first = tokens.issue_refresh(transaction, session, bearer)
            theft = THEFTS[n // 8 % len(THEFTS)] if n % 8 == 0 else None
            storm.sessions.append(Session(session_id, [first], theft))
    await parts.signer.ready()
    await parts.database.close()


def _serve(port: int, environment: dict[str, str]) -> None:
    """One process of auth."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(environment)
    uvloop.run(_until_killed(port))


async def _until_killed(port: int) -> None:
    application = create_app()
    async with application.router.lifespan_context(application), serving(application, LOOPBACK, port):
        await asyncio.Event().wait()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
