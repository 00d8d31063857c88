"""Who calls, as far as an access token tells; pure."""

from dataclasses import dataclass
from uuid import UUID

from orion_contracts.claims import AccessClaims

OPERATOR, OPERATOR_SCOPE = "operator", "auth:admin"
"""The client that administrators' tools are to auth, and the scope that it is given there."""


@dataclass(frozen=True)
class Caller:
    """Who calls, as far as their access token tells; what they may is for their grants to say."""

    user_id: UUID | None
    """Whose rights count; None for a service."""
    scopes: frozenset[str] | None
    """The only permissions that the token carries; None when it carries all that the user has."""
    holds_everything: bool = False
    is_service_key: bool = False
    """A service's API key: an administrator gave it the scopes that it has, and it has no other rights to intersect."""
    is_in_person: bool = False
    """The user is signed in; no key asks for him."""

    @property
    def person(self) -> UUID | None:
        """The user, where he is there in person: what is his own is his to see and to change, and no key's of his."""
        return self.user_id if self.is_in_person else None

    def carries(self, permission: str) -> bool:
        """Whether the token may be used for that, if the user has it."""
        return self.scopes is None or permission in self.scopes


def caller(claims: AccessClaims) -> Caller:
    """Who calls.

    Without a session (`sid`) it is a client: the operator, or a service. The token of an API key speaks for its owner
    and carries the permissions in `scope` and no others. A user's token whose scope names any is limited to them too.
    """
    if claims.sid is None and claims.client_id == OPERATOR and OPERATOR_SCOPE in claims.scopes:
        return Caller(None, None, holds_everything=True)
    named = frozenset(scope for scope in claims.scopes if ":" in scope)
    try:
        user_id = UUID(claims.sub)
    except ValueError:
        return Caller(None, named, is_service_key=claims.is_of_api_key)
    is_limited = bool(named) or claims.sid is None or claims.is_of_api_key
    is_in_person = claims.sid is not None and not claims.is_of_api_key
    return Caller(user_id, named if is_limited else None, is_in_person=is_in_person)
