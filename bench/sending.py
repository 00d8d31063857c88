"""How long one message takes to be sent for: POST /notifications/v1/notifications until it is durable. Prints JSON.

PostgreSQL waits for its disk. The service and the client, which asks one request after the other over a socket and
does no more than look at the status, share a process. By words to a user with quiet hours, and by a template into an
inbox.

    python bench/sending.py [requests]
"""

import gc
import json
import sys
import tempfile
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
import uvloop
from running import Wire, percentile
from sqlalchemy import text
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.http.embedded import serving
from orion_core.ids import uuid7
from orion_core.local import postgres
from orion_core.sealing import Keyring
from orion_core.service import installed_services
from orion_core.testing import client_of_nobody
from orion_core.testing.databases import Databases
from orion_notifications.app import build
from orion_notifications.settings import NotificationSettings

SERVICE = installed_services()["notifications"]
PATH = "/notifications/v1/notifications"
FAR = 4_000_000_000
WARMING_UP = 100
"""Requests that are not counted."""


async def as_shop(_: Request) -> AccessClaims:
    """A service's key that may send."""
    scope = "notification:send"
    return AccessClaims(
        iss="i", aud="orion", sub="service:shop", client_id="orn_shop", sid="k", scope=scope, exp=FAR, iat=1, jti="j"
    )


def settings_of(url: str) -> NotificationSettings:
    """Settings with keys that are thrown away."""
    keys = {f"{name}_SEALING_KEYS": Keyring.new_key("k") for name in ("NOTIFICATION", "EVENT", "USER_EVENT")}
    values = {"NOTIFICATION_DATABASE_URL": url, "NOTIFICATION_SERVICE_KEY": "unused", **keys}
    return NotificationSettings.model_validate(values)


async def measure(wire: Wire, body: dict[str, Any], count: int) -> dict[str, float]:
    """Milliseconds of one request after the other."""
    taken: list[float] = []
    for number in range(count + WARMING_UP):
        asked = {**body, "idempotency_key": f"{body['channels']}{number}"}
        answer = await wire.post(PATH, asked, Authorization="Bearer x")
        assert answer.status == HTTPStatus.ACCEPTED, answer
        taken.append(answer.seconds * 1000)
    return {f"p{share}": round(percentile(taken[WARMING_UP:], share / 100), 2) for share in (50, 90, 99)}


async def run(admin_url: str, count: int) -> dict[str, Any]:
    """Serve, and ask."""
    async with Databases(admin_url).clone("notifications", seeded=True) as made:
        database = Database.connect(made.url, role=SERVICE.service_role, application="bench")
        user_id = uuid7()
        async with database.autocommit() as connection:
            await connection.execute(
                text(
                    "INSERT INTO user_preferences (user_id, email, quiet_hours_enabled, quiet_hours_start,"
                    " quiet_hours_end, timezone) VALUES (:id, 'a@example.com', true, '22:00', '07:00', 'Europe/Berlin')"
                ),
                {"id": user_id},
            )
        application = build(settings_of(made.url), client_of_nobody())
        application.state.components = replace(application.state.components, authenticate=as_shop)
        to = {"user_id": str(user_id)}
        raw = {"to": to, "type": "a.b", "channels": ["EMAIL"], "content": {"text": "x"}, "category": "ACCOUNT"}
        variables = {"name": "Ada", "product_name": "Orion"}
        rendered = {
            "to": to,
            "type": "a.c",
            "channels": ["IN_APP"],
            "template": "welcome_in_app",
            "variables": variables,
        }
        gc.collect()
        gc.freeze()  # as `orion serve` does
        async with serving(application, "127.0.0.1", 0) as port, Wire(f"http://127.0.0.1:{port}") as wire:
            figures = {"words": await measure(wire, raw, count), "template": await measure(wire, rendered, count)}
        await database.close()
    return {"requests": count, "milliseconds": figures}


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the figures alone are printed
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        server = postgres.start(Path(folder) / "postgres", durable=True)
        try:
            figures = uvloop.run(run(server.admin_url, count))
        finally:
            server.stop("immediate")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
