"""What a journey has proved, as it is kept, sealed, until it is used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orion_auth.providers.actions import Tokens
from orion_auth.providers.rules import Account
from orion_core.sealing import Keyring, place


class Proof(BaseModel):
    """Who came back, and what the provider gave us to act there with."""

    model_config = ConfigDict(frozen=True)

    subject: str
    email: str | None
    """Normalised."""
    email_is_verified: bool
    profile: dict[str, str]
    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(repr=False)
    token_expires_at: AwareDatetime | None
    scopes: list[str]

    @classmethod
    def of(cls, account: Account, email: str | None, tokens: Tokens) -> Self:
        """The proof that this account of the provider has come back."""
        return cls(
            subject=account.subject,
            email=email,
            email_is_verified=account.email_is_verified and email is not None,
            profile=dict(account.profile),
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            token_expires_at=tokens.expires_at,
            scopes=list(tokens.scopes),
        )

    def seal(self, keyring: Keyring, flow_id: UUID) -> bytes:
        """Sealed to the row of its journey."""
        return keyring.seal(self.model_dump_json().encode(), place("oauth_flows", "proof", flow_id))

    @classmethod
    def open(cls, keyring: Keyring, flow_id: UUID, envelope: bytes) -> Self:
        """The inverse of `seal`."""
        return cls.model_validate_json(keyring.open(envelope, place("oauth_flows", "proof", flow_id)))


def sealed_tokens(
    keyring: Keyring, row_id: UUID, access_token: str | None, refresh_token: str | None
) -> dict[str, Any]:
    """The columns of a linked account's tokens, sealed to its row; those that there are."""
    tokens: Mapping[str, str | None] = {"access_token": access_token, "refresh_token": refresh_token}
    return {
        column: keyring.seal(token.encode(), token_place(column, row_id))
        for column, token in tokens.items()
        if token is not None
    }


def token_place(column: str, row_id: UUID) -> str:
    """The associated data of a linked account's sealed token."""
    return place("oauth_providers", column, row_id)


def token_columns(keyring: Keyring, row_id: UUID, proof: Proof, now: datetime) -> dict[str, Any]:
    """What a journey changes in a linked account. A provider that sends no refresh token again means the old one."""
    return {
        **sealed_tokens(keyring, row_id, proof.access_token, proof.refresh_token),
        "token_expires_at": proof.token_expires_at,
        "scopes": proof.scopes,
        "provider_email": proof.email,
        "profile": proof.profile,
        "last_used_at": now,
        "last_synced_at": now,
        "refresh_failures": 0,
        "refresh_retry_at": None,
        "access_ended_at": None,
    }
