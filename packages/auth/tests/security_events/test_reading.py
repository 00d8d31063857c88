"""Reading security events: a user's own, an administrator's search and export, and that these leave a trace."""

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from orion_auth.location import Location
from orion_auth.places import Place
from orion_auth.security_events import actions, store
from orion_auth.security_events.rules import Wanted
from orion_auth.security_events.tables import SecurityEvent
from orion_core.ids import uuid7, uuid7_at
from orion_core.metrics import SECURITY_EVENTS

if TYPE_CHECKING:
    import pytest
    from packages.auth.tests.conftest import Auth

INSERT = (
    "INSERT INTO security_events (id, user_id, event_type, category, severity, title, tags, ip_address, details, "
    "occurred_at) VALUES (:id, :user_id, :type, CAST(:category AS security_event_category), "
    "CAST(:severity AS security_event_severity), 'x', :tags, CAST(CAST(:ip AS text) AS inet), "
    "CAST(:details AS jsonb), :at)"
)


async def happened(auth: "Auth", at: datetime, user_id: UUID | None = None, **other: Any) -> UUID:
    values: dict[str, Any] = {
        "id": uuid7_at(at),
        "user_id": user_id,
        "type": "password.changed",
        "category": "PASSWORD",
        "severity": "MEDIUM",
        "tags": [],
        "ip": None,
        "details": "{}",
        "at": at,
    }
    await auth.execute(INSERT, **(values | other))
    return values["id"]


async def as_operator(auth: "Auth") -> dict[str, str]:
    return auth.as_bearer(await auth.operator_token())


async def test_a_user_pages_through_his_own_history_and_sees_nobody_elses(auth: "Auth") -> None:
    ada = await auth.verified()
    mine = [await happened(auth, auth.clock() - timedelta(days=day), ada) for day in range(1, 6)]
    await happened(auth, auth.clock(), uuid7())
    session = (await auth.sign_in()).json()
    headers = auth.as_bearer(session["access_token"])
    seen: list[str] = []
    path = "/auth/v1/me/security-events?limit=2"
    while path:
        page = await auth.http.get(path, headers=headers)
        assert page.status_code == 200
        seen += [item["id"] for item in page.json()["items"]]
        path = page.links.get("next", {}).get("url", "")
    assert [UUID(id) for id in seen if UUID(id) in mine] == mine
    rows = await auth.rows("SELECT id FROM security_events WHERE user_id = :id ORDER BY id DESC", id=ada)
    assert [UUID(id) for id in seen] == [row["id"] for row in rows]


class EverybodyInOslo:
    """Places, as an operator's database would know them."""

    def find(self, _: object) -> Place:
        return Place("NO", "Oslo County", "Oslo", Location(59.9, 10.7, 20))

    def close(self) -> None:
        pass


async def test_whatever_somebody_did_is_told_with_the_place(auth: "Auth") -> None:
    object.__setattr__(auth.application.state.components.gate, "places", EverybodyInOslo())
    await auth.verified()
    await auth.register()
    await auth.http.post("/auth/v1/password-resets", json={"email": "ada@example.com"})
    await auth.sign_in()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    http, new = auth.http, "forty lanterns on a quiet pier"
    await http.post("/auth/v1/sessions/current/proofs", json={"password": "wrong"}, headers=headers)
    await http.put("/auth/v1/me/username", json={"username": "ada"}, headers=headers)
    await http.post("/auth/v1/me/email-changes", json={"email": "countess@example.com"}, headers=headers)
    await http.delete("/auth/v1/sessions", headers=headers)
    for current in ("wrong", auth.password):
        body = {"current_password": current, "new_password": new}
        await http.put("/auth/v1/me/password", json=body, headers=headers)
    events = await auth.rows(
        "SELECT event_type, country || region || city AS place, location->>'latitude' AS latitude FROM security_events"
    )
    assert {event["event_type"] for event in events} >= {
        *("registration.repeated", "password.reset_requested", "device.new", "session.proof_failed", "sessions.ended"),
        *("username.changed", "email.change_requested", "password.changed"),
    }
    assert {(event["place"], event["latitude"]) for event in events} == {("NOOslo CountyOslo", "59.9")}
    notices = await auth.rows("SELECT data->>'city' AS city FROM outbox WHERE data ? 'notice'")
    assert {notice["city"] for notice in notices} == {"Oslo"}


async def test_reasons_are_told_in_words_and_other_details_are_not(auth: "Auth") -> None:
    ada = await auth.verified()
    await happened(auth, auth.clock(), ada, details='{"reasons": ["a new country", 3], "risk_score": 90}')
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    items = (await auth.http.get("/auth/v1/me/security-events", headers=headers)).json()["items"]
    [item] = [item for item in items if item["type"] == "password.changed"]
    assert item["reasons"] == ["a new country"]
    assert not {"details", "risk_score"} & item.keys()


