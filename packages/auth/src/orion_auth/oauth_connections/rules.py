"""What a configuration of a provider must be like before it is kept."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from orion_auth.providers.rules import (
    CLAIMS,
    ClientAuthentication,
    Provider,
    ProviderProtocol,
    is_issuer,
    url_fault,
)

RESERVED_PARAMETERS = frozenset(
    {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "response_mode",
        "request",
        "request_uri",
    }
)
"""Parameters of the authorization request that are ours to set."""

SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
"""RFC 6749 §3.3."""
CLAIM_PATH = re.compile(r"[^\x00-\x20.]{1,60}(\.[^\x00-\x20.]{1,60}){0,5}")
DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")

ENDPOINTS = ("discovery_url", "authorization_url", "token_url", "userinfo_url", "emails_url", "jwks_url")

Fault = tuple[str, str]
"""The field, and what is wrong with it."""


def faults(provider: Provider, *, local: bool) -> list[Fault]:
    """Everything that keeps this configuration from working."""
    return [
        *_url_faults(provider, local=local),
        *_missing(provider),
        *_client_faults(provider),
        *_detail_faults(provider),
    ]


def leads_elsewhere(before: Provider, after: Provider) -> bool:
    """Whether the change names a place that the configuration did not name before: what was given for one is told to
    another.
    """
    return not _origins(after) <= _origins(before)


def is_of_others(before: Provider, after: Provider) -> bool:
    """Whether after the change it is for somebody else, or for another claim, to say who somebody is.

    A subject is one within its issuer (OpenID Connect Core 1.0 §2): whoever is `17` at one is another at the next. To
    take one tenant of many is no such change.
    """
    subjects = [provider.claim_mapping.get("subject") for provider in (before, after)]
    is_same = before.issuer == after.issuer or _is_tenant_of(before, after.issuer or "")
    return (
        not is_same
        or before.protocol is not after.protocol
        or subjects[0] != subjects[1]
        or leads_elsewhere(before, after)
    )


def _origins(provider: Provider) -> frozenset[tuple[str, str | None, int | None]]:
    urls: list[str | None] = [getattr(provider, field) for field in ("issuer", *ENDPOINTS)]
    parsed = [urlsplit(url) for url in urls if url is not None]
    return frozenset((parts.scheme, parts.hostname, parts.port) for parts in parsed)


def _is_tenant_of(provider: Provider, issuer: str) -> bool:
    head, placeholder, tail = (provider.issuer or "").partition("{tenantid}")
    tenant = issuer.removeprefix(head).removesuffix(tail)
    return bool(placeholder) and is_issuer(provider, issuer, {"tid": tenant})


def _url_faults(provider: Provider, *, local: bool) -> Iterator[Fault]:
    for field in ENDPOINTS:
        url: str | None = getattr(provider, field)
        if url is not None and (fault := url_fault(url, local=local)):
            yield field, fault
    issuer = provider.issuer
    if issuer is not None:
        # An issuer has no query (OpenID Connect Core 1.0 §2); Microsoft's has a placeholder.
        fault = url_fault(issuer.replace("{tenantid}", "common"), local=local)
        if "?" in issuer:
            fault = "it must have no query"
        if fault:
            yield "issuer", fault


def _missing(provider: Provider) -> Iterator[Fault]:
    if provider.protocol is ProviderProtocol.OIDC:
        if provider.issuer is None:
            yield "issuer", "OIDC needs the issuer, which every ID token must name"
        elif "{tenantid}" in provider.issuer and provider.discovery_url is None:
            yield "discovery_url", "an issuer with a placeholder needs the URL of its discovery document"
        if "openid" not in provider.scopes:
            yield "scopes", "OIDC needs the scope openid"
    else:
        for field in ("authorization_url", "token_url", "userinfo_url"):
            if getattr(provider, field) is None:
                yield field, "OAUTH2 needs it, since there is no discovery"
        if "subject" not in provider.claim_mapping:
            yield "claim_mapping", "OAUTH2 needs to be told which claim is the subject"


def _client_faults(provider: Provider) -> Iterator[Fault]:
    needs_secret = provider.client_authentication is not ClientAuthentication.NONE
    if needs_secret and not provider.client_secret:
        yield "client_secret", "this way of client authentication needs a secret"
    if provider.client_authentication is ClientAuthentication.APPLE_JWT:
        for field in ("team_id", "key_id"):
            if not getattr(provider, field):
                yield field, "APPLE_JWT needs it"


def _detail_faults(provider: Provider) -> Iterator[Fault]:
    if any(not SCOPE.fullmatch(scope) for scope in provider.scopes):
        yield "scopes", "a scope is 1 to 255 printable characters without space, quote and backslash"
    for claim, path in provider.claim_mapping.items():
        if claim not in CLAIMS:
            yield "claim_mapping", f"{claim!r} is not one of {', '.join(CLAIMS)}"
        elif not CLAIM_PATH.fullmatch(path):
            yield "claim_mapping", f"the path of {claim!r} is not a name, or names with dots between them"
    for name in provider.authorization_parameters:
        if name in RESERVED_PARAMETERS:
            yield "authorization_parameters", f"{name!r} is set by auth itself"
    if any(not DOMAIN.fullmatch(domain) for domain in provider.auto_link_domains):
        yield "auto_link_domains", "a domain is written in lower case, such as example.com"
