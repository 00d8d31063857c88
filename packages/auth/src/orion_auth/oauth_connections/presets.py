"""What is known of well-known providers, as data: the values that a new connection begins with.

Where the fact comes from that an address is its user's own stands in `email_trust` and the mapping of `email_verified`:

- Google, Apple: the claim `email_verified`.
- Microsoft: `email` is whatever an administrator of any tenant wrote there, and must never be believed by itself; the
  optional claim `xms_edov` says that its domain's owner was verified. Without that claim no address is.
- GitHub: the entry of `/user/emails` that is primary says whether it is verified.
- Discord: `verified` is that of the address.
- Facebook promises nothing, so its address is only a hint.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from orion_auth.providers.rules import ClientAuthentication, EmailTrust, ProviderProtocol, ResponseMode


class Preset(Enum):
    """A provider whose values need not be looked up."""

    GITHUB = "GITHUB"
    GOOGLE = "GOOGLE"
    MICROSOFT = "MICROSOFT"
    APPLE = "APPLE"
    DISCORD = "DISCORD"
    FACEBOOK = "FACEBOOK"


NOTHING: Mapping[str, Any] = {
    "display_name": None,
    "protocol": ProviderProtocol.OIDC,
    "client_secret": None,
    "issuer": None,
    "discovery_url": None,
    "authorization_url": None,
    "token_url": None,
    "userinfo_url": None,
    "emails_url": None,
    "jwks_url": None,
    "scopes": ["openid", "email", "profile"],
    "claim_mapping": {},
    "authorization_parameters": {},
    "client_authentication": ClientAuthentication.CLIENT_SECRET_BASIC,
    "response_mode": ResponseMode.QUERY,
    "email_trust": EmailTrust.NEVER,
    "auto_link_domains": [],
    "team_id": None,
    "key_id": None,
    "is_enabled": False,
}
"""What a connection without a preset begins with: OIDC whose addresses are not believed."""

PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    Preset.GITHUB: {
        "display_name": "GitHub",
        "protocol": ProviderProtocol.OAUTH2,
        "authorization_url": "https://github.com/login/oauth/authorize",
        "token_url": "https://github.com/login/oauth/access_token",
        "userinfo_url": "https://api.github.com/user",
        "emails_url": "https://api.github.com/user/emails",
        "scopes": ["read:user", "user:email"],
        "claim_mapping": {"subject": "id", "username": "login", "picture": "avatar_url"},
        "client_authentication": ClientAuthentication.CLIENT_SECRET_POST,
        "email_trust": EmailTrust.CLAIM,
    },
    Preset.GOOGLE: {
        "display_name": "Google",
        "issuer": "https://accounts.google.com",
        "authorization_parameters": {"access_type": "offline"},
        "client_authentication": ClientAuthentication.CLIENT_SECRET_POST,
        "email_trust": EmailTrust.CLAIM,
    },
    Preset.MICROSOFT: {
        "display_name": "Microsoft",
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
        "discovery_url": "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
        "scopes": ["openid", "email", "profile", "offline_access"],
        "claim_mapping": {"email_verified": "xms_edov"},
        "client_authentication": ClientAuthentication.CLIENT_SECRET_POST,
        "email_trust": EmailTrust.CLAIM,
    },
    Preset.APPLE: {
        "display_name": "Apple",
        "issuer": "https://appleid.apple.com",
        "scopes": ["openid", "email", "name"],
        "client_authentication": ClientAuthentication.APPLE_JWT,
        "response_mode": ResponseMode.FORM_POST,
        "email_trust": EmailTrust.CLAIM,
    },
    Preset.DISCORD: {
        "display_name": "Discord",
        "protocol": ProviderProtocol.OAUTH2,
        "authorization_url": "https://discord.com/oauth2/authorize",
        "token_url": "https://discord.com/api/oauth2/token",
        "userinfo_url": "https://discord.com/api/users/@me",
        "scopes": ["identify", "email"],
        "claim_mapping": {"subject": "id", "email_verified": "verified", "name": "global_name", "username": "username"},
        "email_trust": EmailTrust.CLAIM,
    },
    Preset.FACEBOOK: {
        "display_name": "Facebook",
        "protocol": ProviderProtocol.OAUTH2,
        "authorization_url": "https://www.facebook.com/v23.0/dialog/oauth",
        "token_url": "https://graph.facebook.com/v23.0/oauth/access_token",
        "userinfo_url": "https://graph.facebook.com/v23.0/me?fields=id,name,email,picture",
        "scopes": ["public_profile", "email"],
        "claim_mapping": {"subject": "id", "picture": "picture.data.url"},
        "client_authentication": ClientAuthentication.CLIENT_SECRET_POST,
    },
}


def beginning(preset: Preset | None) -> dict[str, Any]:
    """The values of a new connection that nobody has said otherwise."""
    return {**NOTHING, **(PRESETS[preset] if preset is not None else {})}
