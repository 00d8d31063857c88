"""One page of a listing, as routes answer it."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping

from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Cursors, Page, link_next

Item = TypeVar("Item", bound=BaseModel)

Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]

__all__ = ["DEFAULT_LIMIT", "Cursor", "Limit", "answer_page"]


def answer_page(
    request: Request,
    response: Response,
    cursors: Cursors,
    listing: str,
    found: Sequence[RowMapping],
    limit: int,
    key: Sequence[str],
    shape: Callable[[RowMapping], Item],
) -> Page[Item]:
    """The page of the rows `found`, of which one more than `limit` was asked for; `key` are the columns sorted by."""
    page, following = found[:limit], None
    if len(found) > limit:
        after: list[Any] = [page[-1][column] for column in key]
        following = cursors.issue(listing, after)
        link_next(request, response, following)
    return Page(items=[shape(row) for row in page], next=following)
