"""Ready is what answers, and takes tokens."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from orion_cli.readiness import wait_until_ready

FAULTS: list[dict[str, str]] = [{"auth revocations": "nothing was heard yet"}, {"auth feed": "auth has not answered"}]


async def test_a_service_that_refuses_all_tokens_is_not_ready() -> None:
    asked: list[dict[str, str]] = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(FAULTS[len(asked)])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": "degraded", "faults": asked[-1]}).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- named so by the library
            pass

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        await wait_until_ready({"user": f"http://127.0.0.1:{server.server_port}/readyz"}, dict)
        server.shutdown()
    assert asked == FAULTS, "what else is degraded comes right by itself, while requests are answered"
