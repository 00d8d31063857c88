"""What is needed to let somebody in."""

from dataclasses import dataclass, replace

from orion_auth.anonymising import Networks
from orion_auth.mailing import Mailing
from orion_auth.places import Places
from orion_auth.session_policy import SessionPolicy
from orion_auth.signer import AccessTokenSigner
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor_methods import FactorPolicy
from orion_core.database import Database
from orion_core.events.outbox import Outbox


@dataclass(frozen=True)
class Gate:
    """Where sessions are begun: put together once by `app`, used by every way in."""

    database: Database
    outbox: Outbox
    signer: AccessTokenSigner
    mailing: Mailing
    factor_policy: FactorPolicy
    session_policy: SessionPolicy
    product_name: str
    """What authenticator apps call accounts here."""
    places: Places
    anonymising: Networks

    def locate(self, bearer: Bearer) -> Bearer:
        """The same bearer, with the place that the address is thought to be in."""
        return replace(bearer, place=self.places.find(bearer.ip_address))