async def test_a_search_meets_all_filters(auth: "Auth") -> None:
    headers, ada = await as_operator(auth), uuid7()
    now = auth.clock()
    wanted = await happened(
        auth,
        now - timedelta(days=40),
        ada,
        type="token.reused",
        category="TOKEN",
        severity="HIGH",
        tags=["case-7"],
        ip="2001:db8::1",
    )
    await happened(auth, now - timedelta(days=40), uuid7())
    await happened(auth, now - timedelta(days=1), ada)
    since, until = now - timedelta(days=41), now - timedelta(days=39)
    filters: dict[str, Any] = {
        "user_id": str(ada),
        "type": "token.reused",
        "category": "TOKEN",
        "severity": "HIGH",
        "tag": "case-7",
        "ip": "2001:db8::1",
    }
    for name, value in filters.items():
        found = await auth.http.get(
            "/auth/v1/security-events", params={name: value, "until": until.isoformat()}, headers=headers
        )
        assert [UUID(item["id"]) for item in found.json()["items"]] == [wanted], name
    everything = filters | {"since": since.isoformat(), "until": until.isoformat()}
    found = await auth.http.get("/auth/v1/security-events", params=everything, headers=headers)
    assert [UUID(item["id"]) for item in found.json()["items"]] == [wanted]
    nothing = everything | {"severity": "LOW"}
    assert (await auth.http.get("/auth/v1/security-events", params=nothing, headers=headers)).json()["items"] == []
    for bad in ({"severity": "GRAVE"}, {"ip": "x"}, {"colour": "red"}, {"since": "yesterday"}, {"cursor": "x"}):
        refused = await auth.http.get("/auth/v1/security-events", params=bad, headers=headers)
        assert refused.status_code in (400, 422), bad


async def test_a_cursor_is_good_for_its_own_search_alone(auth: "Auth") -> None:
    headers = await as_operator(auth)
    for day in range(3):
        await happened(auth, auth.clock() - timedelta(days=day))
    page = (await auth.http.get("/auth/v1/security-events?limit=1", headers=headers)).json()
    other = {"cursor": page["next"], "limit": "1", "severity": "HIGH"}
    assert (await auth.http.get("/auth/v1/security-events", params=other, headers=headers)).status_code == 400


async def test_searching_and_exporting_leave_an_event_with_who_and_what(auth: "Auth") -> None:
    headers = await as_operator(auth)
    await auth.http.get("/auth/v1/security-events?severity=HIGH", headers=headers)
    await auth.http.get("/auth/v1/security-events/export?tag=case-7", headers=headers)
    rows = await auth.rows(
        "SELECT event_type, details, was_notified, host(ip_address) AS ip FROM security_events ORDER BY occurred_at, id"
    )
    kept = {row["event_type"]: row for row in rows}
    assert kept["security_events.searched"]["details"] == {"actor": "operator", "filters": {"severity": "HIGH"}}
    assert kept["security_events.exported"]["details"] == {"actor": "operator", "filters": {"tag": "case-7"}}
    assert {(row["was_notified"], row["ip"]) for row in rows} == {(False, "192.0.2.1")}


async def test_an_export_holds_everything_once_from_the_earliest_on(
    auth: "Auth", monkeypatch: "pytest.MonkeyPatch"
) -> None:
    monkeypatch.setattr(actions, "PAGE", 3)
    headers = await as_operator(auth)
    made = [await happened(auth, auth.clock() - timedelta(hours=hour)) for hour in range(1, 8)]
    answer = await auth.http.get("/auth/v1/security-events/export", headers=headers)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [UUID(line["id"]) for line in lines] == made[::-1]


async def test_only_administrators_read_what_happened_to_others(auth: "Auth") -> None:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    for path in ("/auth/v1/security-events", "/auth/v1/security-events/export"):
        assert (await auth.http.get(path, headers=headers)).status_code == 403
        assert (await auth.http.get(path)).status_code == 401
    assert (await auth.http.get("/auth/v1/me/security-events", headers=await as_operator(auth))).status_code == 403


async def test_a_range_of_times_opens_its_months_alone(auth: "Auth") -> None:
    now = auth.clock()
    wanted = Wanted(since=now - timedelta(days=1), until=now)
    statement = select(SecurityEvent.id).where(*store._met(wanted))  # pyright: ignore[reportPrivateUsage]
    explained = str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    plan = "\n".join(row["QUERY PLAN"] for row in await auth.rows(f"EXPLAIN {explained}".replace(":", r"\:")))
    [row] = await auth.rows("SELECT count(*) FROM pg_inherits WHERE inhparent = 'security_events'::regclass")
    assert len(set(re.findall(r"on (security_events_\w+)", plan))) < row["count"]


async def test_events_are_counted_and_a_notice_is_asked_for_where_it_says_so(auth: "Auth") -> None:
    await auth.verified()
    before = _counted()
    session = (await auth.sign_in()).json()
    await auth.refresh(session["refresh_token"])
    auth.clock.advance(minutes=5)
    assert (await auth.refresh(session["refresh_token"])).status_code == 400
    assert _counted() == before + 1
    [event] = await auth.rows("SELECT id, was_notified FROM security_events WHERE event_type = 'token.reused'")
    notices = await auth.rows("SELECT data FROM outbox WHERE type = 'orion.auth.security.notice_raised.v1'")
    told = {notice["data"]["notice_id"] for notice in notices if notice["data"]["notice"] == "token.reused"}
    assert event["was_notified"] and told == {str(event["id"])}


def _counted() -> float:
    return SECURITY_EVENTS.labels("token.reused", "HIGH")._value.get()  # pyright: ignore[reportUnknownVariableType]
