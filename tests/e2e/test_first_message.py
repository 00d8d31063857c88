"""The thread through everything, by the example that a newcomer runs."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Platform

EXAMPLE = Path(__file__).parents[2] / "examples" / "first_message.py"

pytestmark = pytest.mark.slow


def test_example_walks_from_registration_to_sign_out(platform: "Platform") -> None:
    command = [sys.executable, str(EXAMPLE), str(platform.directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for promised in ("verification mail arrives", '"roles"', "[IN_APP]", "refused everywhere"):
        assert promised in done.stdout


def test_platform_is_ready_within_a_minute(platform: "Platform") -> None:
    assert platform.summary["seconds"] < 60
