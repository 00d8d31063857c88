"""Who carries a message: shares, failover, breakers and limits, over accounts in a real database."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_core.wakeup import Wakeup
from orion_notifications.delivery.carriers import Carrier, Line, Roster
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.kinds import Channel
from orion_notifications.providers import actions as providers
from orion_notifications.providers.actions import Account, Office
from orion_notifications.providers.rules import ProviderHealth
from orion_notifications.providers.shapes import NewAccount

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query

AWAY = Failure(AttemptStatus.FAILURE, "away", "w", is_permanent=False, fault=Fault.PROVIDER)
IN_DOUBT = Failure(AttemptStatus.TIMEOUT, "late", "w", is_permanent=False, fault=Fault.PROVIDER, may_have_left=True)
NO_ADDRESS = Failure(AttemptStatus.FAILURE, "no_address", "w", is_permanent=True)
LIMITED = Failure(
    AttemptStatus.RATE_LIMITED, "429", "w", is_permanent=False, fault=Fault.ACCOUNT, retry_after=timedelta(seconds=60)
)
Make = Callable[..., Message]


@dataclass
class Fake:
    """A driver that does as it is told."""

    name: str
    failure: Failure | None = None
    took: list[Message] = field(default_factory=list[Message])
    tries: int = 0

    async def send(self, message: Message) -> Receipt:
        self.tries += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise NotDeliveredError(self.failure, self.name)
        self.took.append(message)
        return Receipt(Next.SENT, self.name)

    async def close(self) -> None:
        pass


@dataclass
class Desk:
    """Accounts of one channel, and the drivers that stand for them."""

    office: Office
    roster: Roster
    drivers: dict[str, Fake]

    async def add(self, name: str, **other: Any) -> Fake:
        wanted = {
            "channel": "SMS",
            "provider": "http_sms",
            "name": name,
            "settings": {"url": f"https://{name}.example"},
        }
        self.drivers[name] = Fake(name)
        await providers.create(self.office, NewAccount.model_validate(wanted | other))
        await self.roster.refresh()
        return self.drivers[name]


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.parse(Keyring.new_key("test"))


@pytest.fixture
async def desk(database: Database, test_database: TestDatabase, clock: MovableClock, keyring: Keyring) -> Desk:
    bell = Wakeup(test_database.url, "providers")
    drivers: dict[str, Fake] = {"default": Fake("default")}

    def make(account: Account) -> Fake:
        return drivers[account.name]

    roster = Roster(database, keyring, bell, make, {Channel.SMS: Line(drivers["default"], "http_sms")})
    return Desk(Office(database, keyring, clock(), bell), roster, drivers)


async def refused(carrier: Carrier, message: Message) -> Failure:
    with pytest.raises(NotDeliveredError) as error:
        await carrier.send(message)
    return error.value.failure


async def test_nothing_is_sent_by_guess_before_the_accounts_are_known(desk: Desk, message: Make) -> None:
    carrier = Carrier(desk.roster, Channel.SMS)
    failure = await refused(carrier, message())
    assert (failure.code, failure.status) == ("no_room", AttemptStatus.NOT_TRIED)
    await desk.roster.refresh()
    assert (await carrier.send(message())).provider == "default"
    assert (await refused(Carrier(desk.roster, Channel.SLACK), message())).code == "no_provider"


async def test_accounts_take_over_from_the_environment_and_share_the_load(desk: Desk, message: Make) -> None:
    heavy, light = await desk.add("heavy", weight=4), await desk.add("light", weight=1)
    spare = await desk.add("spare", weight=0)
    carrier = Carrier(desk.roster, Channel.SMS)
    for _ in range(100):
        await carrier.send(message())
    assert len(heavy.took) > len(light.took) > 0
    assert (spare.tries, desk.drivers["default"].tries) == (0, 0)


async def test_an_account_that_cannot_is_passed_over_in_the_same_try(desk: Desk, message: Make) -> None:
    away, spare = await desk.add("away"), await desk.add("spare", weight=0)
    away.failure = AWAY
    carrier = Carrier(desk.roster, Channel.SMS)
    for _ in range(10):
        assert (await carrier.send(message())).provider == "spare"
    assert len(spare.took) == 10
    assert away.tries == 5  # then its breaker is open


async def test_what_may_have_left_is_asked_of_nobody_else(desk: Desk, message: Make) -> None:
    late, spare = await desk.add("late"), await desk.add("spare", weight=0)
    late.failure = IN_DOUBT
    assert (await refused(Carrier(desk.roster, Channel.SMS), message())).code == "late"
    assert spare.tries == 0


async def test_a_message_that_nobody_would_take_is_asked_of_one_and_blames_none(desk: Desk, message: Make) -> None:
    one, spare = await desk.add("one"), await desk.add("spare", weight=0)
    one.failure = NO_ADDRESS
    carrier = Carrier(desk.roster, Channel.SMS)
    for _ in range(20):
        assert (await refused(carrier, message())).code == "no_address"
    assert (one.tries, spare.tries) == (20, 0)


async def test_who_hangs_at_an_address_that_users_name_makes_no_account_slow(
    desk: Desk, message: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await desk.add("one")
    now = 0.0

    async def hang(_: Message) -> Receipt:
        nonlocal now
        now += 8
        raise NotDeliveredError(replace(AWAY, fault=Fault.MESSAGE, retry_after=timedelta(seconds=60)), "one")

    monkeypatch.setattr(one, "send", hang)
    monkeypatch.setattr("orion_notifications.delivery.carriers._now", lambda: now)
    (line,) = desk.roster.lines(Channel.SMS)
    for _ in range(20):
        with pytest.raises(NotDeliveredError):
            await Carrier(desk.roster, Channel.SMS).send(message())
    assert (line.standing.health, line.blocked_until, now) == (ProviderHealth.HEALTHY, 0.0, 160)


async def test_a_limit_that_the_provider_names_is_kept(desk: Desk, message: Make) -> None:
    one = await desk.add("one")
    one.failure = LIMITED
    carrier = Carrier(desk.roster, Channel.SMS)
    assert (await refused(carrier, message())).code == "429"
    one.failure = None
    failure = await refused(carrier, message())
    assert (failure.code, failure.status, one.tries) == ("no_room", AttemptStatus.NOT_TRIED, 1)
    assert failure.retry_after is not None
    assert timedelta(seconds=55) < failure.retry_after <= timedelta(seconds=120)


async def test_an_account_that_heeds_its_bucket_is_not_down(desk: Desk, message: Make) -> None:
    """Discord's driver asks nobody until the bucket is full again."""
    one = await desk.add("one")
    carrier = Carrier(desk.roster, Channel.SMS)
    (line,) = desk.roster.lines(Channel.SMS)
    for _ in range(5):
        one.failure = None
        await carrier.send(message())
        one.failure = replace(LIMITED, status=AttemptStatus.NOT_TRIED, retry_after=timedelta(seconds=0.01))
        assert (await refused(carrier, message())).status is AttemptStatus.NOT_TRIED
        await asyncio.sleep(0.02)
    assert line.standing.health is ProviderHealth.HEALTHY


