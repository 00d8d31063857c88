"""A child process that ends with the process that started it, even when that is killed with SIGKILL."""

import os
import signal
import threading

SUPERVISED = "ORION_SUPERVISED"
"""Environment variable that says: standard input is a pipe which the parent holds open as long as it lives."""

GRACE_SECONDS = 10.0


def exit_with_parent() -> None:
    """When supervised, end this process once its parent is gone: first as SIGTERM does, then without asking.

    The system closes the parent's end of the pipe however the parent dies, on Linux and macOS alike.
    """
    if os.environ.get(SUPERVISED):
        threading.Thread(target=_watch, name="parent-watch", daemon=True).start()


def end_soon() -> None:
    """Ask this process to end, and insist after the time it may take."""
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    os._exit(1)


def _watch() -> None:
    while os.read(0, 1024):
        pass
    end_soon()
