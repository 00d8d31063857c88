"""What a provider says of itself: its endpoints (OpenID Connect Discovery 1.0, RFC 8414) and its keys (RFC 7517)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from orion_auth.providers.http import ProviderHttp
from orion_auth.providers.remembered import Remembered
from orion_auth.providers.rules import Provider, ProviderError, ProviderProtocol, url_fault
from orion_core.clock import Clock

PublicKey = RSAKey | ECKey | OKPKey

SMALLEST_RSA_BITS = 2048
MOST_KEYS = 100


@dataclass(frozen=True)
class Endpoints:
    """Where a provider is asked for what."""

    authorization: str
    token: str
    userinfo: str | None
    jwks: str | None
    revocation: str | None
    """Where tokens are given back (RFC 7009)."""
    answers_with_issuer: bool
    """Its answers to the browser name it (`iss`, RFC 9207); then one that does not is refused."""


@dataclass(frozen=True)
class VerificationKey:
    """A public key of a provider, and what its JWK says of it."""

    key: PublicKey
    key_id: str | None
    algorithm: str | None


class Directory:
    """Finds endpoints and keys of providers, and remembers them."""

    def __init__(self, http: ProviderHttp, clock: Clock) -> None:
        self._http = http
        self._metadata: Remembered[Mapping[str, Any]] = Remembered(self._fetch_metadata, clock)
        self._keys: Remembered[tuple[VerificationKey, ...]] = Remembered(self._fetch_keys, clock)

    async def endpoints(self, provider: Provider) -> Endpoints:
        """The endpoints: those that are configured, and for OIDC those that the provider's document names."""
        if provider.protocol is ProviderProtocol.OAUTH2:
            return self._checked(provider, {})
        if provider.metadata_url is None:
            raise ProviderError("NO_ISSUER", "neither issuer nor discovery URL is configured")
        metadata = await self._metadata.get(provider.metadata_url)
        if metadata.get("issuer") != provider.issuer:
            self._metadata.forget(provider.metadata_url)
            raise ProviderError("WRONG_ISSUER", f"the discovery document is of {str(metadata.get('issuer'))[:200]!r}")
        return self._checked(provider, metadata)

    async def keys(self, url: str, *, anew: bool = False) -> tuple[VerificationKey, ...]:
        """The keys under a JWKS URL; `anew` when one is missing, since providers rotate them."""
        return await self._keys.get(url, anew=anew)

    async def examine(self, provider: Provider) -> tuple[Endpoints, int]:
        """Ask the provider anew: its endpoints, and how many of its keys are good to verify with."""
        if provider.metadata_url is not None:
            self._metadata.forget(provider.metadata_url)
        endpoints = await self.endpoints(provider)
        if endpoints.jwks is None:
            return endpoints, 0
        self._keys.forget(endpoints.jwks)
        keys = await self.keys(endpoints.jwks)
        if not keys:
            raise ProviderError("NO_KEYS", "there is no key to verify with in the provider's key set")
        return endpoints, len(keys)

    def _checked(self, provider: Provider, metadata: Mapping[str, Any]) -> Endpoints:
        def url(configured: str | None, name: str) -> str | None:
            found: Any = configured or metadata.get(name)
            if found is None:
                return None
            fault = url_fault(found, local=self._http.local) if isinstance(found, str) else "it is no URL"
            if fault is not None:
                raise ProviderError("FORBIDDEN_URL", f"the {name} of the provider is not used: {fault}")
            return found

        authorization = url(provider.authorization_url, "authorization_endpoint")
        token = url(provider.token_url, "token_endpoint")
        jwks = url(provider.jwks_url, "jwks_uri")
        if authorization is None or token is None or (jwks is None and provider.protocol is ProviderProtocol.OIDC):
            raise ProviderError("NO_ENDPOINTS", "an endpoint for authorization, token or keys is missing")
        return Endpoints(
            authorization=authorization,
            token=token,
            userinfo=url(provider.userinfo_url, "userinfo_endpoint"),
            jwks=jwks,
            revocation=self._optional(metadata.get("revocation_endpoint")),
            answers_with_issuer=metadata.get("authorization_response_iss_parameter_supported") is True,
        )

    def _optional(self, found: Any) -> str | None:
        """An endpoint that nobody's sign-in hangs on: one that may not be used counts as none."""
        is_good = isinstance(found, str) and url_fault(found, local=self._http.local) is None
        return found if is_good else None

    async def _fetch_metadata(self, url: str) -> Mapping[str, Any]:
        answer = await self._http.get(url)
        if answer.status != 200:
            raise ProviderError("NO_DISCOVERY", f"the discovery document was answered with {answer.status}")
        return answer.object()

    async def _fetch_keys(self, url: str) -> tuple[VerificationKey, ...]:
        answer = await self._http.get(url)
        entries = answer.object().get("keys") if answer.status == 200 else None
        if not isinstance(entries, list):
            raise ProviderError("NO_KEYS", f"the key set was answered with {answer.status}, without keys")
        listed = cast("list[Any]", entries)[:MOST_KEYS]
        return tuple(key for entry in listed if (key := _read_key(entry)) is not None)


def _read_key(entry: Any) -> VerificationKey | None:
    """A key that verifies signatures; None for any other: a set may hold what we do not know (RFC 7517 §5)."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":  # pyright: ignore[reportUnknownMemberType]
        return None
    public: dict[str, Any] = {
        name: value
        for name, value in entry.items()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if name in ("kty", "crv", "x", "y", "n", "e")
    }
    key_id, algorithm = entry.get("kid"), entry.get("alg")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    try:
        key = JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError, LookupError, AttributeError):
        return None
    if not isinstance(key, PublicKey) or (isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA_BITS):
        return None
    return VerificationKey(
        key, key_id if isinstance(key_id, str) else None, algorithm if isinstance(algorithm, str) else None
    )
