"""The server's settings, against what it is for and the machine it is on."""

from collections.abc import Iterable, Sequence

from orion_db.doctor.advice import mb
from orion_db.doctor.check import Check, Row, nothing
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

_RELOAD = "SELECT pg_reload_conf()"
_RESTART = "-- restart the server"


def _set(
    severity: Severity, name: str, value: str, what: str, *, restart: bool = False, **numbers: int | float | str
) -> Finding:
    then = _RESTART if restart else _RELOAD
    return Finding(
        check="",
        severity=severity,
        object=name,
        what=what,
        numbers=dict(numbers),
        fix=(f"ALTER SYSTEM SET {name} = {value}", then),
        undo=(f"ALTER SYSTEM RESET {name}", then),
    )


def _durability(_: Sequence[Row], server: Server) -> Iterable[Finding]:
    critical = server.in_production(Severity.CRITICAL)
    if server.is_off("fsync"):
        yield _set(critical, "fsync", "on", "off: a power failure destroys the databases of this server")
    if server.is_off("full_page_writes"):
        yield _set(critical, "full_page_writes", "on", "off: a page half written at a crash stays broken")
    if server.is_off("synchronous_commit"):
        warning = server.in_production(Severity.WARNING)
        yield _set(warning, "synchronous_commit", "on", "off: a crash takes back what was confirmed up to 0.6 s before")


def _checksums(_: Sequence[Row], server: Server) -> Iterable[Finding]:
    if not server.is_off("data_checksums"):
        return
    yield Finding(
        check="",
        severity=server.in_production(Severity.WARNING),
        object="data_checksums",
        what="off: a page that the disk has damaged is read as if it were right",
        fix=("-- stop the server; pg_checksums --enable -D its data directory; start it",),
        undo=("-- stop the server; pg_checksums --disable",),
    )


def _memory(_: Sequence[Row], server: Server) -> Iterable[Finding]:
    memory = server.memory_bytes
    if memory is None:
        return
    severity = server.in_production(Severity.WARNING)
    buffers = server.bytes("shared_buffers")
    if memory >= 2 << 30 and not memory * 0.1 <= buffers <= memory * 0.5:
        what = f"{mb(buffers)} of {mb(memory)} of memory; a quarter is usual"
        yield _set(severity, "shared_buffers", f"'{memory >> 22}MB'", what, restart=True, bytes=buffers, memory=memory)
    work, connections = server.bytes("work_mem"), int(server.number("max_connections", 100))
    if buffers + work * connections > memory:
        what = f"{mb(work)} for a sort of each of {connections} connections are {mb(work * connections)}"
        least = max(4, (memory - buffers) // connections >> 20)
        yield _set(severity, "work_mem", f"'{least}MB'", what, bytes=work, connections=connections, memory=memory)
    maintenance = server.bytes("maintenance_work_mem")
    if memory >= 8 << 30 and maintenance < 128 << 20:
        what = f"{mb(maintenance)}: index builds and VACUUM of big tables go over them several times"
        yield _set(Severity.INFO, "maintenance_work_mem", "'512MB'", what, bytes=maintenance)


def _planner(_: Sequence[Row], server: Server) -> Iterable[Finding]:
    if server.number("random_page_cost", 4) >= 4:
        what = "4: meant for disks that turn; on an SSD the planner avoids indexes that would be faster"
        yield _set(Severity.INFO, "random_page_cost", "1.1", what)
    if server.bytes("max_wal_size") <= 1 << 30:
        what = f"{mb(server.bytes('max_wal_size'))}: a busy server fills that within checkpoint_timeout"
        yield _set(Severity.INFO, "max_wal_size", "'4GB'", what)
    if 0 < server.bytes("min_wal_size") < 1 << 30:
        what = (
            f"{mb(server.bytes('min_wal_size'))}: after a quiet hour the files of the log are given back, and each is "
            "filled with zeros when writing begins again"
        )
        yield _set(Severity.INFO, "min_wal_size", "'1GB'", what)


def _autovacuum(_: Sequence[Row], server: Server) -> Iterable[Finding]:
    for name in ("autovacuum", "track_counts"):
        if server.is_off(name):
            yield _set(Severity.CRITICAL, name, "on", "off: nothing is vacuumed or analyzed by itself on this server")
    workers, scale = int(server.number("autovacuum_max_workers", 3)), server.number("autovacuum_vacuum_scale_factor")
    if workers < 2:
        what = f"{workers}: one big table keeps all others waiting"
        yield _set(Severity.WARNING, "autovacuum_max_workers", "3", what, restart=server.version < 180000)
    if scale > 0.5:
        what = f"{scale:g}: a table is vacuumed only when so large a share of it is dead"
        yield _set(Severity.WARNING, "autovacuum_vacuum_scale_factor", "0.2", what)


def _watching(_: Sequence[Row], server: Server) -> Iterable[Finding]:
    if server.is_off("track_io_timing"):
        yield _set(
            Severity.INFO, "track_io_timing", "on", "off: EXPLAIN and the statistics do not tell time on the disk"
        )
    if server.is_off("log_lock_waits"):
        yield _set(Severity.INFO, "log_lock_waits", "on", "off: the log does not tell who waited for whom")
    if server.number("idle_in_transaction_session_timeout") == 0:
        what = "0: a session may sleep in a transaction for ever"
        yield _set(Severity.INFO, "idle_in_transaction_session_timeout", "'5min'", what)


CHECKS = (
    Check(
        id="durability",
        title="What is committed may be lost",
        why="These settings make a server fast by not writing what it says it wrote.",
        todo="Switch them on everywhere but in tests. Outside of production this is worth knowing only.",
        read=nothing,
        judge=_durability,
        weight=10,
    ),
    Check(
        id="data-checksums",
        title="No data checksums",
        why="Silent damage is found years later, when no backup without it is left.",
        todo="Enable them; since version 18 new clusters have them.",
        read=nothing,
        judge=_checksums,
        weight=3,
    ),
    Check(
        id="memory-settings",
        title="Settings do not fit the machine's memory",
        why="PostgreSQL's own values are for the smallest machine that it starts on.",
        todo="Set them; judged only when the server runs on this machine, else unknown.",
        read=nothing,
        judge=_memory,
        weight=2,
    ),
    Check(
        id="planner-settings",
        title="Settings are for another kind of disk",
        why="The planner's costs and the WAL's room are those of twenty years ago.",
        todo="Set them as your disks are.",
        read=nothing,
        judge=_planner,
        weight=1,
    ),
    Check(
        id="autovacuum-settings",
        title="Autovacuum is off or starved",
        why="Bloat, stale statistics and in the end a server that stops to write.",
        todo="Switch it on.",
        read=nothing,
        judge=_autovacuum,
        weight=8,
    ),
    Check(
        id="blind-settings",
        title="The server does not tell what happens in it",
        why="What was slow last night can only be found out if it was written down.",
        todo="Switch them on.",
        read=nothing,
        judge=_watching,
        weight=1,
    ),
)
