"""What a provider is to us, and which addresses and claims of its are believed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeGuard, cast
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from orion_core.networks import literal, may_be_reached
from orion_core.person_names import HIDDEN, is_seen


class ProviderProtocol(Enum):
    """OIDC tells who somebody is by itself; bare OAUTH2 needs a userinfo endpoint."""

    OIDC = "OIDC"
    OAUTH2 = "OAUTH2"


class ClientAuthentication(Enum):
    """How we show the provider's token endpoint who we are.

    APPLE_JWT: the secret is a private key, and what is sent is a JWT of a few minutes signed with it (ES256).
    """

    NONE = "NONE"
    CLIENT_SECRET_BASIC = "CLIENT_SECRET_BASIC"
    CLIENT_SECRET_POST = "CLIENT_SECRET_POST"
    APPLE_JWT = "APPLE_JWT"


class ResponseMode(Enum):
    """How the browser brings the answer back; Apple sends a form as soon as it is asked for a name."""

    QUERY = "QUERY"
    FORM_POST = "FORM_POST"


class EmailTrust(Enum):
    """Whether an address that the provider names is known to be its user's.

    NEVER: it is a hint. CLAIM: it is when the claim mapped to `email_verified` says so. ALWAYS: the provider lets
    nobody in without having verified the address.
    """

    NEVER = "NEVER"
    CLAIM = "CLAIM"
    ALWAYS = "ALWAYS"


@dataclass(frozen=True)
class Provider:
    """One configured provider."""

    name: str
    protocol: ProviderProtocol
    client_id: str
    client_secret: str | None = field(repr=False)
    issuer: str | None
    discovery_url: str | None
    authorization_url: str | None
    token_url: str | None
    userinfo_url: str | None
    emails_url: str | None
    jwks_url: str | None
    scopes: tuple[str, ...]
    claim_mapping: Mapping[str, str]
    authorization_parameters: Mapping[str, str]
    client_authentication: ClientAuthentication
    response_mode: ResponseMode
    email_trust: EmailTrust
    auto_link_domains: tuple[str, ...]
    team_id: str | None = None
    key_id: str | None = None

    @property
    def metadata_url(self) -> str | None:
        """Where an OIDC provider describes itself (OpenID Connect Discovery 1.0 §4)."""
        if self.discovery_url is not None or self.issuer is None:
            return self.discovery_url
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"


class ProviderError(Exception):
    """The provider could not be asked, or its answer is not believed. `reason` is for programs and logs."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


# ----------------------------------------------------------------------------------------------------- where to connect

_URL = re.compile(r"[\x21-\x7e]{1,500}")


def url_fault(url: str, *, local: bool) -> str | None:
    """What is wrong with the URL of an endpoint; None when nothing is.

    https only; plain http to loopback where `local` addresses are allowed. A host's addresses are looked at again when
    we connect, since a name can be pointed elsewhere at any time.
    """
    if not _URL.fullmatch(url) or "\\" in url:
        return "it must be a URL of at most 500 ASCII characters without spaces"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is no URL"
    host = parts.hostname or ""
    if not host or port == 0 or parts.username is not None or parts.password is not None or parts.fragment:
        return "it must have a host, and neither user nor fragment"
    if parts.scheme != "https" and not (local and parts.scheme == "http" and _is_loopback(parts)):
        return "it must begin with https://"
    address = literal(host)
    if address is not None and not may_be_reached(address, local=local):
        return "it leads to an address that is not public"
    return None


def _is_loopback(parts: SplitResult) -> bool:
    address = literal(parts.hostname or "")
    return parts.hostname == "localhost" if address is None else address.is_loopback


# ------------------------------------------------------------------------------------------------------------ who it is

CLAIMS = ("subject", "email", "email_verified", "name", "picture", "username", "locale")
"""What a claim mapping may name; the provider's own name of each is a path with dots, such as `picture.data.url`."""

OIDC_CLAIMS: Mapping[str, str] = {
    "subject": "sub",
    "email": "email",
    "email_verified": "email_verified",
    "name": "name",
    "picture": "picture",
    "username": "preferred_username",
    "locale": "locale",
}
"""OpenID Connect Core 1.0 §5.1; what a mapping does not name is found here."""

