"""Claims of Orion's access tokens: JWTs of type `at+jwt` (RFC 9068)."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

API_KEY_CLIENT = "orn_"
"""What the `client_id` of a token begins with that was got for an API key. No other client may be called so."""

SERVICE_KEY = "service:"
"""What `sub` begins with in the token of an API key that belongs to a service."""


class Confirmation(BaseModel):
    """What the bearer of a token must prove besides (`cnf`, RFC 7800)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    jkt: str
    """Thumbprint of the key that must sign a proof with each request (RFC 9449 §6.1)."""


class AccessClaims(BaseModel):
    """The claims of one access token; times are seconds since 1970 (NumericDate, RFC 7519 §2).

    In a token of a user `sub` is the user's id and `sid` the session's. In a token of a service (client credentials
    grant) `sub` equals `client_id` and there is no `sid` (RFC 9068 §2.2). In a token that was got for an API key
    `client_id` is the public part of the key, `sid` the key's id, and `sub` the user whose key it is, or
    `service:<name>`; its `scope` names the permissions that it is limited to.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    iss: str
    aud: str | list[str]
    sub: str
    client_id: str
    sid: str | None = None
    scope: str = ""
    exp: NonNegativeInt
    iat: NonNegativeInt
    jti: str
    auth_time: NonNegativeInt | None = None
    """When the user last gave proof of who they are; refreshing a token does not move it."""
    acr: str | None = None
    amr: list[str] | None = None
    """Methods of authentication (RFC 8176): `pwd`, `otp`, `hwk`, …"""
    cnf: Confirmation | None = None
    epoch: NonNegativeInt = 0
    """The user's security epoch at issue; a token of an earlier epoch than the user's present one is refused."""
    networks: list[IPv4Network | IPv6Network] | None = None
    """From which alone the token of an API key is good, where its owner has named some."""
    rate_limit: PositiveInt | None = None
    """How many requests a minute with tokens of this API key each service takes, where its owner has said."""

    @property
    def is_of_api_key(self) -> bool:
        """Whether it was got for an API key: a program's, which is never its owner in person."""
        return self.client_id.startswith(API_KEY_CLIENT)

    @property
    def audiences(self) -> frozenset[str]:
        """`aud` as a set; the claim is one string or several (RFC 7519 §4.1.3)."""
        return frozenset((self.aud,) if isinstance(self.aud, str) else self.aud)

    @property
    def scopes(self) -> frozenset[str]:
        """`scope` as a set (RFC 6749 §3.3: separated by spaces)."""
        return frozenset(self.scope.split())
