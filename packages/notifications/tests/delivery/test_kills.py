"""Workers are killed by the dozen, and PostgreSQL with them: nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[4] / "bench" / "delivery_kills.py"


@pytest.mark.slow
def test_nothing_is_lost_however_often_workers_and_postgresql_are_killed() -> None:
    """What left twice has an attempt of unknown outcome; the bench says so by its exit status."""
    command = [sys.executable, str(BENCH), "--kills", "40", "--crashes", "2", "--rate", "400"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(run.stdout)
    assert figures["confirmed"] > 0
    assert figures["lost"] == figures["of_these_without_an_unknown_attempt"] == 0
