"""The project's folder: one run at a time, and files that only their owner reads."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from orion_cli.project import AlreadyRunning, Project, write_private

HOLDER = """
import sys, time
from pathlib import Path
from orion_cli.project import Project
with Project(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_told_of_the_first_until_it_is_gone(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout:
        holder.stdout.readline()
    message = rf"(?s)process {holder.pid}, since 2.*kill {holder.pid}"
    with pytest.raises(AlreadyRunning, match=message), Project(tmp_path).locked():
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Project(tmp_path).locked():
        pass


def test_two_projects_do_not_meet(tmp_path: Path) -> None:
    with Project(tmp_path / "a").locked(), Project(tmp_path / "b").locked():
        pass


def test_the_lock_of_one_who_just_began_writing_is_respected(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with project.locked():
        (project.folder / "up.lock").write_bytes(b"{")
        with pytest.raises(AlreadyRunning, match="another process"), Project(tmp_path).locked():
            pass


def test_private_files_are_private_from_the_first_byte(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.folder.mkdir()
    project.write_state({"pid": 1})
    project.write_state({"pid": 2})
    assert orjson.loads(project.state_file.read_bytes()) == {"pid": 2}
    assert stat.S_IMODE(project.state_file.stat().st_mode) == 0o600
    project.remove_state()
    project.remove_state()
    assert not list(project.folder.iterdir())


def test_a_half_written_file_is_never_seen(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.with_name("secrets.env.unfinished").write_text("left by a crash")
    write_private(file, b"whole")
    assert file.read_bytes() == b"whole"
