"""What the token endpoint answers, in the names of RFC 6749."""

from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from pydantic import Field

from orion_contracts.claims import Confirmation
from orion_core.http.shapes import ResponseShape


class TokenResponse(ResponseShape):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    refresh_token: str | None = None
    scope: str | None = None


class TokenError(ResponseShape):
    """RFC 6749 §5.2."""

    error: str
    error_description: str


class Introspection(ResponseShape):
    """RFC 7662 §2.2."""

    active: bool
    token_type: str | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    sub: str | None = None
    sid: str | None = None
    client_id: str | None = None
    scope: str | None = None
    exp: int | None = None
    iat: int | None = None
    jti: str | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: list[str] | None = None
    cnf: Confirmation | None = None
    networks: list[IPv4Network | IPv6Network] | None = Field(
        default=None, description="From which alone the token of an API key is good; from everywhere when left out."
    )
    rate_limit: int | None = Field(
        default=None, description="How many requests a minute with tokens of this API key each service takes."
    )


class ServerMetadata(ResponseShape):
    """RFC 8414 §2."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    scopes_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
    dpop_signing_alg_values_supported: list[str]
    """RFC 9449 §5.1."""
