"""Keyset paging: a page is asked for by the last row seen, so page 1,000 costs what page 1 does.

A cursor is opaque and signed. It is good only for the listing, filters and sort it was made for, so nobody can build
one, carry it to another listing or smuggle values into a query.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from orion_core.errors import FieldError, Problem
from orion_core.sealing import Keyring

PURPOSE = "paging cursor"
MAC_BYTES = 16
DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a listing."""

    items: list[Item]
    next: str | None
    """Cursor of the next page, also in the `Link` header; null on the last page."""


def link_next(request: Request, response: Response, following: str | None) -> None:
    """Name the next page, if there is one, in the `Link` header (RFC 8288): the same request with its cursor."""
    if following is not None:
        url = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


class Cursors:
    """Makes and reads cursors of one service."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def issue(self, listing: str, after: Sequence[Any]) -> str:
        """A cursor that goes on after the row with the sort values `after`: JSON values, datetimes and UUIDs.

        `listing` names route, filters and sort.
        """
        payload = orjson.dumps([_to_json(value) for value in after])
        return _text(self._keyring.mac(PURPOSE, _message(listing, payload))[:MAC_BYTES] + payload)

    def read(self, listing: str, cursor: str) -> list[Any]:
        """The sort values in a cursor, as they were given; a 400 Problem when it was not made here for this listing."""
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise _invalid() from None
        mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if _text(raw) != cursor or not self._keyring.verify_mac(PURPOSE, _message(listing, payload), mac, MAC_BYTES):
            raise _invalid()
        return [_from_json(value) for value in orjson.loads(payload)]


def _to_json(value: Any) -> Any:
    match value:
        case datetime():
            return {"datetime": value.isoformat()}
        case UUID():
            return {"uuid": value.hex}
        case _:
            return value


def _from_json(value: Any) -> Any:
    match value:
        case {"datetime": str(text)}:
            return datetime.fromisoformat(text)
        case {"uuid": str(text)}:
            return UUID(text)
        case _:
            return value


def _message(listing: str, payload: bytes) -> bytes:
    """What is signed; the length keeps a listing that contains anything apart from the values behind it."""
    name = listing.encode()
    return len(name).to_bytes(4, "big") + name + payload


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _invalid() -> Problem:
    detail = "Use a cursor as it was given, with the filters and the sort order it was given for."
    return Problem(
        400,
        "invalid_cursor",
        "Invalid cursor",
        detail,
        errors=[FieldError(field="cursor", code="invalid_cursor", detail=detail)],
    )
