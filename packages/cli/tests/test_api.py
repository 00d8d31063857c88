"""The committed documents are those of the code."""

import subprocess
import sys
from pathlib import Path

from orion_cli.api import asyncapi
from orion_contracts.events import EVENTS

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_documents_are_up_to_date() -> None:
    command = [sys.executable, "-m", "orion_cli", "api", "--check", "--directory", str(ROOT)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_stale_document_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "orion_cli", "api", "--check", "--directory", str(tmp_path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert "docs/api/auth.openapi.json is stale" in checked.stderr


def test_every_event_is_in_the_channel_of_its_producer() -> None:
    channels = asyncapi()["channels"]
    told = {name for channel in channels.values() for name in channel["messages"]}
    assert told == {event.__name__ for event in EVENTS.values()}
    assert channels["auth"]["address"] == "/auth/v1/events"
