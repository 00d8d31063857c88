"""The operating-system account that PostgreSQL runs as.

PostgreSQL refuses to run as root (PostgreSQL documentation, chapter 18.1), and root is who one is in most
containers. There the server runs as a system user of its own; everywhere else it runs as whoever started us.
"""

import logging
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

SYSTEM_USER = "orion-postgres"

_log = logging.getLogger(__name__)


class AccountError(RuntimeError):
    """There is no unprivileged account to run PostgreSQL as, and none can be made."""


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL's programs run as, in the words of `subprocess.Popen`."""

    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)


def account_for(data_directory: Path) -> Account | None:
    """The account to switch to before running PostgreSQL on `data_directory`; None: stay who we are.

    Root continues as the owner of an existing data directory, so that a project first started by an ordinary
    user stays his.
    """
    if os.geteuid() != 0:
        return None
    if data_directory.exists() and (owner := data_directory.stat().st_uid) != 0:
        entry = pwd.getpwuid(owner)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return _system_account()


def let_through(account: Account | None, path: Path) -> None:
    """Let `account` reach `path`: add the search permission (o+x) to those parents that lack it, and to nothing else.

    Search permission lets a name that is already known be opened; it does not let the directory be listed.
    """
    if account is None:
        return
    for parent in path.absolute().parents:
        status = parent.stat()
        if status.st_mode & stat.S_IXOTH or (status.st_uid == account.uid and status.st_mode & stat.S_IXUSR):
            continue
        parent.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
        _log.warning("made %s searchable (o+x), so that PostgreSQL, run by %s, reaches %s", parent, account.name, path)


def _system_account() -> Account:
    found = _look_up()
    if found is None:
        _create()
        found = _look_up()
    if found is None:
        raise AccountError(
            f"PostgreSQL cannot run as root, and the system user {SYSTEM_USER} could not be created. "
            f"Create it (useradd --system {SYSTEM_USER}), or run this command as an ordinary user."
        )
    return found


def _look_up() -> Account | None:
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create() -> None:
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if useradd is None:
        return
    # Two of us may come here at once; the loser's useradd fails, and the look-up afterwards decides.
    command = [useradd, "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    done = subprocess.run([*command, SYSTEM_USER], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        _log.info("created the system user %s to run PostgreSQL", SYSTEM_USER)
