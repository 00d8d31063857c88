"""What is sent to and from the routes of e-mail changes."""

from pydantic import Field

from orion_core.http.shapes import RequestShape, ResponseShape


class EmailChangeRequest(RequestShape):
    """Ask for another address."""

    email: str = Field(min_length=3, max_length=255, examples=["ada.lovelace@example.com"])


class EmailChangeAccepted(ResponseShape):
    """The same answer whether or not somebody else has the address."""

    detail: str


class EmailChangeState(ResponseShape):
    """What still lacks after somebody has agreed."""

    is_completed: bool
    detail: str
