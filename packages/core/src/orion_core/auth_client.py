"""auth, as the other services use it: its events, its keys, and whom it has sent away."""

from collections.abc import Mapping, Sequence

import httpx

from orion_contracts.event import Event
from orion_core.access_tokens import TokenVerifier, audience_of
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.dpop import ProofReader
from orion_core.events.client import FeedClient
from orion_core.events.follow import Follower, Handler
from orion_core.http.application import Background
from orion_core.http.authentication import Authenticator
from orion_core.http.health import Check
from orion_core.revocations import FollowedRevocations
from orion_core.service_token import ServiceTokens, Signing
from orion_core.settings import ServiceSettings


class AuthClient:
    """Follows auth on behalf of the service called `name`, which shows `service_key` to it."""

    def __init__(
        self,
        settings: ServiceSettings,
        name: str,
        service_key: str | Signing,
        http: httpx.AsyncClient,
        database: Database,
        clock: Clock,
        handlers: Mapping[type[Event], Handler],
    ) -> None:
        self._url = settings.auth_url
        self._http = http
        bound = settings.dpop_required == "all"
        tokens = ServiceTokens(http, self._url, name, service_key, clock, bound=bound)
        feed = FeedClient("auth", f"{self._url}/auth/v1/events", tokens, http)
        self.follower = Follower(feed, database, clock, handlers)
        self.revocations = FollowedRevocations(feed, clock)
        verifier = TokenVerifier(self._fetch_keys, settings.issuer, audience_of(name), clock)
        proofs = ProofReader(settings.public_urls)
        self.authenticate = Authenticator(verifier, self.revocations, proofs, clock, bound_only=bound)

    @property
    def background(self) -> Sequence[Background]:
        """What has to run beside the requests."""
        return (self.follower.run, self.revocations.run)

    @property
    def checks(self) -> Mapping[str, Check]:
        """What `/readyz` tells of auth."""

        async def feed() -> str | None:
            state = self.follower.state
            return state.fault or ("auth has not answered yet" if state.contact_at is None else None)

        async def revocations() -> str | None:
            return self.revocations.fault

        return {"auth feed": feed, "auth revocations": revocations}

    async def _fetch_keys(self) -> dict[str, object]:
        answer = await self._http.get(f"{self._url}/auth/.well-known/jwks.json")
        return answer.raise_for_status().json()
