"""What social login needs to do its work, and what a journey is to its traveller."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from orion_auth.address_policy import AddressPolicy
from orion_auth.gate import Gate
from orion_auth.mailing import Mailing
from orion_auth.providers.actions import Providers
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.sealing import Keyring


@dataclass(frozen=True)
class Bridge:
    """Between our accounts and those of providers; put together by the routes and by the background."""

    gate: Gate
    providers: Providers
    mailing: Mailing
    addresses: AddressPolicy
    keyring: Keyring
    public_prefix: str
    return_urls: Sequence[str]

    @property
    def database(self) -> Database:
        """Where all of it is kept."""
        return self.gate.database

    def redirect_uri(self, name: str) -> str:
        """Where the provider sends people back to."""
        return f"{self.public_prefix}{callback_path(name)}"

    @property
    def is_https(self) -> bool:
        """Whether browsers reach us by https, so that cookies may be for it alone."""
        return self.public_prefix.startswith("https://")


def callback_path(name: str) -> str:
    """The path that a provider's answers come to; each provider has its own, so that none answers for another."""
    return f"/auth/v1/oauth-connections/{name}/callback"


def cookie_name(state: str) -> str:
    """The cookie of one journey, so that several tabs may travel at once."""
    return f"orion_oauth_{sha256(state.encode()).hexdigest()[:16]}"


def no_such_provider() -> Problem:
    """404 for a provider that is not there, or switched off."""
    return Problem(404, "not_found", "Not found", "There is no such provider to sign in through.")


def authorization_is_dead() -> Problem:
    """The answer to a journey that proves nothing (any more)."""
    detail = "This authorization was used, has expired, or is not yours. Begin again with the provider."
    return Problem(410, "authorization_is_dead", "Authorization over", detail)
