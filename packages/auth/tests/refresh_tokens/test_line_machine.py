"""A line of refresh tokens against a model of it: any order of refreshes, replays, thieves, waiting and signing out."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from orion_auth.identities import actions as identities
from orion_auth.sessions import actions as sessions
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_auth.tokens.rules import GRACE
from orion_contracts.events import SessionEnded

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

CLIENTS = {name: Bearer(ip_address("192.0.2.1"), name, name) for name in ("owner", "thief")}
GRANTED = ("mail:read", "mail:send")
NARROWER_AND_WIDER = [(), (), (), ("mail:read",), GRANTED, ("mail:read", "mail:delete"), ("mail:delete",)]
"""What a refresh may ask for; nothing: all that the token has."""
WAITS = [timedelta(seconds=seconds) for seconds in (1, 10, 29, 30, 31, 600)] + [timedelta(days=13), timedelta(days=14)]
TELL = f"""
    SELECT
      (SELECT count(*) FROM auth_tokens WHERE session_id = :session AND status = 'ACTIVE') AS living,
      (SELECT count(*) FROM auth_tokens WHERE session_id = :session) AS tokens,
      (SELECT count(*) FROM outbox
       WHERE type = '{SessionEnded.type}' AND data->>'session_id' = CAST(:session AS text)) AS told
