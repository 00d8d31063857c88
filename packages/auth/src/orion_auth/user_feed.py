"""Following user's feed: auth hears there of API keys."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import httpx

from orion_auth.signer import AccessTokenSigner
from orion_contracts.event import Event
from orion_core.access_tokens import audience_of
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.events.client import FeedClient
from orion_core.events.follow import Follower, Handler
from orion_core.http.feed import SCOPE
from orion_core.proof_key import ProofKey


class OwnTokens:
    """The tokens that auth shows to user, which it signs itself; with `bound`, to a key of this process."""

    def __init__(self, signer: AccessTokenSigner, clock: Clock, *, bound: bool) -> None:
        self._signer = signer
        self._clock = clock
        self._proofs = ProofKey(clock) if bound else None

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """What this one request is sent with."""
        jkt = self._proofs.jkt if self._proofs is not None else None
        token = await self._signer.for_service("auth", SCOPE, self._clock(), audience=audience_of("user"), jkt=jkt)
        if self._proofs is None:
            return {"Authorization": f"Bearer {token.text}"}
        return self._proofs.headers(method, url, token.text)

    def forget(self) -> None:
        """Nothing is kept."""


class UserFeed:
    """The feed of the user service at `url`."""

    def __init__(
        self,
        url: str,
        http: httpx.AsyncClient,
        tokens: OwnTokens,
        database: Database,
        clock: Clock,
        handlers: Mapping[type[Event], Handler],
    ) -> None:
        client = FeedClient("user", f"{url.rstrip('/')}/user/v1/events", tokens, http)
        self.follower = Follower(client, database, clock, handlers)

    def is_fresh(self, now: datetime, within: timedelta) -> bool:
        """Whether user was heard of within this time."""
        heard_at = self.follower.state.contact_at
        return heard_at is not None and now - heard_at <= within

    async def fault(self) -> str | None:
        """Why the feed does not move, if it does not; for `/readyz`."""
        state = self.follower.state
        return state.fault or ("user has not answered yet" if state.contact_at is None else None)
