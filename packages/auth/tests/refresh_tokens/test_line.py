"""The line of a session's refresh tokens, as administrators see it."""

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import text

from orion_auth.refresh_tokens import store

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth


async def ask(auth: "Auth", user: Any, session: Any, query: str = "", token: str | None = None) -> "httpx.Response":
    headers = auth.as_bearer(token or await auth.operator_token())
    return await auth.http.get(f"/auth/v1/users/{user}/sessions/{session}/refresh-tokens{query}", headers=headers)


async def show(auth: "Auth", token: str, agent: str = "Firefox") -> "httpx.Response":
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await auth.http.post("/auth/oauth2/token", data=form, headers={"User-Agent": agent})


async def test_the_line_of_a_session_tells_where_a_copy_came_in(auth: "Auth") -> None:
    ada, eve = await auth.verified(), await auth.verified("eve@example.com")
    began = auth.clock()
    session, other = (await auth.sign_in()).json(), (await auth.sign_in()).json()
    given = [session["refresh_token"]]
    for agent in ("Firefox", "curl"):
        auth.clock.advance(minutes=10)
        given.append((await show(auth, given[-1], agent)).json()["refresh_token"])
    auth.clock.advance(minutes=10)
    assert (await show(auth, given[1])).status_code == 400, "its owner still has the one that was stolen"

    answer = await ask(auth, ada, session["session_id"])
    first, second, third = items = answer.json()["items"]
    assert [each["refresh_count"] for each in items] == [0, 1, 2]
    assert [each["parent_id"] for each in items] == [None, first["id"], second["id"]]
    assert [each["replaced_by_id"] for each in items] == [second["id"], third["id"], None]
    assert [each["status"] for each in items] == ["USED", "USED", "REVOKED"]
    assert [each["user_agent"] for each in items[1:]] == ["Firefox", "curl"]
    assert {each["ip_address"] for each in items} == {"192.0.2.1"}
    assert first["issued_at"] == began.isoformat().replace("+00:00", "Z")
    assert [each["used_at"] for each in items] == [second["issued_at"], third["issued_at"], None]
    assert (first["revoked_at"], third["revoked_reason"]) == (None, "REUSE_DETECTED")
    hashes = await auth.rows("SELECT encode(token_hash, 'hex') AS hex, encode(client_hash, 'hex') FROM auth_tokens")
    secrets = [part for token in given for part in token.split(".")] + [row["hex"] for row in hashes]
    assert [secret for secret in secrets if secret in answer.text] == []

    page = (await ask(auth, ada, session["session_id"], "?limit=2")).json()
    rest = (await ask(auth, ada, session["session_id"], f"?limit=2&cursor={page['next']}")).json()
    assert (page["items"] + rest["items"], rest["next"]) == (items, None)

    others = await ask(auth, ada, other["session_id"], f"?cursor={page['next']}")
    assert (others.status_code, others.json()["code"]) == (400, "invalid_cursor")
    for user, named in ((eve, session["session_id"]), (ada, uuid4())):
        assert (await ask(auth, user, named)).status_code == 404
    mine = (await auth.sign_in()).json()
    assert (await ask(auth, ada, mine["session_id"], token=mine["access_token"])).status_code == 403


FILL = """
    INSERT INTO auth_tokens (
      token, token_hash, type, status, user_id, session_id, family_id, refresh_count, issued_at, expires_at
    )
    SELECT
      'selector' || line || '-' || n, sha256(convert_to(line || ' ' || n, 'UTF8')), 'REFRESH', 'USED',
      CASE WHEN line < 5 THEN CAST(:mine AS uuid) ELSE CAST(:theirs AS uuid) END, md5('session' || line)::uuid,
      md5('family' || line)::uuid, n, now(), now() + interval '30 days'
    FROM generate_series(1, 40) AS line, generate_series(0, 199) AS n
"""


async def test_a_page_of_a_line_is_found_by_indexes(auth: "Auth") -> None:
    mine, theirs = await auth.verified(), await auth.verified("eve@example.com")
    await auth.execute(FILL, mine=mine, theirs=theirs)
    await auth.execute("ANALYZE auth_tokens")
    async with auth.owner.autocommit() as connection:
        [session] = (await connection.execute(text("SELECT md5('session3')::uuid"))).scalars()
        values = {"user_id": mine, "session_id": session, "after": 99, "limit": 51}
        explained = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {store.LINE}")
        [told] = (await connection.execute(explained, values)).scalar_one()
        assert len(await store.line(connection, mine, session, 99, 51)) == 51
    nodes = [told["Plan"]]
    assert nodes[0]["Shared Hit Blocks"] + nodes[0]["Shared Read Blocks"] < 400, json.dumps(told)
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        assert node["Node Type"] != "Seq Scan", json.dumps(told)
