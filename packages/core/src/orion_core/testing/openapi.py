"""schemathesis over a served OpenAPI document, all checks, stateful: nothing that a client sends makes a service fail.

It makes requests that fit the document and such that do not, follows ids from one answer into the next request, and
checks that every answer is one that the document has. As long as one likes, with requests made up at random as well:

    ORION_SCHEMATHESIS_EXAMPLES=500 make test ARGS="packages/user/tests/test_openapi.py"
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from orion_core.http.embedded import serving

EXAMPLES = int(os.environ.get("ORION_SCHEMATHESIS_EXAMPLES", "0"))
"""Requests made up for each operation, and journeys over several; none: what the document itself suggests."""
JOURNEYS = 20
SEED = 20261126

PHASES = "coverage,stateful" + (",fuzzing" if EXAMPLES else "")

CONFIG = """
seed = {seed}
suppress-health-check = ["all"]
{caller}
[generation]
mode = "all"
deterministic = true
max-examples = {journeys}

[phases.coverage]
unexpected-methods = ["TRACE"]

[phases.coverage.generation]
mode = "negative"  # what fits is sent by the journeys

[cache]
enabled = false

[checks]
enabled = true

# What fits the document may still be refused for what it means: a wrong code, an address that is no address.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "4xx", 502, 503]

# 502: a provider that does not answer, as the one of this test; 503: too many passwords to hash at once.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 502, 503]

[checks.negative_data_rejection]
expected-statuses = ["4xx", 303, 503]
"""

Document = dict[str, Any]


async def run(application: FastAPI, name: str, document: Document, caller: str, folder: Path) -> bool:
    """Whether every answer was one that the document has; prints what was not. `caller`: how requests are signed in."""
    (folder / f"{name}.json").write_text(json.dumps(document))
    config = CONFIG.format(seed=SEED, journeys=EXAMPLES or JOURNEYS, caller=caller)
    (folder / "schemathesis.toml").write_text(config)
    async with serving(application, "127.0.0.1", 0) as port:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{name}.json", "--url", f"http://127.0.0.1:{port}"),
            *("--continue-on-failure", "--phases", PHASES),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    print(output.decode())
    return process.returncode == 0


def with_links(document: Document, links: Mapping[str, tuple[str, Mapping[str, str]]]) -> Document:
    """The document with a link from every list to each operation on its first item, and from what was made to it.

    `links`: by the path of the list, what begins with which path is about it, and by which of its fields.
    """
    for listing, (beginning, fields) in links.items():
        described = document["paths"].get(listing, {})
        for method, status, where in (("get", "200", "/items/0"), ("post", "201", "")):
            if status in described.get(method, {}).get("responses", {}):
                parameters = {name: f"$response.body#{where}/{field}" for name, field in fields.items()}
                described[method]["responses"][status]["links"] = _to(document, beginning, parameters)
    return document


def _to(document: Document, beginning: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """A link to each operation below a path that has all of these parameters."""
    return {
        operation["operationId"]: {"operationId": operation["operationId"], "parameters": parameters}
        for path, operations in document["paths"].items()
        if path.startswith(beginning) and all(f"{{{name}}}" in path for name in parameters)
        for operation in operations.values()
    }


def without_default(document: Document) -> Document:
    """The document without its word on "any other answer", which would make every answer a documented one.

    It stands for one alone: the HTTP server itself refuses URLs of more than 64 KiB, before the service sees them.
    """
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("default", None)
            operation["responses"]["414"] = {"description": "URI Too Long"}
    return document
