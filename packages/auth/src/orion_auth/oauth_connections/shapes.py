"""What is sent to and from the routes of connections."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictBool, StringConstraints

from orion_auth.oauth_connections.presets import Preset
from orion_auth.providers.rules import ClientAuthentication, EmailTrust, ProviderProtocol, ResponseMode
from orion_core.http.shapes import RequestShape, ResponseShape

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$")]
"""Part of the redirect URI that is registered with the provider."""
Url = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=255)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=60)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=255)]
DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class ConnectionChanges(RequestShape):
    """What is to be different; what is left out stays as it is."""

    display_name: DisplayName | None = Field(None, examples=["Example"])
    """What a button says."""
    protocol: ProviderProtocol = ProviderProtocol.OIDC
    client_id: LongText = Field("", examples=["orion"])
    client_secret: Annotated[str, StringConstraints(min_length=1, max_length=8000)] | None = Field(None, repr=False)
    """Never read back. For Apple, the private key as PEM."""
    client_authentication: ClientAuthentication = ClientAuthentication.CLIENT_SECRET_BASIC
    team_id: ShortText | None = None
    key_id: ShortText | None = None
    issuer: Url | None = Field(None, examples=["https://id.example.com"])
    discovery_url: Url | None = None
    """Unset: the well-known one under the issuer."""
    authorization_url: Url | None = None
    token_url: Url | None = None
    userinfo_url: Url | None = None
    emails_url: Url | None = None
    jwks_url: Url | None = None
    scopes: list[Scope] = Field(default=["openid", "email", "profile"], max_length=50)
    authorization_parameters: dict[ShortText, LongText] = Field(default={}, max_length=20)
    """Sent along to the provider, such as `prompt`."""
    response_mode: ResponseMode = ResponseMode.QUERY
    claim_mapping: dict[ShortText, LongText] = Field(default={}, max_length=20)
    """Which claim of the provider is which of ours."""
    email_trust: EmailTrust = EmailTrust.NEVER
    auto_link_domains: list[LongText] = Field(default=[], max_length=100)
    """Addresses of these domains, verified by this provider, link to the account that has them, without a question."""
    is_enabled: StrictBool = False


class NewConnection(ConnectionChanges):
    """A provider to sign in through. What is not said comes from the preset."""

    name: ConnectionName = Field(examples=["example"])
    preset: Preset | None = None
    client_id: LongText = Field(examples=["orion"])


class Connection(ResponseShape):
    """One configured provider, without its secret."""

    id: UUID
    name: str
    display_name: str | None
    protocol: ProviderProtocol
    client_id: str
    has_client_secret: bool
    client_authentication: ClientAuthentication
    team_id: str | None
    key_id: str | None
    issuer: str | None
    discovery_url: str | None
    authorization_url: str | None
    token_url: str | None
    userinfo_url: str | None
    emails_url: str | None
    jwks_url: str | None
    scopes: list[str]
    authorization_parameters: dict[str, str]
    response_mode: ResponseMode
    claim_mapping: dict[str, str]
    email_trust: EmailTrust
    auto_link_domains: list[str]
    is_enabled: bool
    redirect_uri: str
    """What has to be registered with the provider."""
    created_at: datetime
    updated_at: datetime


class Connections(ResponseShape):
    """All of them; there are never many."""

    items: list[Connection]


class Discovered(ResponseShape):
    """What the provider said of itself just now."""

    issuer: str | None
    authorization_url: str
    token_url: str
    userinfo_url: str | None
    jwks_url: str | None
    keys: int
    """Keys of the provider that ID tokens can be verified with."""
    answers_with_issuer: bool
    """RFC 9207: its answers name it, which is then demanded."""
