"""What a decision costs, beside pycasbin, node-casbin, cedarpy and a bare indexed round trip. Prints JSON.

A PostgreSQL of its own, migrated and seeded, with 1,000, then 100,000, then 1,000,000 grants over that many users, 500
roles in a hierarchy five deep, and for one in ten users a permission of their own. On it pgbench runs, with eight
clients and prepared statements, the statement of a decision itself (`access/store.py`), and as the bare round trip
one indexed row of the same tables. Then the same questions in process, from rights in memory; and the pages of who may
do something. The peers get the rules of `peer_rules` (in the sizes given), in a process of their own each.

    python bench/authz.py [--sizes 1000,100000,1000000] [--seconds 5] [--peers 1000,10000,100000] [--part database]
"""

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.local import cluster, postgres
from orion_core.rights.decider import Decider, Rights
from orion_core.service import installed_services
from orion_core.statement import Statement
from orion_core.testing.databases import Databases
from orion_user.access.store import DECIDE
from orion_user.decisions import store

FILL = """
INSERT INTO permissions (name, resource, action, category)
SELECT 'bench:p' || n, 'bench', 'p' || n, 'bench' FROM generate_series(1, 1000) AS n;
INSERT INTO roles (id, name, display_name)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'bench' || n, 'b'
FROM generate_series(1, 500) AS n;
INSERT INTO role_inheritance (child_role_id, parent_role_id)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
  ('00000000-0000-7000-8000-' || lpad(to_hex(1 + (n - 101) / 4), 12, '0'))::uuid
FROM generate_series(101, 500) AS n;
INSERT INTO role_permissions (role_id, permission_id)
SELECT role.id, permission.id FROM generate_series(1, 500) AS n CROSS JOIN generate_series(0, 9) AS k
JOIN roles AS role ON role.name = 'bench' || n
JOIN permissions AS permission ON permission.name = 'bench:p' || 1 + (n * 37 + k * 211) % 1000
ON CONFLICT DO NOTHING;
"""
USERS = """
INSERT INTO users (id, email, status)
SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, n || '@bench.example.com', 'ACTIVE'
FROM generate_series($1::int, $2::int) AS n
"""
GRANTS = """
INSERT INTO user_roles (user_id, role_id, starts_at)
SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(1 + (n - 1) / 5), 12, '0'))::uuid,
  ('00000000-0000-7000-8000-' || lpad(to_hex(1 + (n::bigint * 7919) % 500), 12, '0'))::uuid, now() - interval '1 day'
FROM generate_series($1::int, $2::int) AS n
"""
DIRECT = """
INSERT INTO user_permissions (user_id, permission_id, starts_at)
SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, permission.id, now() - interval '1 day'
FROM generate_series($1::int, $2::int, 10) AS n
JOIN permissions AS permission ON permission.name = 'bench:p' || 1 + n % 1000
"""
USER_ID = "CAST('00000000-0000-7000-9000-' || lpad(to_hex(CAST(:user AS int)), 12, '0') AS uuid)"
BARE = f"SELECT status FROM users WHERE id = {USER_ID}"
IN_PGBENCH = {
    "user_id": USER_ID,
    "permission": "'bench' || chr(58) || 'p' || CAST(:p AS text)",  # pgbench looks into quotes
    "now": "now()",
    "within": "'{}'",
}
GRANTS_OF_EACH = 5


def main() -> None:
    """Measure what was asked for."""
    reader = argparse.ArgumentParser()
    reader.add_argument("--sizes", default="1000,100000,1000000")
    reader.add_argument("--seconds", type=float, default=5)
    reader.add_argument("--peers", default="1000,10000,100000")
    reader.add_argument("--part", choices=("database", "peers"))
    asked = reader.parse_args()
    if asked.part != "peers":
        with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
            server = postgres.start(Path(folder) / "postgres", durable=True)
            try:
                asyncio.run(in_database(server.admin_url, numbers(asked.sizes), asked.seconds))
            finally:
                server.stop("immediate")
    if asked.part != "database":
        for peer in (pycasbin, cedarpy, node_casbin):
            peer(numbers(asked.peers), asked.seconds)


def numbers(text: str) -> list[int]:
    """The numbers in a list with commas."""
    return [int(part) for part in text.split(",") if part]


def say(what: str, **figures: Any) -> None:
    """One line of the result."""
    print(json.dumps({"measured": what, **figures}, default=str), flush=True)


