"""Whether a stopwatch, or a look at the answer, tells a known address, or API key, from an unknown one. Prints JSON.

Every kind of request is sent for each kind of address, in an order of chance, over real HTTP, and the times of each two
kinds are compared by three two-sample tests: Welch's t (means), Mann-Whitney (ranks), Kolmogorov-Smirnov (whole
distributions).
They pass when no test finds a difference at the level 0.001 after Bonferroni's correction for the number of tests.
Status, headers and body must be the same to the byte, but for what names the request and the moment. Limits are lifted:
under them no stopwatch gets so many samples (that limited answers are the same is tested with the others).

    python bench/timing.py [samples [sign_in|registration|verification_mail|password_reset|api_key ...]]
"""

import asyncio
import json
import math
import re
import secrets
import statistics
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

from running import PASSWORD, Answer, Platform, Wire, platform

from orion_core.api_keys import ApiKeyText

SAMPLES = 2000
LEVEL = 0.001
WARM_UP = 20
OF_THE_REQUEST = {"date", "x-request-id", "traceparent"}

Ask = Callable[[Wire, int], Awaitable[Answer]]
Seen = tuple[int, tuple[tuple[str, str], ...], bytes]


def welch(one: list[float], other: list[float]) -> float:
    """Two-sided p-value of Welch's t; at hundreds of samples t is normal."""
    apart = statistics.fmean(one) - statistics.fmean(other)
    error = math.sqrt(statistics.variance(one) / len(one) + statistics.variance(other) / len(other))
    return math.erfc(abs(apart) / error / math.sqrt(2))


def mann_whitney(one: list[float], other: list[float]) -> float:
    """Two-sided p-value of the rank-sum test in its normal approximation; times to the nanosecond have no ties."""
    ranked = sorted([(value, True) for value in one] + [(value, False) for value in other])
    ranks = sum(rank for rank, (_, is_one) in enumerate(ranked, 1) if is_one)
    n, m = len(one), len(other)
    above = ranks - n * (n + 1) / 2
    return math.erfc(abs(above - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12) / math.sqrt(2))


def kolmogorov_smirnov(one: list[float], other: list[float]) -> float:
    """Two-sided p-value by Kolmogorov's distribution (Stephens' correction for few samples)."""
    ranked = sorted([(value, 1 / len(one)) for value in one] + [(value, -1 / len(other)) for value in other])
    apart, largest = 0.0, 0.0
    for _, step in ranked:
        apart += step
        largest = max(largest, abs(apart))
    n = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    x = (n + 0.12 + 0.11 / n) * largest
    return (
        min(1.0, max(0.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101)))) if x else 1.0
    )


