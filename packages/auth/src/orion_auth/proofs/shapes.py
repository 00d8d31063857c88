"""What is sent to and from the routes of proofs."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from orion_auth.password_text import Password
from orion_core.http.shapes import RequestShape, ResponseShape

CodeMethod = Literal["TOTP", "SMS", "EMAIL", "BACKUP_CODE"]
"""Second factors that are a code."""


class NewProof(RequestShape):
    """A proof of who one is: the password, a second factor of the account, or both at once."""

    password: Password | None = Field(None, repr=False, examples=["correct horse battery staple"])
    method: CodeMethod | None = Field(None, examples=["TOTP"])
    """Which second factor `code` is of. With it the session counts as one that has shown several factors."""
    code: str | None = Field(None, min_length=1, max_length=32, repr=False, examples=["042317"])

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.method is None) != (self.code is None):
            raise ValueError("method and code belong together")
        if self.password is None and self.code is None:
            raise ValueError("a proof is a password, or method and code, or all three")
        return self


class Proved(ResponseShape):
    """An access token that says that its owner has just proved who he is; the refresh token stays as it is."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    """Seconds the access token is good for."""
    authenticated_at: datetime


class ProofCode(RequestShape):
    """Have a code sent for a proof."""

    method: Literal["SMS", "EMAIL"] = Field(examples=["SMS"])


class ProofCodeSent(ResponseShape):
    """A code is on its way."""

    detail: str
    expires_in: int
    """Seconds that it is good for."""
