"""A flood of sign-ins, ten times what can be hashed, and what everybody else notices of it. Prints JSON.

Processes on the loopback network, each with many connections from networks of their own, sign in to accounts that are
there and to others, with wrong passwords, at a steady rate: who is not answered yet holds up nobody else. Meanwhile,
for as long as that lasts, the owner of an account signs in a hundred times from a device that it knows, sessions are
refreshed, and auth's memory is watched. Once with the limits as they are seeded; once without those of sign-ins, so
that nothing but the lane stands in between.

    python bench/flood.py [seconds [attempts per second]]
"""

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from typing import Any

from running import PASSWORD, Platform, Wire, percentile, platform

SECONDS, RATE = 20.0, 1000
PROCESSES, CONNECTIONS, ACCOUNTS = 2, 2000, 250
"""Connections and accounts of each process; every second account is there."""
HELD_BACK = -1
"""Instead of a status: an attempt that was not made, since all connections waited for an answer."""
OWNER_SIGN_INS, SESSIONS = 100, 20
STARTING = 1.0
"""Seconds until the attackers' processes are there."""


@dataclass
class Noticed:
    """What one kind of caller got."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    seconds: list[float] = field(default_factory=list[float])

    def add(self, status: int, seconds: float) -> None:
        """Note an answer; 0 for none."""
        self.statuses[status] += 1
        self.seconds.append(seconds)

    def figures(self) -> dict[str, Any]:
        """In words of JSON."""
        return {
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "p50_ms": round(statistics.median(self.seconds) * 1000, 1),
            "p99_ms": round(percentile(self.seconds, 0.99) * 1000, 1),
        }


def attack(url: str, number: int, rate: float, seconds: float, results: "Queue[dict[int, int]]") -> None:
    """One process of the attacker's."""
    results.put(asyncio.run(_attack(url, number, rate, seconds)))


async def _attack(url: str, number: int, rate: float, seconds: float) -> dict[int, int]:
    answers: Counter[int] = Counter()
    free = [Wire(url, f"127.{100 + number}.{n // 200}.{n % 200 + 1}") for n in range(CONNECTIONS)]

    async def attempt(n: int, wire: Wire) -> None:
        try:
            # Somebody who says that he comes from a known device takes the longer way through auth.
            claimed = {"device_id": "owners-laptop"} if n % 2 else {}
            name = f"known{n % ACCOUNTS}@bench.example.com"
            answers[(await wire.sign_in(name, "wrong password", **claimed)).status] += 1
        except OSError:
            answers[0] += 1
            wire.close()
        finally:
            free.append(wire)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as attempts:
        for n in range(int(rate * seconds)):
            await asyncio.sleep(began + n / rate - time.perf_counter())
            if free:
                attempts.create_task(attempt(n, free.pop(0)))
            else:
                answers[HELD_BACK] += 1
    return dict(answers)


async def owner(url: str, email: str, seconds: float) -> Noticed:
    """Signs in a hundred times, spread over the flood, from the device that he always uses."""
    noticed = Noticed()

    async def sign_in(n: int) -> None:
        await asyncio.sleep(seconds / OWNER_SIGN_INS * n)
        async with Wire(url, "127.0.2.1") as wire:
            answer = await wire.sign_in(email, PASSWORD, device_id="owners-laptop")
            noticed.add(answer.status, answer.seconds)

    await asyncio.gather(*(sign_in(n) for n in range(OWNER_SIGN_INS)))
    return noticed


async def refreshing(url: str, tokens: list[str], stop: asyncio.Event) -> Noticed:
    """Sessions that are refreshed one after the other, all the time."""
    noticed = Noticed()
    async with Wire(url, "127.0.3.1") as wire:
        while not stop.is_set():
            for n, token in enumerate(tokens):
                answer = await wire.refresh(token)
                noticed.add(answer.status, answer.seconds)
                tokens[n] = answer.json().get("refresh_token", token)
                await asyncio.sleep(0.02)
    return noticed


async def watch(running: Platform, stop: asyncio.Event) -> int:
    """The most memory that auth held, in bytes."""
    most = 0
    while not stop.is_set():
        most = max(most, await asyncio.to_thread(running.memory))  # or it would hold up who is timed here
        await asyncio.sleep(0.5)
    return most


async def flood(running: Platform, prefix: str, rate: float, seconds: float) -> dict[str, Any]:
    """Everything at once, for so long."""
    url = running.urls["auth"]
    emails = await running.make_users(prefix, SESSIONS + 1)
    async with Wire(url, "127.0.2.1") as wire:
        assert (await wire.sign_in(emails[0], PASSWORD, device_id="owners-laptop")).status == 201
        tokens = [(await wire.sign_in(email, PASSWORD)).json()["refresh_token"] for email in emails[1:]]
    context = multiprocessing.get_context("spawn")
    results: Queue[dict[int, int]] = context.Queue()
    before, stop = running.memory(), asyncio.Event()
    memory = asyncio.create_task(watch(running, stop))
    attackers = [
        context.Process(target=attack, args=(url, n, rate / PROCESSES, seconds, results)) for n in range(PROCESSES)
    ]
    for attacker in attackers:
        attacker.start()
    await asyncio.sleep(STARTING)
    refreshed = asyncio.create_task(refreshing(url, tokens, stop))
    signed_in = await owner(url, emails[0], seconds - STARTING)
    stop.set()
    answers = Counter[int]()
    for _ in attackers:
        answers.update(await asyncio.to_thread(results.get))
    return {
        "attempts_per_second": round((answers.total() - answers[HELD_BACK]) / seconds, 1),
        "attackers_got": {str(status): count for status, count in sorted(answers.items())},
        "owner": signed_in.figures(),
        "refresh": (await refreshed).figures(),
        "memory_mb": {
            "before": before // 2**20,
            "most": await memory // 2**20,
            "after": running.memory() // 2**20,
        },
    }


async def run(running: Platform, seconds: float, rate: float) -> dict[str, Any]:
    """With limits and without."""
    await running.make_users("known", ACCOUNTS // 2)
    async with running.database() as connection:
        await connection.execute("UPDATE rate_limit_policies SET \"limit\" = 1000 WHERE endpoint = 'refresh'")
        limited = await flood(running, "limited", rate, seconds)
        await connection.execute(
            "DELETE FROM rate_limit_policies WHERE endpoint LIKE 'login%' AND endpoint <> 'login_refusal_record'"
        )
        return {"with_limits": limited, "without_limits": await flood(running, "unlimited", rate, seconds)}


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    with platform() as started:
        print(json.dumps(asyncio.run(run(started, *(given + [SECONDS, RATE][len(given) :]))), indent=2))
