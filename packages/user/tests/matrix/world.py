"""Two organizations and what lies outside of them, with one of everything; and everybody who may ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
from fastapi import FastAPI
from packages.user.tests.conftest import AuthFeed, People, Query, Sign
from packages.user.tests.matrix.expectation import HOUSE, A, B, Way, Whose

from orion_contracts.events import SessionStarted
from orion_core.api_keys import ApiKeyText
from orion_core.ids import uuid7
from orion_user.organizations.mailing import new_token
from orion_user.seeds.reference import ROLES

Ids = dict[str, str | None]
SEEDED = [role.name for role in ROLES]
ALL = frozenset(permission for role in ROLES for permission in role.permissions)


def of_role(name: str) -> frozenset[str]:
    """What a role that comes with Orion allows, with all that it inherits."""
    role = next(each for each in ROLES if each.name == name)
    return frozenset(role.permissions) | (of_role(role.parent) if role.parent else frozenset[str]())


@dataclass(frozen=True)
class Caller:
    """Somebody who asks, and what he may where."""

    name: str
    token: str | None
    may: frozenset[str] = frozenset()
    may_in_a: frozenset[str] = frozenset()
    """What he may in A and in no other place."""
    is_person: bool = False
    is_service: bool = False

    def holds(self, permission: str, side: str) -> bool:
        return permission in self.may or (side == A and permission in self.may_in_a)

    def is_let_in(self, way: Way, side: str) -> bool:
        """Whether he may, by what is declared."""
        if Whose.OPEN in way.whose:
            return True
        if self.token is None:
            return False
        if way.scope is not None:
            return self.is_service
        if way.permissions and all(self.holds(each, way.at or side) for each in way.permissions):
            return True
        if way.instead and self.holds(way.instead, way.at or side):
            return True
        is_ada = self.name == "ada"
        return any(
            {
                Whose.EVERYBODYS: True,
                Whose.PERSONS: self.is_person,
                Whose.ADAS: is_ada,
                Whose.MEMBERS: is_ada and side == A,
                Whose.SERVICES: self.is_service,
                Whose.OPEN: True,
            }[whose]
            for whose in way.whose
        )

    def refusal(self, way: Way) -> int:
        """How he is refused."""
        if self.token is None:
            return 401
        return 404 if way.is_hidden and self.is_person else 403


@dataclass
class World:
    """What there is."""

    people: People
    sign: Sign
    transport: httpx.ASGITransport
    ids: dict[str, Ids] = field(default_factory=lambda: {HOUSE: {}, A: {}, B: {}})
    callers: list[Caller] = field(default_factory=list[Caller])
    adas_key: dict[str, Any] = field(default_factory=dict[str, Any])

    def least(self, way: Way, side: str) -> list[Caller]:
        """Who may; of those with a role everywhere the first."""
        may = [each for each in self.callers if each.is_let_in(way, side)]
        ranked = [each for each in may if each.name in SEEDED]
        return [each for each in may if each not in ranked[1:]]

    @property
    def application(self) -> FastAPI:
        assert isinstance(self.transport.app, FastAPI)
        return self.transport.app

    @property
    def auth(self) -> AuthFeed:
        return self.people.auth

    @property
    def query(self) -> Query:
        return self.people.query

    async def ask(
        self, token: str | None, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        headers = {"If-Match": "*"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        content: dict[str, Any] = {}
        if body is not None:
            content = {"content" if isinstance(body, bytes) else "json": body}
        async with httpx.AsyncClient(transport=self.transport, base_url="http://user") as client:
            return await client.request(method, path, headers=headers, params=query or None, **content)

    async def made(self, path: str, body: Any = None, *, token: str | None = None, method: str = "POST") -> Any:
        """What the operator has made, or whose token it is."""
        answer = await self.ask(token or self.operator(), method, f"/user/v1{path}", body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def operator(self) -> str:
        return self.sign("operator", None, "auth:admin", client_id="operator")

    def signed_in(self, user_id: UUID | str, scope: str = "") -> str:
        """The token of somebody who has just proved who he is."""
        return self.sign(str(user_id), uuid7(), scope, auth_time=int(self.auth.clock().timestamp()))

    def long_ago(self, caller: Caller) -> str:
        """The same person's token, when he has not proved for more than half an hour who he is."""
        assert caller.token is not None
        claims: dict[str, Any] = jwt.decode(caller.token, options={"verify_signature": False})
        long_ago = int(self.auth.clock().timestamp()) - 30 * 60 - 1
        return self.sign(claims["sub"], claims["sid"], claims["scope"], auth_time=long_ago)

    def of_key(self, issued: dict[str, Any]) -> str:
        """The token that auth gives for an API key."""
        subject = issued["user_id"] or f"service:{issued['service']}"
        return self.sign(subject, issued["id"], " ".join(issued["scopes"]), client_id=issued["client_id"])

    async def build(self) -> None:
        """Make everything."""
        ada = await self.people.add("ada@example.com")
        house = self.ids[HOUSE]
        for name in ("grantee", "holder", "suspended", "deleted", "held", "leaving"):
            house[name] = str(await self.people.add(f"{name}@example.com"))
        house |= {"ada": str(ada), "user_id": str(ada), "kind": "display", "first_line": "1"}
        house |= {"content_read": "content:read", "user_read": "user:read", "scope": "GLOBAL", "scope_id": None}
        await self._users(ada)
        await self._everybody(ada)
        await self._roles(HOUSE, house)
        for side in (A, B):
            await self._organization(side, ada)
        await self._machines()

    async def _users(self, ada: UUID) -> None:
        house, now = self.ids[HOUSE], self.auth.clock()
        session = uuid7()
        started = {"session_id": session, "user_id": ada, "started_at": now, "expires_at": now + timedelta(days=1)}
        await self.auth.bring(SessionStarted.model_validate({"ip_address": "192.0.2.1", **started}))
        house["session_id"] = str(session)
        await self.made(f"/users/{house['suspended']}/suspension", {"reason": "x"})
        await self.made(f"/users/{house['deleted']}", method="DELETE")
        await self.made(f"/users/{house['held']}/legal-hold", {"reason": "x"}, method="PUT")
        house["erasure_id"] = (await self.made(f"/users/{house['leaving']}/erasure"))["id"]
        house["import_id"] = (await self.made("/imports", {}))["id"]
        key = await self.made("/me/api-keys", {"name": "k", "scopes": ["user:read"]}, token=self.signed_in(ada))
        self.adas_key, house["key_id"] = key, key["id"]

    async def _everybody(self, ada: UUID) -> None:
        self.callers = [Caller("nobody", None)]
        ranked: dict[str, UUID] = {}
        for role in SEEDED:
            user_id = await self.people.add(f"{role}@example.com", role if role != "user" else None)
            ranked[role] = user_id
            if role == "guest":
                await self.query(
                    "DELETE FROM user_roles USING roles WHERE user_id = :id AND roles.id = role_id"
                    " AND roles.name = 'user'",
                    id=user_id,
                )
            self.callers.append(Caller(role, self.signed_in(user_id), of_role(role), is_person=True))
        stranger = await self.people.add("stranger@example.com")
        await self.query("DELETE FROM user_roles WHERE user_id = :id", id=stranger)
        narrow = self.signed_in(ranked["super_admin"], "user:read")
        keys = {"name": "k", "scopes": ["user:read"]}
        own = await self.made("/me/api-keys", keys, token=self.callers[-1].token)
        services = await self.made("/api-keys", keys | {"service": "billing"})
        self.ids[HOUSE]["services_key"] = services["id"]
        little = frozenset({"user:read"})
        in_a = await self.people.add("in-a@example.com")
        self.ids[A]["administrator"] = str(in_a)
        self.callers += [
            Caller("somebody without any grant", self.signed_in(stranger), is_person=True),
            Caller("ada", self.signed_in(ada), of_role("user"), is_person=True),
            Caller("super_admin in A alone", self.signed_in(in_a), of_role("user"), ALL, is_person=True),
            Caller("super_admin with a token for less", narrow, little, is_person=True),
            Caller("a key of super_admin's", self.of_key(own), little),
            Caller("a key of Ada's", self.of_key(self.adas_key), little),
            Caller("a service's key", self.of_key(services), little),
            Caller(
                "a service",
                self.sign("notifications", None, "audiences:read events:read", client_id="notifications"),
                is_service=True,
            ),
            Caller("the operator", self.operator(), ALL),
        ]

    async def _roles(self, side: str, ids: Ids) -> None:
        """Roles of an organization, or of none, and what was given by them."""
        of = {"organization_id": ids.get("organization_id")}
        for name in ("role", "base_role", "spare_role", "wanted_role"):
            display = f"{name} {side}".capitalize()
            ids[f"{name}_id"] = (await self.made("/roles", {"name": name, "display_name": display, **of}))["id"]
        role, base = ids["role_id"], ids["base_role_id"]
        ids |= {"spare_role": ids["spare_role_id"], "parent_id": base}
        await self.made(f"/roles/{role}/permissions/user:read", {}, method="PUT")
        await self.made(f"/roles/{role}/parents/{base}", method="PUT")
        place = {"scope": ids["scope"], "scope_id": ids["scope_id"]}
        holder, ada = self.ids[HOUSE]["holder"], self.ids[HOUSE]["ada"]
        for name, who in (("", holder), ("adas_", ada)):
            grant = {"user_id": who, **place}
            ids[f"{name}grant"] = (await self.made("/role-assignments", grant | {"role_id": role}))["id"]
            direct = await self.made("/permission-grants", grant | {"permission": "content:read"})
            ids[f"{name}direct_grant"] = direct["id"]
            wanted = {"role_id": ids["wanted_role_id"], "minutes": 5, "reason": "x", **place}
            elevation = await self.made("/elevations", wanted, token=self.signed_in(str(who)))
            ids[f"{name}elevation"] = elevation["id"]
        ids |= {"grant_id": ids["grant"], "elevation_id": ids["elevation"]}

    async def _organization(self, side: str, ada: UUID) -> None:
        ids = self.ids[side]
        ids |= {name: value for name, value in self.ids[HOUSE].items() if name not in ids}
        members = {
            name: await self.people.add(f"{name}-{side}@example.com") for name in ("owner", "member", "teamless")
        }
        body = {"name": side, "slug": side, "owner_id": str(members["owner"])}
        organization = (await self.made("/organizations", body))["id"]
        ids |= {"organization_id": organization, "scope": "ORG", "scope_id": organization}
        ids |= {name: str(user_id) for name, user_id in members.items()}
        team = (await self.made(f"/organizations/{organization}/teams", {"name": "T", "slug": "t"}))["id"]
        ids["team_id"] = team
        belonging = [("member", members["member"]), ("teamless", members["teamless"])]
        for name, user_id in (*belonging, *((("ada", ada),) if side == A else ())):
            await self.query(
                "INSERT INTO memberships (organization_id, user_id, status, joined_at)"
                " VALUES (:organization, :user_id, 'ACTIVE', now())",
                organization=UUID(organization),
                user_id=user_id,
            )
            if name != "teamless":
                await self.made(f"/teams/{team}/members/{user_id}", method="PUT")
        path = f"/organizations/{organization}/invitations"
        ids["invitation_id"] = (await self.made(path, {"email": "invited@example.com"}))["id"]
        # So long ago that it can be mailed again.
        await self.query(
            "UPDATE memberships SET invited_at = invited_at - interval '1 hour' WHERE invited_at IS NOT NULL"
        )
        if side == B:
            await self._mailed(ids["invitation_id"], "invitation_token")
            invitation = await self.made(path, {"email": "ada@example.com"})
            ids["adas_invitation"] = self.ids[HOUSE]["adas_invitation"] = invitation["id"]
            await self._mailed(invitation["id"], "adas_invitation_token")
        await self._roles(side, ids)
        if side == A:
            given = {"user_id": ids["administrator"], "scope": "ORG", "scope_id": organization}
            [(super_admin,)] = await self.query("SELECT id FROM roles WHERE name = 'super_admin'")
            await self.made("/role-assignments", given | {"role_id": str(super_admin)})

    async def _mailed(self, invitation_id: str | None, name: str) -> None:
        """Have a token of which is known what stood in the mail."""
        token, kept = new_token()
        await self.query(
            "UPDATE memberships SET invitation_token = :invitation_token,"
            " invitation_token_hash = :invitation_token_hash WHERE id = :id",
            id=UUID(invitation_id),
            **kept,
        )
        self.ids[HOUSE][name] = token.text

    async def _machines(self) -> None:
        """What belongs to the installation."""
        house = self.ids[HOUSE]
        gone = await self.made("/organizations", {"name": "Gone", "slug": "gone", "owner_id": house["grantee"]})
        await self.made(f"/organizations/{gone['id']}", method="DELETE")
        house["deleted_organization"] = gone["id"]
        permission = {"resource": "invoice", "action": "approve", "category": "Invoices"}
        house["name"] = (await self.made("/permissions", permission))["name"]
        for duty in ("pay", "approve"):
            house[duty] = (await self.made("/roles", {"name": duty, "display_name": f"To {duty}"}))["id"]
        apart = {"name": "rule", "kind": "STATIC", "role_ids": [house["pay"], house["approve"]]}
        house["rule_id"] = (await self.made("/separation-rules", apart))["id"]
        stream = await self.made("/audit-streams", {"name": "siem", "url": "https://siem.example.com/"})
        await self.made(f"/audit-streams/{stream['id']}", {"is_enabled": False}, method="PATCH")
        house["stream_id"] = stream["id"]
        [(entry,)] = await self.query("SELECT id FROM audit_logs ORDER BY id LIMIT 1")
        house["entry_id"] = str(entry)
        house["unknown_key"] = ApiKeyText.new("test").text
