"""The channel PUSH: every browser and device of a user is called, each through its own service.

The message is sent when one of them has it. A later try would call those again that have it: every service is given the
notification's id to replace by, but one that has shown it already shows it twice, so a try in which one has taken it is
the last.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.sealing import Keyring, SealError
from orion_notifications.delivery.carriers import Carrier
from orion_notifications.delivery.drivers.pushes import GONE
from orion_notifications.delivery.exchange import refused
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Next
from orion_notifications.push import actions as push
from orion_notifications.push.actions import Device
from orion_notifications.push.rules import PushPlatform

PROVIDER = "push"

log = structlog.get_logger()


class PushChannel:
    """Calls a user's browsers and devices. `everybody` takes messages whole where no service is set up: the mailbox."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        carriers: Mapping[PushPlatform, Carrier],
        everybody: Carrier,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._carriers = carriers
        self._everybody = everybody

    async def send(self, message: Message) -> Receipt:
        """Call them; raises NotDeliveredError when none has it."""
        if not any(carrier.is_set_up for carrier in self._carriers.values()):
            return await self._everybody.send(message)
        devices = await self._devices(message)
        results = await asyncio.gather(*(self._call(message, device) for device in devices))
        taken = [device.id for device, result in zip(devices, results, strict=True) if isinstance(result, Receipt)]
        try:
            await push.note_arrived(self._database, taken, self._clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("push.arrival_not_noted", reason=type(error).__name__)
        if taken:
            return Receipt(Next.SENT, PROVIDER, response=f"{len(taken)} of {len(devices)} browsers and devices")
        raise _worst([result for result in results if isinstance(result, NotDeliveredError)])

    async def _devices(self, message: Message) -> Sequence[Device]:
        if message.user_id is None:
            raise refused("no_recipient", "push goes to users", PROVIDER)
        try:
            found = await push.devices_of(self._database, self._keyring, message.user_id)
        except (SQLAlchemyError, OSError, SealError) as error:
            failure = Failure(AttemptStatus.FAILURE, "devices_unreadable", type(error).__name__, is_permanent=False)
            raise NotDeliveredError(failure, PROVIDER) from error
        devices = [device for device in found if self._carriers[device.platform].is_set_up]
        if not devices:
            raise refused("no_device", "the user has no browser or device that may be called", PROVIDER)
        return devices

    async def _call(self, message: Message, device: Device) -> Receipt | NotDeliveredError:
        try:
            return await self._carriers[device.platform].carry(lambda driver: driver.push(message, device), message.id)
        except NotDeliveredError as error:
            if error.failure.code == GONE:
                await self._disable(device, error.failure.message)
            return error

    async def _disable(self, device: Device, reason: str) -> None:
        try:
            await push.disable(self._database, device, reason, self._clock())
        except (SQLAlchemyError, OSError) as error:  # it says so again at the next message
            log.warning("push.not_disabled", reason=type(error).__name__)


def _worst(errors: Sequence[NotDeliveredError]) -> NotDeliveredError:
    """What the try comes to: as long as one of them may pass, the message is tried again."""
    passing = [error for error in errors if not error.failure.is_permanent]
    return next(
        (error for error in passing if error.failure.status is not AttemptStatus.NOT_TRIED), (passing or errors)[0]
    )