"""


class Model:
    """What should be so: the tokens of a line in their order, and when and by whom each but the last was used."""

    def __init__(self, first: str, now: datetime, absolute: timedelta, idle: timedelta) -> None:
        self.tokens = [first]
        self.used: list[tuple[datetime, str]] = []
        self.ends, self.idle, self.idle_until = now + absolute, idle, now + idle
        self.ended = False

    def expected(self, place: int, client: str, now: datetime, scopes: tuple[str, ...] = ()) -> str:
        """What becomes of a token of the line that somebody shows, and asks for `scopes` with."""
        becomes = self._expected(place, client, now)
        return becomes if becomes == "END" or set(scopes) <= set(GRANTED) else "NOTHING"

    def _expected(self, place: int, client: str, now: datetime) -> str:
        if self.ended or now >= self.ends:
            return "NOTHING"
        if place == len(self.used):
            return "NEW" if now < self.idle_until else "NOTHING"
        at, by = self.used[place]
        if now >= at + GRACE or client != by:
            return "END"
        if place + 1 == len(self.used):
            return "SAME"
        return "NOTHING" if self.used[place + 1][1] == client else "END"

    def carried_on(self, token: str, client: str, now: datetime) -> None:
        """The last token was used, and `token` is the last from now on."""
        self.used.append((now, client))
        self.tokens.append(token)
        self.idle_until = now + self.idle


class World:
    """A running auth with one user, asked from another thread."""

    def __init__(self, auth: "Auth", user_id: UUID, loop: asyncio.AbstractEventLoop) -> None:
        self.auth = auth
        self.user_id = user_id
        self.loop = loop
        self.parts = auth.application.state.components
        self.policy = self.parts.gate.session_policy

    @property
    def now(self) -> datetime:
        return self.auth.clock()

    def begin(self) -> sessions.Started:
        """A new session of the owner."""

        async def begin() -> sessions.Started:
            async with self.parts.database.transaction() as transaction:
                identity = await identities.hold(transaction, self.user_id, self.now)
                assert identity is not None
                outbox, bearer = self.parts.outbox, CLIENTS["owner"]
                live = await tokens.live_by_last_use(self.user_id, self.now).alone(transaction.connection)
                return await sessions.begin(
                    transaction, outbox, identity, bearer, ("pwd",), self.now, self.policy, live=live
                )

        return self._wait(begin())

    def refresh(self, token: str, *clients: str, scopes: tuple[str, ...] = ()) -> list[str | None]:
        """What each of them gets who shows the token at the same moment; never more than was granted, or asked for."""

        async def refresh(client: str) -> str | None:
            gate, rotations = self.parts.gate, self.parts.rotations
            grant = await sessions.refresh(gate, rotations, token, CLIENTS[client], self.now, scopes)
            if grant is None:
                return None
            claims = await self.parts.authenticate.examine(grant.access_token.text)
            assert set(claims.scopes) == set(scopes or GRANTED)
            assert set(claims.scopes) <= set(GRANTED)
            return grant.refresh_token

        async def together() -> list[str | None]:
            return list(await asyncio.gather(*map(refresh, clients)))

        return self._wait(together())

    def grant(self, session: UUID) -> None:
        """Give the tokens of a session that has just begun the scopes of which refreshes ask for some."""
        grant = "UPDATE auth_tokens SET scopes = :granted WHERE session_id = :session"
        self._wait(self.auth.execute(grant, granted=list(GRANTED), session=session))

    def sign_out(self, session: UUID) -> None:
        """End a session."""
        self._wait(sessions.sign_out(self.parts.database, self.parts.outbox, self.user_id, session, self.now))

    def tell(self, session: UUID) -> dict[str, int]:
        """How many tokens a session has, how many of them live, and how often its end was told."""
        return self._wait(self.auth.rows(TELL, session=session))[0]

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


class Line(RuleBasedStateMachine):
    """A session; it runs in a thread beside the loop on which auth runs."""

    world: ClassVar[World]
    session: UUID
    model: Model

    @initialize()
    def sign_in(self) -> None:
        started = self.world.begin()
        self.session = started.session.id
        self.world.grant(self.session)
        lifetime = self.world.policy.remembered
        self.model = Model(started.refresh_token, self.world.now, lifetime.absolute, lifetime.idle)

    @rule(
        back=st.integers(0, 3),
        client=st.sampled_from(["owner", "owner", "owner", "thief"]),
        scopes=st.sampled_from(NARROWER_AND_WIDER),
    )
    def show(self, back: int, client: str, scopes: tuple[str, ...]) -> None:
        model = self.model
        place = max(0, len(model.tokens) - 1 - back)
        expected = model.expected(place, client, self.world.now, scopes)
        [got] = self.world.refresh(model.tokens[place], client, scopes=scopes)
        match expected:
            case "NEW":
                assert got is not None and got not in model.tokens
                model.carried_on(got, client, self.world.now)
            case "SAME":
                assert got == model.tokens[place + 1]
            case _:
                assert got is None
                model.ended = model.ended or expected == "END"

    @rule(tabs=st.integers(2, 4))
    def show_in_several_tabs(self, tabs: int) -> None:
        model = self.model
        expected = model.expected(len(model.used), "owner", self.world.now)
        [got] = set(self.world.refresh(model.tokens[-1], *["owner"] * tabs))
        assert (got is not None) == (expected == "NEW")
        if got is not None:
            model.carried_on(got, "owner", self.world.now)

    @rule(really=st.sampled_from([False, False, True]))
    def show_at_once_with_a_thief(self, really: bool) -> None:
        model = self.model
        if really:
            expected = model.expected(len(model.used), "owner", self.world.now)
            got = self.world.refresh(model.tokens[-1], "owner", "thief")
            if expected == "NEW":
                [both] = [token for token in got if token is not None]
                model.carried_on(both, "owner" if got[0] is not None else "thief", self.world.now)
                model.ended = True
            else:
                assert got == [None, None]

    @rule(span=st.sampled_from(WAITS))
    def let_time_pass(self, span: timedelta) -> None:
        self.world.auth.clock.advance(seconds=span.total_seconds())

    @rule(really=st.sampled_from([False, False, False, True]))
    def sign_out(self, really: bool) -> None:
        if really:
            self.world.sign_out(self.session)
            self.model.ended = True

    @invariant()
    def one_token_lives_as_long_as_the_session(self) -> None:
        row = self.world.tell(self.session)
        ended = int(self.model.ended)
        assert row == {"living": 1 - ended, "tokens": len(self.model.tokens), "told": ended}


@pytest.mark.slow
async def test_a_line_of_refresh_tokens_does_what_its_model_does(auth: "Auth") -> None:
    user_id = await auth.verified()
    await auth.execute("DELETE FROM rate_limit_policies")
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    thorough = settings(max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    Line.world = World(auth, user_id, asyncio.get_running_loop())
    await asyncio.to_thread(run_state_machine_as_test, Line, settings=thorough)
