"""Reading another service's feed over HTTP, as that service allows: with a token got for our service key."""

from dataclasses import dataclass
from http import HTTPStatus

import httpx
from pydantic import TypeAdapter

from orion_contracts.cloud_event import CloudEvent
from orion_core.service_token import Tokens

WAIT_SECONDS = 5
"""How long one read waits at the feed; also how old our knowledge of an idle feed can get."""

NEXT_POSITION = "Orion-Next-Position"

BACKLOG = "Orion-Backlog"
"""Given with a page after which there may be more already."""

MOST = 500
"""Events of one page."""

TIMEOUT = httpx.Timeout(5.0, read=WAIT_SECONDS + 5.0)

_events = TypeAdapter(list[CloudEvent])


@dataclass(frozen=True)
class FeedBatch:
    """Some events in order, and the position to read on from."""

    events: list[CloudEvent]
    next: int
    is_whole: bool
    """Whether nothing was missed by whoever had read as far as this when it was asked for."""


class FeedClient:
    """The feed of the service called `source`, at `url` (`…/auth/v1/events`)."""

    def __init__(self, source: str, url: str, tokens: Tokens, http: httpx.AsyncClient) -> None:
        self.source = source
        self._url = url
        self._tokens = tokens
        self._http = http

    async def read(self, after: int, *, limit: int = 100, types: frozenset[str] = frozenset()) -> FeedBatch:
        """The next events after a position; waits a few seconds for one.

        Raises httpx.HTTPError when the feed does not answer well, ValueError or KeyError when the answer is no feed's.
        """
        answer = await self._ask(
            self._url, {"after": after, "limit": limit, "wait": WAIT_SECONDS, "type": sorted(types)}
        )
        events = _events.validate_json(answer.content)
        if any(event.source != self.source for event in events):
            raise ValueError(f"{self._url} is not the feed of {self.source}")
        return FeedBatch(events, int(answer.headers[NEXT_POSITION]), is_whole=BACKLOG not in answer.headers)

    async def get(self, name: str) -> bytes:
        """The body of a resource beside the feed, such as `revocations`. Raises httpx.HTTPError."""
        return (await self._ask(self._url.rpartition("/")[0] + f"/{name}", {})).content

    async def _ask(self, url: str, query: dict[str, str | int | list[str]]) -> httpx.Response:
        headers = await self._tokens.headers("GET", url)
        answer = await self._http.get(url, params=query, headers=headers, timeout=TIMEOUT)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._tokens.forget()
        return answer.raise_for_status()
