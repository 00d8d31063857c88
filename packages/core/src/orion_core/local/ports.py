"""TCP ports of this machine: which are free, and who holds those that are not."""

import socket

import psutil

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now. Connections of a dead one that linger (TIME_WAIT) do not count."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = LOOPBACK) -> int:
    """A port that was free a moment ago; whoever uses it must be prepared to lose it to somebody faster."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def holder(port: int) -> str | None:
    """Who listens on the port, as "name (pid 123)"; None when the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens_on = connection.laddr[1] if connection.status == psutil.CONN_LISTEN and connection.laddr else None
            if listens_on == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # other users' processes are hidden from us, or the process has just ended
    return None
