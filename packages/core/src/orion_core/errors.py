"""Errors as the person who sees them needs them: RFC 9457 problem details with a stable `code` and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class FieldError(BaseModel):
    """One wrong field of a request."""

    model_config = ConfigDict(frozen=True)

    field: str
    """JSON pointer into the body (`/email`) or the name of a query parameter."""
    code: str
    detail: str


class ProblemDetails(BaseModel):
    """Body of every error answer, `application/problem+json` (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    """Stable word for programs to branch on."""
    detail: str
    """What happened and what to do about it."""
    instance: str | None = None
    """Request id, to quote when asking for help; the same as in the logs."""
    errors: list[FieldError] | None = None


class Problem(Exception):
    """A refusal that its caller should see, raised anywhere below a route."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    def body(self, instance: str | None) -> dict[str, Any]:
        """The problem details as JSON-ready data."""
        details = ProblemDetails(
            type=f"urn:orion:problem:{self.code}",
            title=self.title,
            status=self.status,
            code=self.code,
            detail=self.detail,
            instance=instance,
            errors=self.errors or None,
        )
        return details.model_dump(exclude_none=True)


def invalid_field(field: str, code: str, detail: str) -> Problem:
    """422 for one wrong field (a JSON pointer), in the form in which shapes refuse several."""
    error = FieldError(field=field, code=code, detail=detail)
    return Problem(422, "invalid_fields", "Invalid fields", "1 field is wrong; see errors.", errors=[error])


def unauthenticated(detail: str) -> Problem:
    """401 for an access token that is no good, with the challenge that RFC 6750 §3 asks for."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Problem(401, "invalid_token", "Not signed in", detail, headers=challenge)


def not_found(what: str) -> Problem:
    """404 for a thing that is not there, or not there for this caller."""
    return Problem(404, "not_found", "Not found", f"There is no such {what}, or it is not yours to see.")


def unavailable(code: str, detail: str, retry_after: int) -> Problem:
    """503 for what will work again by itself; `retry_after` in seconds."""
    return Problem(503, code, "Not available now", detail, headers={"Retry-After": str(retry_after)})
