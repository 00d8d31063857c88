# ruff: noqa: S608 - the statements are put together from constants of the services
"""How often something was done in the last minute, counted exactly, in however many processes.

A second counts until it is wholly more than a minute old, so in no 60 seconds is more done than may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import ARRAY, BigInteger, Integer, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

WINDOW = 60
"""Seconds."""

WITH_THIS_ONE = """
        SELECT array_agg(total.second ORDER BY total.second), array_agg(total.count ORDER BY total.second)
        FROM (
          SELECT each.second, sum(each.count)::integer AS count
          FROM (
            SELECT past.second, past.count FROM unnest(rate.seconds, rate.counts) AS past (second, count)
            WHERE past.second > :oldest
            UNION ALL
            SELECT CAST(:second AS bigint), 1
          ) AS each
          GROUP BY each.second
        ) AS total
"""
"""What a counter's row, `rate`, becomes: (seconds, counts) without what is too old, and with one more."""

BEFORE = """
        SELECT COALESCE(sum(past.count), 0) FROM unnest(rate.seconds, rate.counts) AS past (second, count)
        WHERE past.second > :oldest
"""
"""How many of them still count."""


class Seconds:
    """Of a counter's row: how many there were in each of the last seconds in which there was one; at most 61 pairs."""

    seconds: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), comment="Since 1970, ascending", sort_order=50)
    counts: Mapped[list[int]] = mapped_column(ARRAY(Integer), comment="How many in each of them", sort_order=51)


PAIRS = "cardinality(seconds) = cardinality(counts)"
"""What a table of `Seconds` has a CHECK for."""


@dataclass(frozen=True)
class Counter:
    """A table of `Seconds` with a row for each `whose`, its unique column, and `counts_until`."""

    table: str
    whose: str

    async def count(self, connection: AsyncConnection, whose: object, limit: int, now: datetime) -> int | None:
        """Count one more and answer None, or the seconds to wait while there were as many as may be.

        The lock on the row makes those of one moment take turns (uq_<table>_<whose>).
        """
        second, oldest = moment(now)
        values = {"whose": whose, "limit": limit, "second": second, "oldest": oldest, "until": second + WINDOW + 1}
        row = (await connection.execute(self._statement, values)).one()
        return None if row.was_counted else wait(row.before or (), second)

    @cached_property
    def _statement(self) -> TextClause:
        return text(f"""
            WITH counted AS (
              INSERT INTO {self.table} AS rate ({self.whose}, seconds, counts, counts_until)
              VALUES (:whose, ARRAY[CAST(:second AS bigint)], ARRAY[1], to_timestamp(:until))
              ON CONFLICT ({self.whose}) DO UPDATE
              SET counts_until = excluded.counts_until, (seconds, counts) = ({WITH_THIS_ONE})
              WHERE ({BEFORE}) < :limit
              RETURNING rate.seconds
            )
            SELECT
              EXISTS (SELECT FROM counted) AS was_counted,
              (SELECT seconds FROM {self.table} WHERE {self.whose} = :whose) AS before
        """)


def moment(now: datetime) -> tuple[int, int]:
    """The second that `now` is in, and the latest that does not count any more."""
    second = int(now.timestamp())
    return second, second - WINDOW - 1


def wait(seconds: Sequence[int], now: int) -> int:
    """How many seconds it is until the earliest of those that count no longer does."""
    counting = [second for second in seconds if second > now - WINDOW - 1]
    return max(1, min(counting, default=now - WINDOW) + WINDOW + 1 - now)