LONGEST_SUBJECT = 255


@dataclass(frozen=True)
class Account:
    """Who somebody is at a provider."""

    subject: str
    email: str | None
    """As the provider writes it."""
    email_is_verified: bool
    """The provider says so, and is trusted for it."""
    profile: Mapping[str, str]
    """`name`, `picture`, `username`, `locale`: those of them that were told."""


def read_both(provider: Provider, signed: Mapping[str, Any], further: Mapping[str, Any]) -> Account:
    """What an ID token tells, and of what it leaves out, what the userinfo endpoint does.

    What is signed goes before what is not; and that an address is verified counts only where it is said of that one.
    """
    account = read_account(provider, {**further, **signed})
    told = read_account(provider, signed)
    if told.email is None or told.email == _line(_claim(provider, further, "email"), 255):
        return account
    return replace(account, email_is_verified=told.email_is_verified)


def read_account(provider: Provider, claims: Mapping[str, Any]) -> Account:
    """What the claims tell. A claim of the wrong type is as good as none; ProviderError without a subject."""

    def told(claim: str) -> Any:
        return _claim(provider, claims, claim)

    subject: Any = told("subject")
    if isinstance(subject, int) and not isinstance(subject, bool) and provider.protocol is ProviderProtocol.OAUTH2:
        subject = str(subject)
    if not is_subject(subject):
        raise ProviderError("NO_SUBJECT", "the provider did not say who its user is")
    email = _line(told("email"), 255)
    verified = told("email_verified") in (True, "true", "1")  # Apple writes "true", Microsoft "1", 1 or true
    profile = {claim: text for claim in ("name", "username", "locale") if (text := _line(told(claim), 100))}
    picture = _line(told("picture"), 500)
    if picture is not None and url_fault(picture, local=False) is None:
        profile["picture"] = picture
    return Account(subject, email, email is not None and _trusts(provider.email_trust, verified), profile)


def is_subject(value: object) -> TypeGuard[str]:
    """Whether this can be a subject: at most 255 printable ASCII characters (OpenID Connect Core 1.0 §2)."""
    return isinstance(value, str) and re.fullmatch(rf"[\x20-\x7e]{{1,{LONGEST_SUBJECT}}}", value) is not None


def _trusts(trust: EmailTrust, verified: bool) -> bool:
    return trust is EmailTrust.ALWAYS or (trust is EmailTrust.CLAIM and verified)


def _claim(provider: Provider, claims: Mapping[str, Any], name: str) -> Any:
    path = provider.claim_mapping.get(name)
    return _look_up(claims, path if path is not None else OIDC_CLAIMS[name])


def _look_up(claims: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(claims, Mapping):
            return None
        claims = claims.get(name)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return claims  # pyright: ignore[reportUnknownVariableType]


def _line(value: object, longest: int) -> str | None:
    """Text of one line that a column can hold, else None."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    good = len(text) <= longest and is_seen(text) and not re.search(rf"[{HIDDEN}\ud800-\udfff]", text)
    return text if good else None


def primary_email(emails: object) -> dict[str, Any]:
    """The claims `email` and `email_verified` from a list as GitHub answers it; empty when none is primary."""
    entries = cast("list[Any]", emails) if isinstance(emails, list) else []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("primary") is True:  # pyright: ignore[reportUnknownMemberType]
            return {"email": entry.get("email"), "email_verified": entry.get("verified")}  # pyright: ignore[reportUnknownMemberType]
    return {}


def is_issuer(provider: Provider, issuer: object, claims: Mapping[str, Any]) -> bool:
    """Whether an ID token comes from the provider: `iss` must be the issuer to the letter.

    Microsoft serves many tenants, each an issuer of its own; `{tenantid}` in the configured one stands for the `tid`
    of the token, which must be a UUID.
    """
    expected = provider.issuer or ""
    if "{tenantid}" in expected:
        try:
            expected = expected.replace("{tenantid}", str(UUID(claims["tid"])))
        except (KeyError, ValueError, AttributeError, TypeError):
            return False
    return isinstance(issuer, str) and expected != "" and issuer == expected
