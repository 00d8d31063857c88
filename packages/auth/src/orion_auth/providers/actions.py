"""What is done with a provider: sending somebody there, and asking it who came back."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from orion_auth.providers import id_tokens
from orion_auth.providers.discovery import Directory, Endpoints
from orion_auth.providers.http import Answer, ProviderHttp
from orion_auth.providers.id_tokens import Expected
from orion_auth.providers.rules import (
    Account,
    ClientAuthentication,
    Provider,
    ProviderError,
    ProviderProtocol,
    ResponseMode,
    primary_email,
    read_account,
    read_both,
)

LONGEST_TOKEN = 32_768
LONGEST_LIFE = timedelta(days=3650)
_SCOPE = re.compile(r"[\x21-\x7e]{1,255}")
CLIENT_SECRET_LIFE = timedelta(minutes=5)
APPLE = "https://appleid.apple.com"

TokenKind = Literal["refresh_token", "access_token"]


@dataclass(frozen=True)
class Tokens:
    """What the provider gave us to act there with."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    expires_at: datetime | None
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """One journey to a provider: what its answer will be held against."""

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


class Providers:
    """The providers, as the rest of auth speaks to them."""

    def __init__(self, http: ProviderHttp, directory: Directory) -> None:
        self._http = http
        self.directory = directory
        self.local = http.local

    async def authorization_url(self, provider: Provider, request: Request) -> str:
        """Where to send the browser (authorization code with PKCE S256, state, and a nonce for OIDC)."""
        endpoints = await self.directory.endpoints(provider)
        challenge = urlsafe_b64encode(sha256(request.code_verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            **provider.authorization_parameters,
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": request.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if provider.protocol is ProviderProtocol.OIDC:
            parameters["nonce"] = request.nonce
        if provider.response_mode is ResponseMode.FORM_POST:
            parameters["response_mode"] = "form_post"
        separator = "&" if "?" in endpoints.authorization else "?"
        return f"{endpoints.authorization}{separator}{urlencode(parameters)}"

    async def check_answerer(self, provider: Provider, issuer: str | None) -> None:
        """Refuse an answer that names another provider, or none where this one always does (RFC 9207)."""
        endpoints = await self.directory.endpoints(provider)
        if issuer is None:
            if endpoints.answers_with_issuer:
                raise ProviderError("MIXED_UP", "the answer does not name the provider that it comes from")
        elif provider.issuer is not None and "{tenantid}" not in provider.issuer and issuer != provider.issuer:
            raise ProviderError("MIXED_UP", "the answer comes from another provider")

    async def exchange(
        self, provider: Provider, code: str, *, redirect_uri: str, code_verifier: str, now: datetime
    ) -> Tokens:
        """Turn the code that the browser brought into tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        return await self._ask_for_tokens(provider, form, now)

    async def refresh(self, provider: Provider, refresh_token: str, now: datetime) -> Tokens:
        """New tokens for a refresh token; ProviderError TOKEN_REVOKED when it is good no more."""
        try:
            return await self._ask_for_tokens(
                provider, {"grant_type": "refresh_token", "refresh_token": refresh_token}, now
            )
        except ProviderError as error:
            if error.reason == "invalid_grant":
                raise ProviderError("TOKEN_REVOKED", "the provider takes the refresh token no more") from error
            raise

    async def revoke(self, provider: Provider, kind: TokenKind, token: str, now: datetime) -> bool:
        """Give a token back, so that it is good no more (RFC 7009); False when the provider has no place to do that."""
        endpoints = await self.directory.endpoints(provider)
        if endpoints.revocation is None:
            return False
        credentials, headers = _authenticate(provider, now)
        form = {"token": token, "token_type_hint": kind, **credentials}
        answer = await self._http.post_form(endpoints.revocation, form, headers)
        if answer.status != 200:
            raise ProviderError("NOT_REVOKED", f"the revocation endpoint answered with {answer.status}")
        return True

    async def identify(self, provider: Provider, tokens: Tokens, nonce_hash: bytes, now: datetime) -> Account:
        """Who came back: by the ID token, and by the userinfo endpoint for what it leaves out."""
        endpoints = await self.directory.endpoints(provider)
        if provider.protocol is ProviderProtocol.OAUTH2:
            return await self.account(provider, tokens.access_token)
        if tokens.id_token is None or endpoints.jwks is None:
            raise ProviderError("NO_ID_TOKEN", "the provider sent no ID token")
        expected = Expected(nonce_hash, tokens.access_token, now)
        claims = await id_tokens.verify(self.directory, provider, endpoints.jwks, tokens.id_token, expected)
        told = read_account(provider, claims)
        if endpoints.userinfo is None or (told.email is not None and "name" in told.profile):
            return told
        further = await self._userinfo(endpoints, tokens.access_token)
        if further.get("sub") != claims["sub"]:
            raise ProviderError("WRONG_SUBJECT", "the userinfo endpoint speaks of somebody else")
        return read_both(provider, claims, further)

    async def account(self, provider: Provider, access_token: str, subject: str | None = None) -> Account:
        """Who somebody is by the userinfo endpoint; ProviderError when it is not `subject`."""
        endpoints = await self.directory.endpoints(provider)
        claims = await self._userinfo(endpoints, access_token)
        if provider.emails_url is not None:
            answer = await self._http.get(provider.emails_url, bearer=access_token)
            claims |= primary_email(answer.json()) if answer.status == 200 else {"email": None}
        account = read_account(provider, claims)
        if subject is not None and account.subject != subject:
            raise ProviderError("WRONG_SUBJECT", "the userinfo endpoint speaks of somebody else")
        return account

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def _userinfo(self, endpoints: Endpoints, access_token: str) -> dict[str, Any]:
        if endpoints.userinfo is None:
            raise ProviderError("NO_ENDPOINTS", "the provider has no userinfo endpoint")
        answer = await self._http.get(endpoints.userinfo, bearer=access_token)
        if answer.status == 401:
            raise ProviderError("TOKEN_REVOKED", "the provider takes the access token no more")
        if answer.status != 200:
            raise ProviderError("NO_USERINFO", f"the userinfo endpoint answered with {answer.status}")
        return answer.object()

    async def _ask_for_tokens(self, provider: Provider, form: Mapping[str, str], now: datetime) -> Tokens:
        endpoints = await self.directory.endpoints(provider)
        credentials, headers = _authenticate(provider, now)
        answer = await self._http.post_form(endpoints.token, {**form, **credentials}, headers)
        return _read_tokens(answer, now)


def _authenticate(provider: Provider, now: datetime) -> tuple[dict[str, str], dict[str, str]]:
    """What shows the token endpoint who we are: form fields and headers (RFC 6749 §2.3.1)."""
    secret = provider.client_secret or ""
    match provider.client_authentication:
        case ClientAuthentication.CLIENT_SECRET_BASIC:
            pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
            return {}, {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        case ClientAuthentication.CLIENT_SECRET_POST:
            return {"client_id": provider.client_id, "client_secret": secret}, {}
        case ClientAuthentication.APPLE_JWT:
            return {"client_id": provider.client_id, "client_secret": apple_client_secret(provider, now)}, {}
        case ClientAuthentication.NONE:
            return {"client_id": provider.client_id}, {}


def apple_client_secret(provider: Provider, now: datetime) -> str:
    """What Apple takes for a client secret: a JWT signed with the key of the developer's team."""
    try:
        key = ECKey.import_key(provider.client_secret or "")
        claims = {
            "iss": provider.team_id,
            "iat": int(now.timestamp()),
            "exp": int((now + CLIENT_SECRET_LIFE).timestamp()),
            "aud": provider.issuer or APPLE,
            "sub": provider.client_id,
        }
        return jwt.encode({"alg": "ES256", "kid": provider.key_id}, claims, key)
    except (JoseError, ValueError, TypeError):
        raise ProviderError("NO_KEY", "the client secret is not the private key of a P-256 pair in PEM") from None


def _read_tokens(answer: Answer, now: datetime) -> Tokens:
    body = answer.object()
    error = body.get("error")
    if error is not None or answer.status != 200:  # GitHub refuses with 200
        word = error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,60}", error) else "TOKEN_REFUSED"
        raise ProviderError(word, f"the token endpoint refused ({answer.status})")
    access_token = _token(body, "access_token")
    if access_token is None or str(body.get("token_type", "bearer")).lower() != "bearer":
        raise ProviderError("NO_ACCESS_TOKEN", "the token endpoint gave no bearer token")
    scope = body.get("scope")
    scopes = tuple(re.split(r"[ ,]+", scope.strip())) if isinstance(scope, str) and scope.strip() else ()
    return Tokens(
        access_token,
        _token(body, "refresh_token"),
        _token(body, "id_token"),
        _expiry(body.get("expires_in"), now),
        tuple(scope for scope in scopes if _SCOPE.fullmatch(scope))[:50],
    )


def _token(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ProviderError("BAD_TOKEN", f"the {name} is not a token")
    return value


def _expiry(seconds: Any, now: datetime) -> datetime | None:
    if isinstance(seconds, str) and seconds.isdecimal() and len(seconds) < 12:
        seconds = int(seconds)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0:  # NaN is not
        return None
    return now + min(timedelta(seconds=min(seconds, 1e9)), LONGEST_LIFE)
