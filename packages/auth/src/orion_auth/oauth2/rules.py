"""Reading a token request (RFC 6749) and deciding what a client may have."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl, unquote_plus

from orion_core.access_tokens import AUDIENCE, audience_of
from orion_core.rights.caller import OPERATOR, OPERATOR_SCOPE

SERVICE_SCOPES = frozenset({"events:read"})
"""What a service may ask for."""

FURTHER_SCOPES = {
    "user": frozenset({"identities:import", "personal_data:read"}),
    "notifications": frozenset({"audiences:read"}),
}
"""What single services may ask for besides: user brings people over, and puts together what all know of one;
notifications asks who is meant by a role, an organization or a tag."""

OPERATOR_SCOPES = frozenset({OPERATOR_SCOPE})

RESOURCE = "resource"
SERVICES = ("auth", "user", "notifications")
"""What access tokens are for."""

LONGEST_DEVICE_ID = 128

_NOBODYS_HASH = sha256(b"").hexdigest()


class TokenRequestError(Exception):
    """A refusal in the words of RFC 6749 §5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


@dataclass(frozen=True)
class Client:
    """Who a client says it is, and its proof."""

    id: str
    secret: str = field(repr=False)


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The parameters of a request; an empty one is as if left out.

    Each may be there once (RFC 6749 §3.2), but `resource` (RFC 8707 §2), whose values are parted by spaces.
    """
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise TokenRequestError("invalid_request", "Send the parameters as application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise TokenRequestError("invalid_request", "The parameters cannot be read as a form in UTF-8.") from None
    resources = [value for name, value in pairs if name == RESOURCE]
    others = [(name, value) for name, value in pairs if name != RESOURCE]
    form = dict(others)
    if len(form) < len(others):
        raise TokenRequestError("invalid_request", "A parameter was sent twice.")
    if any("\0" in name + value for name, value in pairs):
        raise TokenRequestError("invalid_request", "A parameter contains a NUL character.")
    return {name: value for name, value in (form | {RESOURCE: " ".join(resources)}).items() if value}


def read_client(authorization: str, form: Mapping[str, str]) -> Client:
    """The client's credentials: HTTP Basic, or in the form (RFC 6749 §2.3.1), never both."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic":
        if "client_secret" in form:
            raise TokenRequestError("invalid_request", "Send the client's credentials in one way only.")
        return _basic(encoded)
    if "client_id" not in form or "client_secret" not in form:
        raise TokenRequestError("invalid_client", "Send client_id and client_secret, best as HTTP Basic.")
    return Client(form["client_id"], form["client_secret"])


def check_service(client: Client, key_hashes: Mapping[str, str]) -> None:
    """Refuse a client whose key is not that of a service; the same work for an unknown name."""
    expected = key_hashes.get(client.id, _NOBODYS_HASH)
    shown = sha256(client.secret.encode()).hexdigest()
    if not hmac.compare_digest(expected, shown) or client.id not in key_hashes:
        raise TokenRequestError("invalid_client", "There is no such client, or the secret is wrong.")


def granted_scope(client_id: str, requested: str | None) -> str:
    """The scope a client gets: what it asked for, the usual one when it did not say."""
    usual = OPERATOR_SCOPES if client_id == OPERATOR else SERVICE_SCOPES
    allowed = usual | FURTHER_SCOPES.get(client_id, frozenset())
    scopes = frozenset(requested.split()) if requested else usual
    if not scopes <= allowed:
        raise TokenRequestError("invalid_scope", f"This client may have: {' '.join(sorted(allowed))}.")
    return " ".join(sorted(scopes))


def granted_audience(requested: str | None) -> str | list[str]:
    """`aud` of a token for the resources that were asked for (RFC 8707); for every service when none was named."""
    known = [audience_of(service) for service in SERVICES]
    resources = list(dict.fromkeys((requested or "").split()))
    if not set(resources) <= set(known):
        raise TokenRequestError("invalid_target", f"The resources here are: {' '.join(known)}.")
    return resources if len(resources) > 1 else (resources or [AUDIENCE])[0]


def is_for(audiences: frozenset[str], service: str) -> bool:
    """Whether an access token is of use to a service that asks auth about it: for all, for auth, or for itself."""
    return not audiences.isdisjoint({AUDIENCE, audience_of("auth"), audience_of(service)})


def requested_scopes(requested: str | None) -> tuple[str, ...]:
    """The scopes that a refresh asks for, each once; none when it leaves them to the token."""
    return tuple(dict.fromkeys((requested or "").split()))


def device_id(form: Mapping[str, str]) -> str | None:
    """The client's own stable name for its device, as at sign-in; whatever it sends, so much of it counts."""
    return form["device_id"][:LONGEST_DEVICE_ID] if "device_id" in form else None


def _basic(encoded: str) -> Client:
    try:
        name, separator, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        name, separator, secret = "", "", ""
    if not separator:
        raise TokenRequestError("invalid_client", "The Authorization header is not HTTP Basic.")
    return Client(unquote_plus(name), unquote_plus(secret))