async def in_database(admin_url: str, sizes: Sequence[int], seconds: float) -> None:
    """Decisions by PostgreSQL and in process, at each size."""
    service = installed_services()["user"]
    async with Databases(admin_url).clone("user") as made:
        owner = Database.connect(made.owner_url, role=service.owner_role, application="bench")
        async with owner.transaction() as transaction:
            await service.seed(transaction.connection, "reference")
        await owner.close()
        raw = await asyncpg.connect(made.owner_url)
        await raw.execute(FILL)
        filled = 0
        for size in sizes:
            users_before, users = filled // GRANTS_OF_EACH, size // GRANTS_OF_EACH
            await raw.execute(USERS, users_before + 1, users, timeout=600)
            await raw.execute(GRANTS, filled + 1, size, timeout=1200)
            await raw.execute(DIRECT, users_before + 1, users, timeout=600)
            await raw.execute("VACUUM ANALYZE", timeout=600)
            filled = size
            facts = {"grants": size, "users": users}
            bare = pgbench(made.owner_url, BARE, users, seconds)
            decided = pgbench(made.owner_url, in_pgbench(DECIDE), users, seconds)
            say("database", **facts, bare_per_second=bare, decisions_per_second=decided, ratio=round(bare / decided, 2))
            await in_process(made.url, users, facts)
        await raw.close()


def in_pgbench(statement: Statement) -> str:
    """A statement of ours with what pgbench knows in the place of its parameters."""
    text, names = re.sub(r"--[^\n]*", "", statement.sql), [name for name, _ in statement.parameters]
    return re.sub(r"\$(\d+)", lambda found: IN_PGBENCH[names[int(found[1]) - 1]], text)


