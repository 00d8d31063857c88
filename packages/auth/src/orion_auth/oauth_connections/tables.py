"""The providers that people may sign in through."""

from typing import Any

from sqlalchemy import CheckConstraint, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, sealed
from orion_auth.providers.rules import ClientAuthentication, EmailTrust, ProviderProtocol, ResponseMode
from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, Timestamped, native_enum


class OAuthConnection(Identified, Timestamped, Annotated, Table):
    """One configured provider."""

    __tablename__ = "oauth_connections"

    name: Mapped[str] = mapped_column(String(50))
    display_name: Mapped[str | None] = mapped_column(String(100))
    protocol: Mapped[ProviderProtocol] = mapped_column(native_enum(ProviderProtocol))
    client_id: Mapped[str] = mapped_column(String(255))
    client_secret: Mapped[bytes | None] = sealed()
    client_authentication: Mapped[ClientAuthentication] = mapped_column(
        native_enum(ClientAuthentication), server_default="CLIENT_SECRET_BASIC"
    )
    team_id: Mapped[str | None] = mapped_column(String(60), comment="Apple: the developer team that the key belongs to")
    key_id: Mapped[str | None] = mapped_column(String(60), comment="Apple: the name of the key")
    issuer: Mapped[str | None] = mapped_column(String(500))
    discovery_url: Mapped[str | None] = mapped_column(String(500))
    authorization_url: Mapped[str | None] = mapped_column(String(500))
    token_url: Mapped[str | None] = mapped_column(String(500))
    userinfo_url: Mapped[str | None] = mapped_column(String(500))
    emails_url: Mapped[str | None] = mapped_column(String(500), comment="GitHub: the list of a user's addresses")
    jwks_url: Mapped[str | None] = mapped_column(String(500))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(255)), server_default=text("'{}'"))
    authorization_parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    response_mode: Mapped[ResponseMode] = mapped_column(native_enum(ResponseMode), server_default="QUERY")
    claim_mapping: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    email_trust: Mapped[EmailTrust] = mapped_column(native_enum(EmailTrust), server_default="NEVER")
    auto_link_domains: Mapped[list[str]] = mapped_column(
        ARRAY(String(255)),
        server_default=text("'{}'"),
        comment="Domains whose verified addresses link by themselves: the provider is their only authority",
    )
    is_enabled: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint("protocol <> 'OIDC' OR num_nonnulls(discovery_url, issuer) > 0", name="oidc"),
        CheckConstraint(
            "protocol <> 'OAUTH2' OR num_nulls(authorization_url, token_url, userinfo_url) = 0", name="oauth2"
        ),
        {"info": {"retention": Forever("settings")}, "comment": "Configured sign-in providers"},
    )
