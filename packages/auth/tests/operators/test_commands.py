"""`orion auth …`: what operators do, that it is written down, and how it ends."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from orion_auth.commands import commands

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

Orion = Callable[..., Awaitable[Result]]

SEALING_KEYS = f"s1:{b64encode(b's' * 32).decode()}"
"""Those of the running auth."""


@pytest.fixture
def orion(auth: "Auth", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Orion]:
    """Run a command on the database of `auth`."""
    monkeypatch.chdir(tmp_path)
    settings = auth.application.state.components.settings
    monkeypatch.setenv("AUTH_DATABASE_URL", auth.database.url)
    monkeypatch.setenv("AUTH_SERVICE_KEY_HASHES", json.dumps(settings.service_key_hashes))
    for name in ("AUTH_SEALING_KEYS", "EVENT_SEALING_KEYS"):
        monkeypatch.setenv(name, "k1:" + "a" * 43 + "=")

    async def run(*words: str) -> Result:
        who = () if words[0] == "simulate" else ("--operator", "olga")
        return await asyncio.to_thread(CliRunner().invoke, commands, [*words, *who])

    yield run
    structlog.reset_defaults()  # commands log to the standard error of their own run


async def history(auth: "Auth") -> list[tuple[str, Any]]:
    rows = await auth.rows("SELECT event_type, details FROM security_events WHERE category = 'ADMINISTRATION'")
    return [(row["event_type"], row["details"]["operator"]) for row in rows]


async def test_unlock(auth: "Auth", orion: Orion) -> None:
    await auth.verified()
    await auth.execute("UPDATE identities SET status = 'LOCKED', failed_login_count = 9")
    tried = await orion("unlock", "Ada@Example.com", "--dry-run")
    assert (tried.exit_code, tried.stdout) == (0, "ada@example.com would be unlocked.\n")
    assert (await auth.sign_in()).status_code == 403
    done = await orion("unlock", "ada@example.com", "--json")
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["was_locked"], facts["dry_run"]) == (0, True, False)
    assert (await auth.sign_in()).status_code == 201
    assert await history(auth) == [("account.unlocked", "olga")]


async def test_unlock_lifts_the_limits_of_the_account(auth: "Auth", orion: Orion) -> None:
    await auth.verified()
    refused = [(await auth.sign_in(password="wrong password")).status_code for _ in range(6)]
    assert refused == [401] * 5 + [429]
    assert (await auth.sign_in()).status_code == 429
    assert json.loads((await orion("unlock", "ada@example.com", "--dry-run", "--json")).stdout)["limits_lifted"] == 1
    assert (await auth.sign_in()).status_code == 429
    assert json.loads((await orion("unlock", "ada@example.com", "--json")).stdout)["limits_lifted"] == 1
    assert (await auth.sign_in()).status_code == 201


async def test_unlock_lifts_all_limits_of_the_account_and_those_of_no_other(auth: "Auth", orion: Orion) -> None:
    await auth.verified()
    await auth.execute(
        'INSERT INTO rate_limits (key, key_type, endpoint, "limit", window_seconds, count, passes, reset_at) '
        "SELECT 'login EMAIL ' || whose || '@192.0.2.' || n, 'EMAIL', 'login', 1, 3600, 1, ARRAY[now()], "
        "now() + interval '2 hours' FROM generate_series(1, 150) AS n, "
        "unnest(ARRAY['ada@example.com', 'xada@example.com', 'ada@example.comx']) AS whose"
    )
    assert json.loads((await orion("unlock", "ada@example.com", "--json")).stdout)["limits_lifted"] == 150
    [left] = await auth.rows(
        "SELECT count(*) FROM rate_limits WHERE key LIKE 'login EMAIL %@192.0.2.%' AND \"limit\" = 1"
    )
    assert left["count"] == 300


async def test_unlock_lifts_the_limits_of_known_devices_too(auth: "Auth", orion: Orion) -> None:
    await auth.verified()
    body = {"email": "ada@example.com", "password": auth.password, "device_id": "laptop"}
    assert (await auth.http.post("/auth/v1/sessions", json=body)).status_code == 201
    wrong = body | {"password": "wrong password"}
    assert [(await auth.http.post("/auth/v1/sessions", json=wrong)).status_code for _ in range(11)][-1] == 429
    assert json.loads((await orion("unlock", "ada@example.com", "--json")).stdout)["limits_lifted"] == 1
    assert (await auth.http.post("/auth/v1/sessions", json=body)).status_code == 201


async def test_reset_factors(auth: "Auth", orion: Orion) -> None:
    user_id = await auth.verified()
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_enabled, primary_method, email_verified_at) "
        "VALUES (:user_id, true, 'EMAIL', now())",
        user_id=user_id,
    )
    assert (await auth.sign_in()).status_code == 202
    assert (await orion("reset-factors", "ada@example.com", "--dry-run")).stdout == (
        "The second factors of ada@example.com would be removed.\n"
    )
    assert (await auth.sign_in()).status_code == 202
    assert (await orion("reset-factors", "ada@example.com")).exit_code == 0
    assert (await auth.sign_in()).status_code == 201
    [event] = await auth.rows("SELECT details FROM security_events WHERE event_type = 'factors.reset'")
    assert event["details"] == {"by": "olga", "sessions_ended": 0}


async def test_a_suspension_is_not_lifted(auth: "Auth", orion: Orion) -> None:
    await auth.verified()
    await auth.execute("UPDATE identities SET status = 'SUSPENDED'")
    done = await orion("unlock", "ada@example.com", "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (5, "suspended")
    assert await history(auth) == []


async def test_end_sessions(auth: "Auth", orion: Orion) -> None:
    user_id = await auth.verified()
    grants = [(await auth.sign_in()).json() for _ in range(2)]
    assert json.loads((await orion("end-sessions", str(user_id), "--dry-run", "--json")).stdout)["ended"] == 2
    assert (await auth.refresh(grants[0]["refresh_token"])).status_code == 200
    done = await orion("end-sessions", str(user_id))
    assert (done.exit_code, done.stdout) == (0, "2 sessions of ada@example.com ended.\n")
    for grant in grants:
        headers = auth.as_bearer(grant["access_token"])
        assert (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 401
    assert await history(auth) == [("sessions.ended_by_operator", "olga")]


async def test_import_of_a_file_and_again(auth: "Auth", orion: Orion, tmp_path: Path) -> None:
    users = [{"email": f"user{number}@example.com", "email_verified": True} for number in range(250)]
    lines = [json.dumps(user) for user in users]
    lines[100] = '{"email": "hunter2", "password": "hunter2"}'
    file = tmp_path / "users.ndjson"
    file.write_text("\n".join([*lines, "", "x" * 200_000]))
    tried = await orion("import", str(file), "--dry-run")
    assert (tried.exit_code, tried.stdout) == (1, "249 would be created, 0 there already, 2 refused.\n")
    assert await auth.rows("SELECT id FROM identities") == []
    done = await orion("import", str(file), "--from-line", "101")
    assert done.stdout == "149 created, 0 there already, 2 refused.\n"
    assert "line 101: password: no password is taken in clear" in done.stderr
    assert "line 252: longer than" in done.stderr
    assert "hunter2" not in done.output
    again = await orion("import", str(file), "--json")
    *reports, summary = [json.loads(line) for line in again.stdout.splitlines()]
    assert (summary["created"], summary["exist"], summary["refused"], summary["exit_code"]) == (100, 149, 2, 1)
    assert [report["line"] for report in reports if report["outcome"] == "REFUSED"] == [101, 252]
    assert len(await auth.rows("SELECT id FROM identities")) == 249


async def published(auth: "Auth") -> set[str]:
    return {key["kid"] for key in (await auth.http.get("/auth/.well-known/jwks.json")).json()["keys"]}


async def test_rotate_keys(auth: "Auth", orion: Orion, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = auth.application.state.components.signer
    old = (await signer.ready()).kid
    unopened = await orion("rotate-keys", "--json")
    assert (unopened.exit_code, json.loads(unopened.stdout)["error"]["code"]) == (5, "wrong_sealing_keys")
    monkeypatch.setenv("AUTH_SEALING_KEYS", SEALING_KEYS)
    tried = json.loads((await orion("rotate-keys", "--dry-run", "--json")).stdout)
    assert (tried["kid"], tried["replaced"], await published(auth)) == (None, [old], {old})
    assert await auth.rows("SELECT id FROM security_events") == []

    done = json.loads((await orion("rotate-keys", "--json")).stdout)
    assert await published(auth) == {old, done["kid"]}
    moments = [datetime.fromisoformat(each["at"]) for each in done["timeline"]]
    assert [later - moments[0] for later in moments] == [timedelta(minutes=n) for n in (0, 15, 30)]
    assert done["signs_from"] == done["timeline"][1]["at"]
    assert (await signer._reload()).kid == old
    auth.clock.advance(minutes=16)
    assert (await signer._reload()).kid == done["kid"]
    auth.clock.advance(minutes=15)
    await signer._reload()
    assert await published(auth) == {done["kid"]}

    said = (await orion("rotate-keys", "--compromised")).stdout
    assert done["kid"] in said and "No service accepts what an old key signed" in said
    [newest] = await published(auth)
    assert said.startswith(f"The new key is {newest}:") and (await signer._reload()).kid == newest
    events = await auth.rows("SELECT event_type, details FROM security_events ORDER BY id")
    assert [event["event_type"] for event in events] == ["signing_keys.rotated"] * 2
    assert events[1]["details"] == {"actor": "olga", "kid": newest, "replaced": [done["kid"]], "compromised": True}


async def test_simulate(auth: "Auth", orion: Orion, tmp_path: Path) -> None:
    await auth.verified()
    for _ in range(3):
        await auth.sign_in()
    file = tmp_path / "policy.json"
    file.write_text('{"weights": {"new_device": 100}}')
    done = await orion("simulate", str(file), "--days", "1")
    counted, *told = done.stdout.splitlines()
    assert done.exit_code == 0
    assert counted == (
        "Of 3 sign-ins in 1 days, 2 would have been decided otherwise: let in 3 -> 1, asked for more 0 -> 0, "
        "stopped 0 -> 2."
    )
    assert all("ada@example.com: let in -> stopped (score 20 -> 100). This device" in line for line in told)
    facts = json.loads((await orion("simulate", str(file), "--json")).stdout)
    assert (facts["changed"], facts["policy"]["block_at"], facts["policy"]["weights"]["new_country"]) == (2, 90, 25)
    assert [each["email"] for each in facts["differences"]] == ["ada@example.com"] * 2
    assert (await auth.sign_in()).status_code == 201, "nothing is changed by trying"
    for wrong in ("[]", "{", '{"block_at": 10}', '{"weights": {"no_such_signal": 1}}', '{"block": 80}', "\ud800"):
        file.write_bytes(wrong.encode("utf-8", "surrogatepass"))
        refused = await orion("simulate", str(file), "--json")
        assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (5, "wrong_policy"), wrong


async def test_prune(auth: "Auth", orion: Orion) -> None:
    await auth.verified()
    await auth.http.post("/auth/v1/password-resets", json={"email": "ada@example.com"})
    await auth.execute(
        "UPDATE password_resets SET requested_at = now() - interval '90 days', expires_at = now() - interval '89 days'"
    )
    tried = await orion("prune", "--dry-run", "--json")
    assert json.loads(tried.stdout)["due"] == {"password_resets": 1}
    done = await orion("prune", "--json")
    assert (done.exit_code, json.loads(done.stdout)["removed"]) == (0, {"password_resets": 1})
    assert (await orion("prune")).stdout == "Nothing is removed.\n"
    told = await auth.rows("SELECT details FROM security_events WHERE event_type = 'tables.pruned'")
    assert told == [{"details": {"actor": "olga", "removed": {"password_resets": 1}}}]


async def test_what_cannot_be_done_is_said(auth: "Auth", orion: Orion, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = await orion("unlock", "nobody@example.com")
    assert nobody.exit_code == 5
    assert nobody.stderr.splitlines()[-1] == "There is no user with that id or e-mail address."  # beside what auth logs
    assert (await orion("import", "/nowhere")).exit_code == 2

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000720000")  # as in a container

    monkeypatch.setattr("getpass.getuser", nameless)
    unnamed = await asyncio.to_thread(CliRunner().invoke, commands, ["unlock", "nobody@example.com"])
    assert unnamed.exit_code == 5
    monkeypatch.setenv("AUTH_DATABASE_URL", "postgresql://x:hunter2@127.0.0.1:9/x")
    away = await orion("unlock", "ada@example.com", "--json")
    assert (away.exit_code, json.loads(away.stdout)["error"]["code"]) == (4, "database_unreachable")
    monkeypatch.delenv("AUTH_DATABASE_URL")
    unset = await orion("unlock", "ada@example.com")
    assert unset.exit_code == 3
    assert "AUTH_DATABASE_URL is not set" in unset.stderr
    assert "hunter2" not in away.output + unset.output
