"""Orion as one of the peers that are measured in one run: `serve` it on $PORT, and `prepare` a load for it.

It brings its own PostgreSQL, as `orion up` does, with the settings that anybody gets. Limits on sign-ins are lifted,
since the others have none; everything else is as it is deployed: attempts are recorded, risk is assessed, sessions can
be ended.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from auth_refresh import served
from running import PASSWORD, Platform, Wire, platform

ACCOUNTS = 100
STATE = Path(os.environ["BENCH_STATE"])


async def make_accounts(running: Platform) -> None:
    """Accounts, and what to sign in to them with, a line each."""
    emails = await running.make_users("user", ACCOUNTS)
    async with running.database() as connection:
        await connection.execute("DELETE FROM rate_limit_policies WHERE endpoint LIKE 'login%'")
    bodies = ({"email": email, "password": PASSWORD, "device_id": f"laptop-of-{email}"} for email in emails)
    STATE.joinpath("bodies").write_text("".join(json.dumps(body) + "\n" for body in bodies))


def serve() -> None:
    """Serve auth on $PORT with $BENCH_WORKERS processes, until a signal."""
    with platform() as running:
        asyncio.run(make_accounts(running))
        with served(running, "auth", port=int(os.environ["PORT"]), workers=int(os.environ["BENCH_WORKERS"])):
            signal.pause()


async def prepare() -> None:
    """One sign-in; its token goes to the checks."""
    body = json.loads(STATE.joinpath("bodies").read_text().splitlines()[0])
    async with Wire(os.environ["BASE_URL"]) as wire:
        answer = await wire.post("/auth/v1/sessions", body)
        assert answer.status == 201, answer
    print(json.dumps({"env": {"access": answer.json()["access_token"]}}))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that what was started is stopped too
    if sys.argv[1] == "serve":
        serve()
    else:
        asyncio.run(prepare())
