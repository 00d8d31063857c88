"""Who we are to authenticators: the domain that passkeys are bound to, and the pages that may use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

LOCAL = "localhost"
"""The one host that browsers trust without TLS."""


@dataclass(frozen=True)
class RelyingParty:
    """What WebAuthn calls the service that a passkey is for (Web Authentication Level 3, §4 "Relying Party")."""

    id: str
    """The domain that passkeys are bound to; whoever changes it makes all of them worthless."""
    name: str
    origins: frozenset[str]
    """Where the pages come from that may ask for a passkey."""


def relying_party(rp_id: str | None, origins: Sequence[str], name: str) -> RelyingParty | None:
    """The relying party of these settings; None when no page may use passkeys. ValueError when they do not fit."""
    if not origins:
        return None
    from fido2.rpid import verify_rp_id  # reads the list of public suffixes, which a command needs not wait for

    hosts = [_host(origin) for origin in origins]
    chosen = rp_id or hosts[0]
    for origin, host in zip(origins, hosts, strict=True):
        if host == LOCAL == chosen:
            continue
        if not verify_rp_id(chosen, origin):
            raise ValueError(f"{origin} is not a page of {chosen}, or {chosen} is no domain that one can own")
    return RelyingParty(chosen, name, frozenset(origins))


def _host(origin: str) -> str:
    """The host of an origin as browsers write it (RFC 6454 §6.2): scheme, host and port, and nothing behind."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{origin} is no origin; write it as https://app.example.com") from None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    written = f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, default} else "")
    if default is None or not host or origin != written:
        raise ValueError(f"{origin} is no origin; write it as https://app.example.com, without a path")
    if parts.scheme == "http" and host != LOCAL:
        raise ValueError(f"{origin} is not encrypted: browsers give passkeys to https and to http://localhost only")
    return host