def seen(answer: Answer) -> Seen:
    """What an answer shows, without what names its request."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in OF_THE_REQUEST)
    body = re.sub(rb'"instance":"[^"]*"', b'"instance":""', answer.body)
    return answer.status, tuple(headers), body


def show_key(text: Callable[[int], ApiKeyText]) -> Ask:
    """Asks for a token with an API key."""

    def ask(wire: Wire, n: int) -> Awaitable[Answer]:
        key = text(n)
        form = f"grant_type=client_credentials&client_id={key.client_id}&client_secret={key.text}"
        return wire.post("/auth/oauth2/token", form=form)

    return ask


def keys_shown(keys: list[ApiKeyText], ended: list[ApiKeyText]) -> dict[str, Ask]:
    """Keys that are none, in every way in which somebody could try."""

    def wrong(n: int) -> ApiKeyText:
        return ApiKeyText("dev", keys[n % len(keys)].prefix, ApiKeyText.new("dev").secret)

    return {
        "unknown_prefix": show_key(lambda _: ApiKeyText.new("dev")),
        "wrong_secret": show_key(wrong),
        "ended": show_key(lambda n: ended[n % len(ended)]),
    }


def requests(known: list[str], pending: list[str]) -> dict[str, dict[str, Ask]]:
    """Every request whose answer must not tell, for each kind of address."""

    def unknown(_: int) -> str:
        return f"u{secrets.token_hex(4)}@bench.example.com"

    def sign_in(of: Callable[[int], str], password: str) -> Ask:
        return lambda wire, n: wire.sign_in(of(n), password)

    def register(of: Callable[[int], str]) -> Ask:
        return lambda wire, n: wire.post("/auth/v1/identities", {"email": of(n), "password": PASSWORD})

    def ask_for(path: str, of: Callable[[int], str]) -> Ask:
        return lambda wire, n: wire.post(path, {"email": of(n)})

    def of_known(n: int) -> str:
        return known[n % len(known)]

    def of_pending(n: int) -> str:
        return pending[n % len(pending)]

    def of_another_pending(n: int) -> str:
        return pending[-1 - n % len(pending)]

    wrong = "another horse battery staple"
    return {
        "sign_in": {
            "wrong_password": sign_in(of_known, wrong),
            "unknown": sign_in(unknown, wrong),
            "unverified_wrong_password": sign_in(of_pending, wrong),
            "unverified_right_password": sign_in(of_another_pending, PASSWORD),
        },
        "registration": {"known": register(of_known), "unknown": register(unknown), "unverified": register(of_pending)},
        "verification_mail": {
            "known": ask_for("/auth/v1/verifications", of_known),
            "unknown": ask_for("/auth/v1/verifications", unknown),
            "unverified": ask_for("/auth/v1/verifications", of_pending),
        },
        "password_reset": {
            "known": ask_for("/auth/v1/password-resets", of_known),
            "unknown": ask_for("/auth/v1/password-resets", unknown),
            "unverified": ask_for("/auth/v1/password-resets", of_pending),
        },
    }


async def measure(url: str, kinds: dict[str, Ask], samples: int) -> dict[str, Any]:
    """Ask in an order of chance, and compare."""
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    answers: dict[str, set[Seen]] = {kind: set() for kind in kinds}
    async with Wire(url) as wire:
        asked = [(kind, n) for n in range(samples + WARM_UP) for kind in kinds]
        # All of them shuffled, for what one leaves to be done slows the next: each kind has to follow each as often.
        for kind, n in sorted(asked, key=lambda _: secrets.randbits(64)):
            answer = await kinds[kind](wire, n)
            if answer.status == 404:
                return {"skipped": "there is no such route"}
            if n >= WARM_UP:
                times[kind].append(answer.seconds)
                answers[kind].add(seen(answer))
    pairs = {f"{one} / {other}": (times[one], times[other]) for one, other in combinations(kinds, 2)}
    tests = {"welch": welch, "mann_whitney": mann_whitney, "kolmogorov_smirnov": kolmogorov_smirnov}
    p_values = {name: {test: round(of(*pair), 5) for test, of in tests.items()} for name, pair in pairs.items()}
    least = min(value for of_pair in p_values.values() for value in of_pair.values())
    return {
        "samples": samples,
        "statuses": sorted({answer[0] for of_kind in answers.values() for answer in of_kind}),
        "answers_are_the_same": len({answer for of_kind in answers.values() for answer in of_kind}) == 1,
        "median_ms": {kind: round(statistics.median(of_kind) * 1000, 3) for kind, of_kind in times.items()},
        "p_values": p_values,
        "level": LEVEL / (len(tests) * len(pairs)),
        "cannot_be_told_apart": least > LEVEL / (len(tests) * len(pairs)),
    }


async def run(running: Platform, samples: int, wanted: list[str]) -> dict[str, Any]:
    """Those that are wanted, or all, one after the other."""
    # Each is tried once in one way: what was tried often has a history to look through, and limits let nobody try so.
    known = await running.make_users("known", samples + WARM_UP)
    pending = await running.make_users("pending", 2 * (samples + WARM_UP), status="PENDING")
    keys, ended = ([ApiKeyText.new("dev") for _ in range(200)] for _ in range(2))
    async with running.database() as connection:
        await connection.execute("DELETE FROM rate_limit_policies")
        now = datetime.now(UTC)
        for made, ends_at in ((keys, now + timedelta(days=1)), (ended, now - timedelta(days=1))):
            await connection.execute(
                "INSERT INTO api_keys (prefix, key_hash, service, scopes, allowed_cidrs, ends_at)"
                " SELECT prefix, key_hash, 'bench', '{x:y}', '{}', $3::timestamptz"
                " FROM unnest($1::text[], $2::bytea[]) AS made (prefix, key_hash)",
                [key.prefix for key in made],
                [key.secret_hash for key in made],
                ends_at,
            )
    asked = requests(known, pending) | {"api_key": keys_shown(keys, ended)}
    return {name: await measure(running.urls["auth"], asked[name], samples) for name in wanted or asked}


if __name__ == "__main__":
    count, *names = sys.argv[1:] or [str(SAMPLES)]
    with platform() as started:
        print(json.dumps(asyncio.run(run(started, int(count), names)), indent=2))