async def test_when_all_are_down_messages_wait_without_being_tried(desk: Desk, message: Make, query: "Query") -> None:
    one = await desk.add("one")
    one.failure = AWAY
    carrier = Carrier(desk.roster, Channel.SMS)
    for _ in range(5):
        assert (await refused(carrier, message())).code == "away"
    failure = await refused(carrier, message())
    assert (failure.code, failure.status) == ("no_room", AttemptStatus.NOT_TRIED)
    await desk.roster.refresh()
    assert await query("SELECT health::text, health_changed_at IS NOT NULL FROM provider_accounts") == [("DOWN", True)]


async def test_one_probe_at_a_time(desk: Desk, message: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await desk.add("one")
    one.failure = AWAY
    carrier = Carrier(desk.roster, Channel.SMS)
    for _ in range(5):
        await refused(carrier, message())
    (line,) = desk.roster.lines(Channel.SMS)
    assert line.standing.health is ProviderHealth.DOWN
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("orion_notifications.delivery.carriers._now", lambda: loop.time() + 3600)
    one.failure = None
    under_way, most, send = 0, 0, one.send

    async def watched(sent: Message) -> Receipt:
        nonlocal under_way, most
        under_way += line.standing.health is ProviderHealth.DOWN
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way = 0
        return await send(sent)

    monkeypatch.setattr(one, "send", watched)
    await asyncio.gather(*(carrier.send(message()) for _ in range(20)))
    assert (most, len(one.took)) == (1, 20)
    assert line.standing.health is ProviderHealth.HEALTHY


async def test_changes_are_taken_up_and_what_stays_keeps_its_standing(desk: Desk, message: Make) -> None:
    one = await desk.add("one")
    one.failure = AWAY
    carrier = Carrier(desk.roster, Channel.SMS)
    for _ in range(5):
        await refused(carrier, message())
    await desk.add("two")
    assert {line.standing.health for line in desk.roster.lines(Channel.SMS)} == {
        ProviderHealth.DOWN,
        ProviderHealth.HEALTHY,
    }
    assert (await carrier.send(message())).provider == "two"


async def test_workers_that_share_an_account_share_its_limit(
    desk: Desk, message: Make, database: Database, keyring: Keyring
) -> None:
    """Eight workers with many messages each, on one bucket: never more than a tenth at once and the rate after.

    Those that wait for a token do not go back into the queue meanwhile, and ask the database once for all.
    """
    limit = 40
    one = await desk.add("one", rate_limit=limit, rate_limit_seconds=1)
    rosters = [Roster(database, desk.office.keyring, desk.office.bell, lambda _: one, {}) for _ in range(8)]
    for roster in rosters:
        await roster.refresh()
    began = asyncio.get_running_loop().time()
    took = list[float]()

    async def send(roster: Roster) -> None:
        await Carrier(roster, Channel.SMS).send(message("+4915112345678"))
        took.append(asyncio.get_running_loop().time() - began)

    await asyncio.gather(*(send(roster) for roster in rosters for _ in range(8)))
    assert len(took) == 64
    for start in took:
        # What a worker took ahead it may use within a second: eight tokens each, at most.
        assert sum(start <= each < start + 1 for each in took) <= 1.1 * limit + 8
    assert max(took) >= (64 - limit / 10) / limit - 0.05


async def test_a_queue_that_is_too_long_for_the_limit_goes_back_unsent(
    desk: Desk, message: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orion_notifications.delivery.carriers.PATIENCE_SECONDS", 0.3)
    one = await desk.add("one", rate_limit=1, rate_limit_seconds=60)
    carrier = Carrier(desk.roster, Channel.SMS)
    results = await asyncio.gather(*(carrier.send(message()) for _ in range(50)), return_exceptions=True)
    failures = [result.failure for result in results if isinstance(result, NotDeliveredError)]
    assert (len(one.took), len(failures)) == (1, 49)
    waits = {failure.retry_after for failure in failures}
    assert len(waits) > 40
    assert {failure.status for failure in failures} == {AttemptStatus.NOT_TRIED}
