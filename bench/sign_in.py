"""Sign-ins per second beside what the hash alone allows on these processors in the same run. Prints JSON.

The hash alone: as many threads as auth has verify one password after the other, and nothing else runs; by each of the
two libraries of which auth uses the quicker one. Then clients, each from a network of its own, sign in to one account
after the other, on the device that the account knows. All take turns, since processors that others use too are not
equally fast from one second to the next. Also how many statements a sign-in sends, counted by pg_stat_statements, and
the processor time that each part takes.

    python bench/sign_in.py [rounds [seconds]]
"""

import asyncio
import json
import os
import statistics
import sys
import threading
import time
from itertools import cycle
from typing import Any

from running import PASSWORD, Platform, Wire, percentile, platform

from orion_auth.hashing import LIBARGON2, LIBSODIUM, Library, quickest_library

ROUNDS, SECONDS = 3, 4.0
CLIENTS, ACCOUNTS = 8, 400


def hashes_per_second(library: Library, seconds: float) -> float:
    """What the processors do when they do nothing else."""
    kept = library.hash(PASSWORD.encode())
    counts = [0] * (os.cpu_count() or 1)
    until = time.perf_counter() + seconds

    def verify_all_the_time(n: int) -> None:
        while time.perf_counter() < until:
            library.verify(kept, PASSWORD.encode())
            counts[n] += 1

    threads = [threading.Thread(target=verify_all_the_time, args=(n,)) for n in range(len(counts))]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


async def sign_in_all_the_time(url: str, emails: list[str], seconds: float) -> tuple[list[float], float]:
    """How long each sign-in took, and how long all of them."""
    took: list[float] = []
    began = time.perf_counter()

    async def client(n: int) -> None:
        async with Wire(url, f"127.0.1.{n + 1}") as wire:
            for email in cycle(emails[n::CLIENTS]):
                if time.perf_counter() >= began + seconds:
                    break
                answer = await wire.sign_in(email, PASSWORD, device_id=f"laptop-of-{email}")
                if answer.status != 503:  # the lane's patience is at an end, on processors that others are busy on
                    assert answer.status == 201, answer
                    took.append(answer.seconds)

    await asyncio.gather(*(client(n) for n in range(CLIENTS)))
    return took, time.perf_counter() - began


async def statements(running: Platform) -> list[tuple[str, int]]:
    """What auth has sent so far, and how often."""
    query = (
        "SELECT query, calls FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname ="
        " current_database()) AND userid = 'orion_auth_service'::regrole"
    )
    async with running.database() as connection:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        return [(row["query"], row["calls"]) for row in await connection.fetch(query)]


async def run(running: Platform, rounds: int, seconds: float) -> dict[str, Any]:
    """The two in turn."""
    emails = await running.make_users("user", ACCOUNTS)
    async with running.database() as connection:
        await connection.execute("UPDATE rate_limit_policies SET \"limit\" = 1000 WHERE endpoint LIKE 'login%'")
    await sign_in_all_the_time(running.urls["auth"], emails, ACCOUNTS / 25)  # each device is known from now on
    before = dict(await statements(running))
    alone: dict[str, list[float]] = {LIBSODIUM.name: [], LIBARGON2.name: []}
    signed_in, took = list[float](), list[float]()
    spent = {name: -running.processor_seconds(name) for name in ("auth", "postgres", "user", "notifications", "worker")}
    own = -time.process_time()
    for _ in range(rounds):
        own += time.process_time()
        for library in (LIBSODIUM, LIBARGON2):
            alone[library.name].append(hashes_per_second(library, seconds))
        own -= time.process_time()
        times, elapsed = await sign_in_all_the_time(running.urls["auth"], emails, seconds)
        signed_in.append(len(times) / elapsed)
        took += times
    per_sign_in = {name: (spent[name] + running.processor_seconds(name)) / len(took) for name in spent}
    rate = statistics.median(signed_in)
    per_sign_in["client"] = (own + time.process_time()) / len(took)
    sent = [(query, calls - before.get(query, 0)) for query, calls in await statements(running)]
    of_a_sign_in = {query: round(calls / len(took), 2) for query, calls in sent if calls > len(took) / 2}
    return {
        "hashes_per_second": {name: round(statistics.median(rates), 1) for name, rates in alone.items()},
        "hashed_by": quickest_library().name,
        "sign_ins_per_second": round(rate, 1),
        "share_of": {
            name: round(statistics.median(signed_in) / statistics.median(rates), 3) for name, rates in alone.items()
        },
        "clients": CLIENTS,
        "p50_ms": round(statistics.median(took) * 1000, 1),
        "p99_ms": round(percentile(took, 0.99) * 1000, 1),
        "processor_ms_of_a_sign_in": {name: round(value * 1000, 2) for name, value in per_sign_in.items()},
        "statements_of_a_sign_in": round(sum(of_a_sign_in.values()), 1),
        "statements": {" ".join(query.split())[:110]: calls for query, calls in of_a_sign_in.items()},
    }


if __name__ == "__main__":
    given = sys.argv[1:]
    with platform() as started:
        figures = run(started, int(given[0]) if given else ROUNDS, float(given[1]) if given[1:] else SECONDS)
        print(json.dumps(asyncio.run(figures), indent=2))
