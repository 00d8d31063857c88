"""ETags of mutable resources: nobody overwrites what they have not seen (RFC 9110 §13)."""

from hashlib import sha256

from pydantic import BaseModel
from starlette.requests import Request

from orion_core.errors import Problem


def etag(shown: BaseModel) -> str:
    """The strong ETag of an answer: of all that is shown, since it may change without its main row changing."""
    return f'"{sha256(shown.model_dump_json().encode()).hexdigest()[:32]}"'


def require_match(request: Request, current: str) -> None:
    """428 when a change comes without `If-Match`, 412 when the resource has changed since it was read."""
    header = request.headers.get("if-match")
    if header is None:
        detail = "Send If-Match with the ETag you read, so that you do not overwrite somebody else's change."
        raise Problem(428, "precondition_required", "Precondition required", detail)
    if header.strip() != "*" and current not in {tag.strip() for tag in header.split(",")}:
        detail = "The resource has changed since you read it; read it again and repeat the change."
        raise Problem(412, "precondition_failed", "Changed meanwhile", detail, headers={"ETag": current})


def is_unchanged(request: Request, current: str) -> bool:
    """Whether the caller's copy (`If-None-Match`) is still good, so that 304 is enough."""
    header = request.headers.get("if-none-match", "")
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return header.strip() == "*" or current in tags