def pgbench(url: str, statement: str, users: int, seconds: float) -> int:
    """Statements per second of eight clients."""
    script = rf"\set user random(1, {users})" + "\n" + r"\set p random(1, 1000)" + "\n" + statement.strip() + ";\n"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(flat(script))
        file.flush()
        command = [str(cluster.binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", "--client=8", "--jobs=2"]
        command += [f"--time={int(seconds)}", f"--file={file.name}", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return round(float(re.findall(r"tps = ([\d.]+)", done.stdout)[-1]))


def flat(script: str) -> str:
    """The script with its statement in one line; pgbench reads commands line by line."""
    *settings, statement = script.split("\n", 2)
    return "\n".join((*settings, " ".join(statement.split()))) + "\n"


async def in_process(url: str, users: int, facts: dict[str, int]) -> None:
    """From rights in memory: the decision alone, and with the question whether they are still the present ones."""
    database = Database.connect(url, role=installed_services()["user"].service_role, application="bench")
    now = datetime.now(UTC)

    async def refresh(user_id: UUID, known: str | None) -> Rights | None:
        async with database.autocommit() as connection:
            return await store.rights(connection, user_id, known, now)

    decider = Decider(refresh)
    some = [UUID(f"00000000-0000-7000-9000-{1 + n * 7919 % users:012x}") for n in range(200)]
    rights = [await decider.rights(user_id) for user_id in some]
    within = frozenset({uuid7()})
    alone = timed(20_000, lambda n: rights[n % 200].allows(f"bench:p{1 + n % 1000}", now, within))
    confirmed: list[float] = []
    for n in range(2_000):
        began = time.perf_counter()
        (await decider.rights(some[n % 200])).allows("bench:p7", now, within)
        confirmed.append((time.perf_counter() - began) * 1e6)
    who = await pages_of_who(database, now)
    await database.close()
    say("in process", **facts, **alone, with_version_p50_us=round(median(confirmed), 1), **who)


async def pages_of_who(database: Database, now: datetime) -> dict[str, float]:
    """Milliseconds of a page of 100 users who may do something, from the first and from the middle."""
    figures: dict[str, float] = {}
    async with database.autocommit() as connection:
        for name, after in (("first", UUID(int=0)), ("middle", UUID("00000000-0000-7000-9000-00000000c350"))):
            taken: list[float] = []
            for _ in range(20):
                began = time.perf_counter()
                page = await store.subjects(connection, "bench:p38", now, (), after, 100)
                await store.of_several(connection, page, "bench:p38", now, (), is_past=False)
                taken.append((time.perf_counter() - began) * 1e3)
            figures[f"who_{name}_page_ms"] = round(median(taken), 2)
    return figures


def timed(times: int, decide: Callable[[int], object]) -> dict[str, float]:
    """Microseconds of each call."""
    taken: list[int] = []
    for n in range(times):
        began = time.perf_counter_ns()
        decide(n)
        taken.append(time.perf_counter_ns() - began)
    taken.sort()
    return {"p50_us": taken[times // 2] / 1000, "p99_us": taken[times * 99 // 100] / 1000}


def peer_rules(size: int) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]], list[tuple[str, str]]]:
    """Rules of the usual kind for the peers: what roles may, who has which role, what lies in which group."""
    roles = size // 11
    return (
        [(f"role{n}", f"group{n}", "read") for n in range(roles)],
        [(f"user{n}", f"role{n // 9}") for n in range(9 * roles)],
        [(f"data{n}", f"group{n}") for n in range(roles)],
    )


def peer_question(size: int, n: int) -> tuple[str, str, str, bool]:
    """A question to the peers and its answer; half of them are allowed."""
    roles = size // 11
    user, allowed = (n * 7919) % (9 * roles), n % 2 == 0
    role = user // 9
    return f"user{user}", f"data{role if allowed else (role + 1) % roles}", "read", allowed


MODEL = """[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && g2(r.obj, p.obj) && r.act == p.act
"""


def asked(name: str, size: int, seconds: float, ask: Callable[[int], bool]) -> None:
    """How often a peer answers in a second, and how often wrongly."""
    wrong = sum(ask(n) != peer_question(size, n)[3] for n in range(4))
    began, taken = time.perf_counter(), list[float]()
    while time.perf_counter() - began < seconds or len(taken) < 5:
        before = time.perf_counter()
        ask(len(taken))
        taken.append((time.perf_counter() - before) * 1e6)
    rate = round(len(taken) / sum(taken) * 1e6, 1)
    say(name, rules=size, decisions_per_second=rate, p50_us=round(median(taken)), wrong=wrong)


def pycasbin(sizes: Sequence[int], seconds: float) -> None:
    """Casbin for Python."""
    import logging

    casbin: Any = import_module("casbin")
    logging.disable(logging.WARNING)
    for size in sizes:
        model = casbin.Model()
        model.load_model_from_text(MODEL)
        enforcer = casbin.Enforcer(model)
        allowed, roles, groups = peer_rules(size)
        enforcer.add_policies([list(rule) for rule in allowed])
        enforcer.add_named_grouping_policies("g", [list(rule) for rule in roles])
        enforcer.add_named_grouping_policies("g2", [list(rule) for rule in groups])
        asked("pycasbin", size, seconds, lambda n: enforcer.enforce(*peer_question(size, n)[:3]))  # noqa: B023


def cedarpy(sizes: Sequence[int], seconds: float) -> None:
    """Cedar for Python, with policies and entities parsed once."""
    cedar: Any = import_module("cedarpy")

    for size in sizes:
        allowed, roles, groups = peer_rules(size)
        policies = cedar.PolicySet.from_str(
            "\n".join(
                f'permit(principal in Role::"{role}", action == Action::"{action}", resource in Group::"{group}");'
                for role, group, action in allowed
            )
        )
        entities = cedar.Entities.from_json_str(
            json.dumps(
                [_entity("User", user, ("Role", role)) for user, role in roles]
                + [_entity("Role", role) for role, _, _ in allowed]
                + [_entity("Data", data, ("Group", group)) for data, group in groups]
                + [_entity("Group", group) for _, group, _ in allowed]
            )
        )

        def ask(n: int) -> bool:
            user, data, action, _ = peer_question(size, n)  # noqa: B023
            request = {
                "principal": {"type": "User", "id": user},
                "action": {"type": "Action", "id": action},
                "resource": {"type": "Data", "id": data},
                "context": {},
            }
            return cedar.is_authorized(request, policies, entities).allowed  # noqa: B023

        asked("cedarpy", size, seconds, ask)


def _entity(kind: str, name: str, *parents: tuple[str, str]) -> dict[str, Any]:
    above = [{"type": parent, "id": id_} for parent, id_ in parents]
    return {"uid": {"type": kind, "id": name}, "attrs": {}, "parents": above}


def node_casbin(sizes: Sequence[int], seconds: float) -> None:
    """Casbin for Node, installed into a folder that is thrown away; left out where there is no npm."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        say("node-casbin", left_out="there is no npm here")
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as folder:
        script = Path(folder) / "peer.mjs"
        script.write_text((Path(__file__).parent / "authz_casbin.mjs").read_text())
        subprocess.run([npm, "install", "--silent", "--no-audit", "casbin@5"], cwd=folder, check=True)
        command = [node, str(script), json.dumps(list(sizes)), str(seconds), MODEL]
        subprocess.run(command, check=True, stdout=sys.stdout)


if __name__ == "__main__":
    main()
