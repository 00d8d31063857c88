"""ETags of mutable resources: nobody overwrites what they have not seen (RFC 9110 §13)."""

from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from starlette.requests import Request

from orion_core.errors import Problem


def etag(row_id: UUID, updated_at: datetime) -> str:
    """The strong ETag of a row; `updated_at` is the database's, so every change makes another."""
    digest = sha256(f"{row_id}|{updated_at.isoformat()}".encode()).digest()
    return f'"{urlsafe_b64encode(digest[:12]).decode()}"'


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
