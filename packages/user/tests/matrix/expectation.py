"""Who may do what, declared: one line for each operation that user serves, with what to send so that it succeeds.

The rest follows: whoever has not what the line names is refused, in whatever organization, and changes nothing. A route
without its line fails the test, and so does a line without its route.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

Body = Any

HOUSE, A, B = "house", "a", "b"
"""Where something lies: in no organization, in Ada's, or in another one."""


class Whose(Enum):
    """Who needs no permission."""

    EVERYBODYS = auto()
    """Whoever has a good token."""
    PERSONS = auto()
    """Whoever is signed in: it is about himself, whoever he is."""
    ADAS = auto()
    MEMBERS = auto()
    """Whoever belongs to the organization: Ada, to A."""
    SERVICES = auto()
    """Our own services."""
    OPEN = auto()
    """Everybody, also without a token."""


@dataclass(frozen=True)
class Way:
    """What an operation needs, and a request of it that succeeds for whoever may."""

    permission: str | tuple[str, ...] | None = None
    """All of them, when it is several."""
    whose: tuple[Whose, ...] = ()
    """Who needs no permission for it."""
    body: Body = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    """Which of the world's ids are meant by the parameters, where it is not the one of their name."""
    sides: tuple[str, ...] = (HOUSE,)
    at: str | None = None
    """Where the permission is needed, when that is not where the thing lies."""
    scope: str | None = None
    """A scope of services, which is no permission."""
    instead: str | None = None
    """Another permission that is as good."""
    holding: str | None = None
    """What it takes besides, whoever asks; without it the request itself is wrong (422)."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """All that it needs."""
        if self.permission is None:
            return ()
        return (self.permission,) if isinstance(self.permission, str) else self.permission

    @property
    def is_hidden(self) -> bool:
        """Whether other people are told that there is no such thing."""
        return self.whose == (Whose.ADAS,) and self.permission is None


OF_ORGANIZATIONS = (A, B)
EVERYWHERE = (HOUSE, A, B)
MINE, ANYBODY, OPEN = Way(whose=(Whose.PERSONS,)), Way(whose=(Whose.EVERYBODYS,)), Way(whose=(Whose.OPEN,))
SUBJECT, ACTION = {"type": "user", "id": "{ada}"}, {"name": "read"}
RESOURCE = {"type": "content", "id": "1"}
QUESTION = {"subject": SUBJECT, "action": ACTION, "resource": RESOURCE}
GRANT = {"user_id": "{grantee}", "scope": "{scope}", "scope_id": "{scope_id}"}


def about_ada(body: Body) -> Way:
    """A question about Ada."""
    return Way("access:read", (Whose.ADAS, Whose.SERVICES), body)


def in_organizations(permission: str, body: Body = None, **more: Any) -> Way:
    """Something that lies in an organization, asked in each."""
    return Way(permission, body=body, sides=OF_ORGANIZATIONS, **more)


def seen(instead: str | None = None) -> Way:
    """What members of an organization see of it."""
    return Way("system:read", (Whose.MEMBERS,), sides=OF_ORGANIZATIONS, instead=instead)


def roles(permission: str, body: Body = None, **more: Any) -> tuple[Way, Way]:
    """Of a role that belongs to none, and of one that belongs to an organization."""
    return Way(permission, body=body, **more), in_organizations(permission, body, **more)


EXPECTED: dict[str, Way | tuple[Way, ...]] = {
    # Users
    "GET /user/v1/users": Way("user:update"),
    "GET /user/v1/users/{user_id}": Way("user:update"),
    "PATCH /user/v1/users/{user_id}": Way("user:update", body={"bio": "x"}),
    "DELETE /user/v1/users/{user_id}": Way("user:delete"),
    "POST /user/v1/users/{user_id}/suspension": Way("user:suspend", body={"reason": "x"}),
    "DELETE /user/v1/users/{user_id}/suspension": Way("user:suspend", ids={"user_id": "suspended"}),
    "POST /user/v1/users/{user_id}/restoration": Way("user:delete", body={}, ids={"user_id": "deleted"}),
    "GET /user/v1/users/{user_id}/sessions": Way("user:update"),
    "DELETE /user/v1/users/{user_id}/sessions": Way("user:suspend"),
    "DELETE /user/v1/users/{user_id}/sessions/{session_id}": Way("user:suspend"),
    "GET /user/v1/users/{user_id}/preferences/{kind}": Way("user:update"),
    "PATCH /user/v1/users/{user_id}/preferences/{kind}": Way("user:update", body={"theme": "DARK"}),
    "GET /user/v1/users/{user_id}/archive": Way("user:delete"),
    "POST /user/v1/users/{user_id}/erasure": Way("user:delete"),
    "GET /user/v1/erasures/{erasure_id}": Way("user:delete"),
    "GET /user/v1/users/{user_id}/legal-hold": Way("system:configure", ids={"user_id": "held"}),
    "PUT /user/v1/users/{user_id}/legal-hold": Way("system:configure", body={"reason": "x"}),
    "DELETE /user/v1/users/{user_id}/legal-hold": Way("system:configure", ids={"user_id": "held"}),
    "GET /user/v1/profiles/{user_id}": Way("user:read"),
    "POST /user/v1/imports": Way("user:create", body={"format": "NDJSON"}),
    "GET /user/v1/imports/{import_id}": Way("user:create"),
    "PUT /user/v1/imports/{import_id}/lines/{first_line}": Way("user:create", body=b'{"email": "n@example.com"}\n'),
    "GET /user/v1/imports/{import_id}/report": Way("user:create"),
    "GET /user/v1/user-export": Way("user:update"),
    # What is one's own
    "GET /user/v1/me": MINE,
    "PATCH /user/v1/me": Way(whose=(Whose.PERSONS,), body={"bio": "x"}),
    "GET /user/v1/me/archive": MINE,
    "POST /user/v1/me/erasure": MINE,
    "GET /user/v1/me/preferences": MINE,
    "GET /user/v1/me/preferences/{kind}": MINE,
    "PATCH /user/v1/me/preferences/{kind}": Way(whose=(Whose.PERSONS,), body={"theme": "DARK"}),
    "GET /user/v1/preferences/{kind}/schema": ANYBODY,
    "GET /user/v1/me/sessions": MINE,
    "DELETE /user/v1/me/sessions/{session_id}": Way(whose=(Whose.ADAS,)),
    "GET /user/v1/me/invitations": MINE,
    "POST /user/v1/me/invitations/{invitation_id}/acceptance": Way(
        whose=(Whose.ADAS,), ids={"invitation_id": "adas_invitation"}
    ),
    "GET /user/v1/invitation-links/{token}": Way(whose=(Whose.OPEN,), ids={"token": "adas_invitation_token"}),
    "POST /user/v1/invitation-links/{token}": Way(whose=(Whose.OPEN,), ids={"token": "adas_invitation_token"}),
    "POST /user/v1/me/invitation-acceptances": Way(whose=(Whose.PERSONS,), body={"token": "{invitation_token}"}),
    "GET /user/v1/me/api-keys": MINE,
    "POST /user/v1/me/api-keys": Way(
        whose=(Whose.PERSONS,), body={"name": "k", "scopes": ["content:read"]}, holding="content:read"
    ),
    "GET /user/v1/me/api-keys/{key_id}": Way(whose=(Whose.ADAS,)),
    "PATCH /user/v1/me/api-keys/{key_id}": Way(whose=(Whose.ADAS,), body={"name": "x"}),
    "DELETE /user/v1/me/api-keys/{key_id}": Way(whose=(Whose.ADAS,)),
    "POST /user/v1/me/api-keys/{key_id}/rotation": Way(whose=(Whose.ADAS,), body={}),
    # Permissions, roles, what is given
    "GET /user/v1/permissions": Way("permission:read"),
    "POST /user/v1/permissions": Way(
        "system:configure", body={"resource": "report", "action": "sign", "category": "Reports"}
    ),
    "GET /user/v1/permissions/{name}": Way("permission:read"),
    "PATCH /user/v1/permissions/{name}": Way("system:configure", body={"category": "x"}),
    "DELETE /user/v1/permissions/{name}": Way("system:configure"),
    "GET /user/v1/roles": (
        Way("role:read"),
        in_organizations("role:assign", query={"organization_id": "{organization_id}"}),
    ),
    "POST /user/v1/roles": (
        Way("role:create", body={"name": "made", "display_name": "Made"}),
        in_organizations(
            "role:create", {"name": "made", "display_name": "Made", "organization_id": "{organization_id}"}
        ),
    ),
    "GET /user/v1/roles/{role_id}": (Way("role:read"), in_organizations("role:assign")),
    "PATCH /user/v1/roles/{role_id}": roles("role:update", {"description": "x"}),
    "DELETE /user/v1/roles/{role_id}": roles("role:delete", ids={"role_id": "spare_role"}),
    "GET /user/v1/roles/{role_id}/permissions": (Way("role:read"), in_organizations("role:assign")),
    "PUT /user/v1/roles/{role_id}/permissions/{name}": roles("role:update", {}, ids={"name": "content_read"}),
    "DELETE /user/v1/roles/{role_id}/permissions/{name}": roles("role:update", ids={"name": "user_read"}),
    "PUT /user/v1/roles/{role_id}/parents/{parent_id}": roles("role:update", ids={"parent_id": "spare_role"}),
    "DELETE /user/v1/roles/{role_id}/parents/{parent_id}": roles("role:update"),
    "GET /user/v1/role-assignments": (
        Way("role:assign", query={"role_id": "{role_id}"}),
        Way("role:assign", (Whose.ADAS,), query={"user_id": "{ada}"}),
        in_organizations("role:assign", query={"organization_id": "{organization_id}"}),
    ),
    "POST /user/v1/role-assignments": Way("role:assign", body={**GRANT, "role_id": "{role_id}"}, sides=EVERYWHERE),
    "GET /user/v1/role-assignments/{grant_id}": (
        Way("role:assign", sides=EVERYWHERE),
        Way("role:assign", (Whose.ADAS,), ids={"grant_id": "adas_grant"}),
    ),
    "DELETE /user/v1/role-assignments/{grant_id}": Way("role:assign", sides=EVERYWHERE),
    "GET /user/v1/permission-grants": (
        Way("permission:grant", query={"permission": "content:read"}),
        Way("permission:grant", (Whose.ADAS,), query={"user_id": "{ada}"}),
        in_organizations("permission:grant", query={"organization_id": "{organization_id}"}),
    ),
    "POST /user/v1/permission-grants": Way(
        "permission:grant", body={**GRANT, "permission": "content:read"}, sides=EVERYWHERE
    ),
    "GET /user/v1/permission-grants/{grant_id}": (
        Way("permission:grant", sides=EVERYWHERE, ids={"grant_id": "direct_grant"}),
        Way("permission:grant", (Whose.ADAS,), ids={"grant_id": "adas_direct_grant"}),
    ),
    "DELETE /user/v1/permission-grants/{grant_id}": Way(
        "permission:revoke", sides=EVERYWHERE, ids={"grant_id": "direct_grant"}
    ),
    "GET /user/v1/separation-rules": Way("role:assign"),
    "POST /user/v1/separation-rules": Way(
        "system:configure", body={"name": "apart", "kind": "STATIC", "role_ids": ["{pay}", "{approve}"]}
    ),
    "GET /user/v1/separation-rules/{rule_id}": Way("role:assign"),
    "PATCH /user/v1/separation-rules/{rule_id}": Way("system:configure", body={"description": "x"}),
    "DELETE /user/v1/separation-rules/{rule_id}": Way("system:configure"),
    "GET /user/v1/elevations": (
        MINE,
        Way("role:assign", query={"mine": "false"}),
        in_organizations("role:assign", query={"mine": "false", "organization_id": "{organization_id}"}),
    ),
    "POST /user/v1/elevations": Way(whose=(Whose.PERSONS,), body={"role_id": "{role_id}", "minutes": 5, "reason": "x"}),
    "GET /user/v1/elevations/{elevation_id}": (
        Way("role:assign", sides=EVERYWHERE),
        Way("role:assign", (Whose.ADAS,), ids={"elevation_id": "adas_elevation"}),
    ),
    "POST /user/v1/elevations/{elevation_id}/approval": Way("role:assign", body={}, sides=EVERYWHERE),
    "POST /user/v1/elevations/{elevation_id}/denial": Way("role:assign", body={}, sides=EVERYWHERE),
    "DELETE /user/v1/elevations/{elevation_id}": (
        Way("role:assign", sides=EVERYWHERE),
        Way("role:assign", (Whose.ADAS,), ids={"elevation_id": "adas_elevation"}),
    ),
    # Organizations and teams
    "GET /user/v1/organizations": (
        Way("system:read", (Whose.PERSONS,)),
        Way("system:read", query={"mine": "false"}),
    ),
    "POST /user/v1/organizations": Way(
        "system:configure", body={"name": "New", "slug": "new", "owner_id": "{grantee}"}
    ),
    "GET /user/v1/organizations/{organization_id}": seen(),
    "PATCH /user/v1/organizations/{organization_id}": in_organizations("system:configure", {"description": "x"}),
    "DELETE /user/v1/organizations/{organization_id}": in_organizations("system:configure"),
    "POST /user/v1/organizations/{organization_id}/restoration": Way(
        "system:configure", ids={"organization_id": "deleted_organization"}
    ),
    "POST /user/v1/organizations/{organization_id}/ownership": Way(
        "system:configure", body={"user_id": "{member}"}, sides=OF_ORGANIZATIONS, at=HOUSE
    ),
    "GET /user/v1/organizations/{organization_id}/teams": seen(),
    "POST /user/v1/organizations/{organization_id}/teams": in_organizations(
        "system:configure", {"name": "New", "slug": "new"}
    ),
    "GET /user/v1/organizations/{organization_id}/members": seen("user:create"),
    "DELETE /user/v1/organizations/{organization_id}/members/{user_id}": (
        in_organizations("user:delete", ids={"user_id": "member"}),
        Way("user:delete", (Whose.ADAS,), sides=(A,), ids={"user_id": "ada"}),
    ),
    "POST /user/v1/organizations/{organization_id}/invitations": in_organizations(
        "user:create", {"email": "new@example.com"}
    ),
    "POST /user/v1/invitations/{invitation_id}/mails": in_organizations("user:create"),
    "DELETE /user/v1/invitations/{invitation_id}": (
        in_organizations("user:create"),
        Way("user:create", (Whose.ADAS,), sides=(B,), ids={"invitation_id": "adas_invitation"}),
    ),
    "GET /user/v1/teams/{team_id}": seen(),
    "PATCH /user/v1/teams/{team_id}": in_organizations("system:configure", {"description": "x"}),
    "DELETE /user/v1/teams/{team_id}": in_organizations("system:configure"),
    "PUT /user/v1/teams/{team_id}/members/{user_id}": in_organizations("user:update", ids={"user_id": "teamless"}),
    "DELETE /user/v1/teams/{team_id}/members/{user_id}": (
        in_organizations("user:update", ids={"user_id": "member"}),
        Way("user:update", (Whose.ADAS,), sides=(A,), ids={"user_id": "ada"}),
    ),
    # Questions about rights
    "POST /user/v1/access/evaluation": about_ada(QUESTION),
    "POST /user/v1/access/evaluations": about_ada({**QUESTION, "evaluations": [{}]}),
    "POST /user/v1/access/search/subject": Way(
        "access:read", (Whose.SERVICES,), {"subject": {"type": "user"}, "action": ACTION, "resource": RESOURCE}
    ),
    "POST /user/v1/access/search/resource": about_ada(
        {"subject": SUBJECT, "action": ACTION, "resource": {"type": "organization"}}
    ),
    "POST /user/v1/access/search/action": about_ada({"subject": SUBJECT, "resource": RESOURCE}),
    "POST /user/v1/access/explanation": about_ada(QUESTION),
    "GET /user/v1/access/rights/{user_id}": Way("access:read", (Whose.ADAS, Whose.SERVICES), ids={"user_id": "ada"}),
    "POST /user/v1/access/plan": (
        Way("role:update", body={"changes": [{"kind": "role_active", "role_id": "{role_id}", "is_active": False}]}),
        Way(
            ("role:assign", "permission:revoke"),
            body={"changes": [{"kind": "grant_ended", "grant_id": "{grant_id}"}]},
            sides=EVERYWHERE,
            at=HOUSE,
        ),
    ),
    # API keys of everybody
    "GET /user/v1/api-keys": Way("api_key:read"),
    "POST /user/v1/api-keys": Way("api_key:create", body={"name": "k", "service": "billing", "scopes": ["user:read"]}),
    "GET /user/v1/api-keys/{key_id}": Way("api_key:read"),
    "PATCH /user/v1/api-keys/{key_id}": Way("api_key:update", body={"name": "x"}),
    "DELETE /user/v1/api-keys/{key_id}": Way("api_key:revoke"),
    "POST /user/v1/api-keys/{key_id}/rotation": Way("api_key:create", body={}, ids={"key_id": "services_key"}),
    "POST /user/v1/api-key-leak-reports": Way(whose=(Whose.OPEN,), body={"key": "{unknown_key}"}),
    # The audit trail
    "GET /user/v1/audit-logs": Way("system:audit"),
    "GET /user/v1/audit-logs/export": Way("system:audit"),
    "GET /user/v1/audit-logs/{entry_id}": Way("system:audit"),
    "GET /user/v1/audit-checkpoints/latest": Way("system:audit"),
    "GET /user/v1/audit-streams": Way("system:configure"),
    "POST /user/v1/audit-streams": Way("system:configure", body={"name": "new", "url": "https://siem.example.com/"}),
    "GET /user/v1/audit-streams/{stream_id}": Way("system:configure"),
    "PATCH /user/v1/audit-streams/{stream_id}": Way("system:configure", body={"is_enabled": False}),
    "DELETE /user/v1/audit-streams/{stream_id}": Way("system:configure"),
    # Machines
    "POST /user/v1/audience-pages": Way(scope="audiences:read", body={"audience": {"role": "user"}}),
    "GET /user/v1/events": Way(scope="events:read", query={"after": "0", "wait": "0"}),
    "GET /.well-known/authzen-configuration": OPEN,
    "GET /livez": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
}
"""By method and path, as the OpenAPI document has them."""


def ways(operation: str) -> tuple[Way, ...]:
    """What is declared of an operation."""
    declared = EXPECTED[operation]
    return declared if isinstance(declared, tuple) else (declared,)


WORDS = {
    Whose.EVERYBODYS: "whoever has a good token",
    Whose.PERSONS: "whoever is signed in, about himself",
    Whose.ADAS: "whose it is",
    Whose.MEMBERS: "members of the organization",
    Whose.SERVICES: "our own services",
    Whose.OPEN: "everybody",
}


def _told(way: Way) -> str:
    where = " where it lies" if way.permissions and A in way.sides and way.at is None else ""
    needs = [" and ".join(f"`{each}`" for each in way.permissions) + where] if way.permissions else []
    needs += [f"`{way.instead}`{where}"] if way.instead else []
    scope = [f"a service with the scope `{way.scope}`"] if way.scope else []
    return ", or ".join([WORDS[whose] for whose in way.whose] + needs + scope)


def page() -> str:
    """docs/who-may.md."""
    head = (
        "# Who may call what\n\n"
        "Every operation of the user service, and who may: made from `packages/user/tests/matrix/expectation.py`, by\n"
        "which `test_matrix.py` asks each of them as everybody, in every organization. How rights come to be is in\n"
        "[authorization.md](authorization.md). *Where it lies*: the permission in the organization or team that the\n"
        "thing belongs to is enough; elsewhere it is needed everywhere. *Whose it is*: in person; no key will do.\n\n"
        "| operation | for |\n|---|---|\n"
    )
    lines = (
        f"| `{each}` | {'; '.join(dict.fromkeys(_told(way) for way in ways(each)))} |" for each in sorted(EXPECTED)
    )
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
