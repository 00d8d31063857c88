"""What finding users costs among a million: page 1 beside page 1,000 of every order, and searches.

    python bench/users.py [--users 1000000] [--plans]

Each page is the service's own statement, gone on with from the last row seen, as its cursors do. Pages 1 and 1,000 are
executed 21 times each in turn, and the medians compared, as the caller sees them; it ends with 1 when page 1,000 costs
more than 1.5 times page 1. `--plans` prints EXPLAIN (ANALYZE, BUFFERS) of page 1,000 and of the searches.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from listening import Said, listening
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.local.postgres import start
from orion_core.service import installed_services
from orion_db import Target, initialize
from orion_user.users import store
from orion_user.users.rules import Sort, UserStatus, Wanted

USER = installed_services()["user"]
PAGE = 50
PAGES = 1000
TIMES = 21
WORST = 1.5

FILL = """
INSERT INTO users (id, email, username, name, status, email_verified_at, created_at, last_login_at, deleted_at)
SELECT
  gen_random_uuid(), 'user' || n || '@' || (ARRAY['example.com', 'mail.test', 'corp.example'])[1 + n % 3], 'u' || n,
  (ARRAY['Ada', 'Grace', 'Hedy', 'Mary', 'Rosa', 'Emmy', 'Lise', 'Katherine'])[1 + n % 8] || ' ' || md5(n::text),
  CAST(CASE WHEN n % 100 = 0 THEN 'DELETED' WHEN n % 10 = 5 THEN 'PENDING' ELSE 'ACTIVE' END AS user_status),
  CASE WHEN n % 10 <> 5 THEN now() END, now() - n * interval '20 seconds',
  CASE WHEN n % 3 <> 0 THEN now() - (n::bigint * 7919 % 1000003) * interval '1 second' END,
  CASE WHEN n % 100 = 0 THEN now() END
FROM generate_series({first}, {last}) AS n
"""

LISTINGS: list[tuple[str, Wanted, Sort]] = [
    *((f"sort={sort.value}", Wanted(), sort) for sort in Sort),
    ("status=ACTIVE", Wanted(statuses=(UserStatus.ACTIVE,)), Sort.CREATED_LAST),
    ("q=ada", Wanted(text="ada"), Sort.CREATED_LAST),
    ("q=ada, verified, by email", Wanted(text="ada", is_verified=True), Sort.EMAIL),
]
SEARCHES: list[tuple[str, Wanted]] = [
    ("q=user77777 (11)", Wanted(text="user77777")),
    ("q=user77777@, prefix (1)", Wanted(text="user77777@", is_prefix=True)),
    ("q=zzzzzz (none)", Wanted(text="zzzzzz")),
    ("q=grace (every eighth)", Wanted(text="grace")),
    ("q=hedy, PENDING (none)", Wanted(text="hedy", statuses=(UserStatus.PENDING,))),
    ("q=user77777, ACTIVE", Wanted(text="user77777", statuses=(UserStatus.ACTIVE,))),
    ("q=grace, ACTIVE", Wanted(text="grace", statuses=(UserStatus.ACTIVE,))),
]


class Lister:
    """Asks for pages, and can say how PostgreSQL carries them out."""

    def __init__(self, connection: AsyncConnection, said: Said) -> None:
        self.connection = connection
        self.said = said

    async def page(self, wanted: Wanted, sort: Sort, after: Any) -> tuple[Any, float]:
        """The last row of a page, to go on from, and the milliseconds that the page took."""
        began = time.perf_counter()
        rows = await store.search(self.connection, wanted, sort, after, PAGE + 1)
        took = (time.perf_counter() - began) * 1000
        return ((rows[PAGE - 1][sort.column], rows[PAGE - 1]["id"]) if len(rows) > PAGE else None), took

    async def medians(self, wanted: Wanted, sort: Sort, *places: Any) -> list[float]:
        """Milliseconds of the pages behind these rows, asked in turn."""
        times: list[list[float]] = [[] for _ in places]
        for _ in range(TIMES):
            for place, taken in zip(places, times, strict=True):
                taken.append((await self.page(wanted, sort, place))[1])
        return [statistics.median(taken) for taken in times]

    async def plan(self) -> str:
        """The plan of the page that was asked for last."""
        words, values = self.said[-1]
        rows = await self.connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {words}", values)
        return "\n".join(f"    {line}" for (line,) in rows)


async def measure(lister: Lister, *, plans: bool) -> bool:
    """Print the figures; whether page 1,000 costs what page 1 does."""
    worst = 0.0
    print(f"{'':28} {'page 1':>9} {'page 1,000':>11} {'ratio':>6}")
    for name, wanted, sort in LISTINGS:
        after = None
        for _ in range(PAGES - 1):
            after, _took = await lister.page(wanted, sort, after)
            assert after is not None, "there are fewer pages"
        first, last = await lister.medians(wanted, sort, None, after)
        worst = max(worst, last / first)
        print(f"{name:28} {first:7.2f}ms {last:9.2f}ms {last / first:6.2f}")
        if plans:
            print(await lister.plan())
    for name, wanted in SEARCHES:
        [took] = await lister.medians(wanted, Sort.CREATED_LAST, None)
        print(f"{name:28} {took:7.2f}ms")
        if plans:
            print(await lister.plan())
    return worst <= WORST


async def main(users: int, *, plans: bool) -> bool:
    """Fill a database and measure."""
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder) / "postgres")
        try:
            base = server.admin_url.rpartition("/")[0]
            url = f"{base}/orion_users"
            await initialize(Target(USER, url, url), seeds=False)
            async with listening(url) as (connection, said):
                for first in range(1, users + 1, 100_000):
                    last = min(first + 99_999, users)
                    await connection.exec_driver_sql(FILL.format(first=first, last=last))
                await connection.exec_driver_sql("VACUUM ANALYZE users")
                return await measure(Lister(connection, said), plans=plans)
        finally:
            server.stop("immediate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--plans", action="store_true")
    arguments = parser.parse_args()
    raise SystemExit(0 if asyncio.run(main(arguments.users, plans=arguments.plans)) else 1)
