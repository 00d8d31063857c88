"""Making something once, however often its request is sent under the same `Idempotency-Key`."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from orion_core.http.idempotency import IdempotencyKeys, Work
from orion_user.components import Claims, Wired

Made = TypeVar("Made", bound=BaseModel)

KEY = (
    "Sent again under the same key, within a day, the request makes nothing new and gets the same answer, as long as "
    "the caller may make it."
)


@dataclass(frozen=True)
class Once:
    """One request to make something, and whoever sends it."""

    request: Request
    keys: IdempotencyKeys
    principal: str

    async def make(
        self, work: Work[Made], location: str | None = None, *, tag: Callable[[Made], str] | None = None
    ) -> Response:
        """Answer 201 with what `work` makes; `location` is where it is read, with `{id}` for what it is called there.

        `tag` gives the ETag under which it is changed. `work` recalls what was made before once the caller may make it.
        """

        def answer(made: Made) -> Response:
            headers = {} if location is None else {"Location": location.format_map(made.model_dump())}
            if tag is not None:
                headers["ETag"] = tag(made)
            body = made.model_dump_json(by_alias=True)
            return Response(body, HTTPStatus.CREATED.value, headers, media_type="application/json")

        return await self.keys.once(self.request, self.principal, work, answer, work_recalls=True)


async def _once(
    request: Request,
    wired: Wired,
    claims: Claims,
    _: Annotated[str | None, Header(alias="Idempotency-Key", description=KEY)] = None,
) -> Once:
    return Once(request, wired.idempotency, f"{claims.client_id} {claims.sub}")


MakingOnce = Annotated[Once, Depends(_once)]
"""What makes something once, as a parameter of a route."""
