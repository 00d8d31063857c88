"""The one function that decides what becomes of a message.

Acceptance, simulation, a change of preferences and the worker's last look all call `judge`. It is given everything it
knows, so it says the same to whoever asks the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import Enum, auto
from typing import Any

from orion_notifications.digests.rules import OF_DIGESTS
from orion_notifications.kinds import ALWAYS_ON, Category, Channel, Priority
from orion_notifications.preferences.rules import Contact, Frequency, choice
from orion_notifications.quiet_hours.rules import next_local, wait, zone_named
from orion_notifications.suppressions.rules import Suppression
from orion_notifications.throttles.rules import Excess, Throttle

SILENT = frozenset({Channel.IN_APP, Channel.WEBHOOK})
"""What wakes nobody: an inbox waits to be opened, a webhook is a machine's."""
NEEDS_ADDRESS = frozenset({Channel.EMAIL, Channel.SMS})
MONDAY = 1
HELD_FOR = timedelta(days=30)
"""How long a message waits for its batch to go on; when that lasts longer it is looked at once more."""
MOST_ROUNDS = 50
"""Of looking for a moment that is neither quiet nor full."""


class Step(Enum):
    """What is looked at, in this order."""

    TEMPLATE = "template"
    RECIPIENT = "recipient"
    EXPIRY = "expiry"
    BATCH = "batch"
    PREFERENCE = "preference"
    SUPPRESSION = "suppression"
    SCHEDULE = "schedule"
    DIGEST = "digest"
    QUIET_HOURS = "quiet_hours"
    THROTTLE = "throttle"
    PROVIDER = "provider"
    ATTEMPT = "attempt"


class Verdict(Enum):
    """What a step says: it goes on, it goes on later, or it ends here."""

    PASS = "pass"
    DEFER = "defer"
    END = "end"


@dataclass(frozen=True)
class Decision:
    """What one step has decided; `details` is JSON, and holds no words of the message."""

    step: Step
    verdict: Verdict
    code: str
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Outcome(Enum):
    """What becomes of the message; REJECTED and EXPIRED are labels of `notification_status`."""

    SEND = auto()
    DEFER = auto()
    DIGEST = auto()
    REJECTED = auto()
    EXPIRED = auto()


@dataclass(frozen=True)
class Wording:
    """Which words: the version of a template, and the language that was found for the one that was wanted."""

    template: str
    version: int
    locale: str
    chain: tuple[str, ...]
    """The languages that were looked for, in this order."""


@dataclass(frozen=True)
class Draft:
    """A message, as far as decisions go."""

    type: str
    category: Category
    channel: Channel
    priority: Priority
    recipient: str | None
    is_to_user: bool = True
    wording: Wording | None = None
    """None: the words themselves were given."""
    has_secrets: bool = False
    scheduled_at: datetime | None = None
    local_time: time | None = None
    local_after: datetime | None = None
    """The moment after which that time was asked for: of what is looked at again it may be over. None: now."""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """What is known besides, at the moment of the decision."""

    contact: Contact
    suppressions: Sequence[Suppression] = ()
    """Those that speak of this recipient by this channel."""
    throttle: Throttle | None = None
    attempts: int = 0
    max_attempts: int = 8
    is_batch_held: bool = False
    """Its batch is paused, or is being cancelled."""
    is_accepted: bool = False
    """It was accepted before: it has its room in a throttle, and is no digest's."""


@dataclass(frozen=True)
class Judgement:
    """What becomes of a message, and all that led to it."""

    outcome: Outcome
    decisions: tuple[Decision, ...]
    until: datetime | None = None
    """When a deferred message goes, or the digest that it is for."""
    throttled_in: datetime | None = None
    """The beginning of the window of the throttle in which it takes its room."""
    frequency: Frequency | None = None

    @property
    def decisive(self) -> Decision:
        """The decision that says most about the outcome: what ended it, or what deferred it last."""
        ends = [each for each in self.decisions if each.verdict is Verdict.END]
        defers = [each for each in self.decisions if each.verdict is Verdict.DEFER]
        return (ends or defers or list(self.decisions))[-1]


@dataclass
class _Path:
    """The decisions so far, and the moment that they have come to."""

    draft: Draft
    facts: Facts
    now: datetime
    moment: datetime
    decisions: list[Decision] = field(default_factory=list[Decision])

    def add(self, step: Step, verdict: Verdict, code: str, **details: Any) -> None:
        self.decisions.append(Decision(step, verdict, code, details))

    def end(self, outcome: Outcome) -> Judgement:
        return Judgement(outcome, tuple(self.decisions))


def judge(draft: Draft, facts: Facts, now: datetime) -> Judgement:
    """What becomes of the message at this moment."""
    path = _Path(draft, facts, now, now)
    _wording(path)
    for ends in (_recipient, _expiry, _preference, _suppression):
        if (outcome := ends(path)) is not None:
            return path.end(outcome)
    if path.facts.is_batch_held:
        path.add(Step.BATCH, Verdict.DEFER, "held")
        return Judgement(Outcome.DEFER, tuple(path.decisions), now + HELD_FOR)
    _schedule(path)
    if (digest := _digest(path)) is not None:
        return digest
    throttled_in = _quiet_and_throttled(path)
    if path.decisions[-1].verdict is Verdict.END:
        return path.end(Outcome.REJECTED)
    _outlived(path)
    path.add(Step.PROVIDER, Verdict.PASS, "chosen_when_sent")
    attempt = {"number": facts.attempts + 1, "of": facts.max_attempts, "at": _text(path.moment)}
    path.add(Step.ATTEMPT, Verdict.PASS, "next_attempt", **attempt)
    is_later = path.moment > now
    return Judgement(
        Outcome.DEFER if is_later else Outcome.SEND,
        tuple(path.decisions),
        path.moment if is_later else None,
        throttled_in,
    )


def _wording(path: _Path) -> None:
    wording = path.draft.wording
    if wording is None:
        path.add(Step.TEMPLATE, Verdict.PASS, "content_given")
        return
    code = "template" if wording.chain[:1] == (wording.locale,) else "template_fallback"
    chosen = {"template": wording.template, "version": wording.version, "locale": wording.locale}
    path.add(Step.TEMPLATE, Verdict.PASS, code, **chosen, chain=list(wording.chain))


def _recipient(path: _Path) -> Outcome | None:
    draft = path.draft
    if draft.channel in NEEDS_ADDRESS and draft.recipient is None:
        path.add(Step.RECIPIENT, Verdict.END, "no_address", channel=draft.channel.name)
        return Outcome.REJECTED
    code = "address_known" if draft.recipient is not None else "address_of_user"
    path.add(Step.RECIPIENT, Verdict.PASS, code, channel=draft.channel.name)
    return None


def _expiry(path: _Path) -> Outcome | None:
    expires_at = path.draft.expires_at
    if expires_at is not None and expires_at <= path.now:
        path.add(Step.EXPIRY, Verdict.END, "expired", expires_at=_text(expires_at))
        return Outcome.EXPIRED
    return None


def _preference(path: _Path) -> Outcome | None:
    draft = path.draft
    if not draft.is_to_user:
        path.add(Step.PREFERENCE, Verdict.PASS, "no_user")
        return None
    is_wanted, by = choice(path.facts.contact, draft.category, draft.channel, draft.type)
    what = {"category": draft.category.name, "channel": draft.channel.name, "by": by.name.lower()}
    if is_wanted:
        path.add(Step.PREFERENCE, Verdict.PASS, "wanted", **what)
        return None
    path.add(Step.PREFERENCE, Verdict.END, "switched_off", **what)
    return Outcome.REJECTED


def _suppression(path: _Path) -> Outcome | None:
    draft = path.draft
    for suppression in path.facts.suppressions:
        of = {"reason": suppression.reason.name, "category": suppression.category and suppression.category.name}
        if suppression.stops(draft.category, draft.channel, path.now):
            path.add(Step.SUPPRESSION, Verdict.END, "suppressed", **of)
            return Outcome.REJECTED
    path.add(Step.SUPPRESSION, Verdict.PASS, "not_suppressed")
    return None


def _schedule(path: _Path) -> None:
    draft, zone = path.draft, path.facts.contact.timezone
    if draft.scheduled_at is not None and draft.scheduled_at > path.moment:
        path.moment = draft.scheduled_at
        path.add(Step.SCHEDULE, Verdict.DEFER, "scheduled", at=_text(path.moment))
    if draft.local_time is not None:
        asked_for = next_local(zone, draft.local_after or path.moment, draft.local_time)
        verdict = Verdict.DEFER if asked_for > path.moment else Verdict.PASS
        at = {"local_time": draft.local_time.isoformat(), "zone": zone, "at": _text(asked_for)}
        path.add(Step.SCHEDULE, verdict, "local_time", **at)
        path.moment = max(path.moment, asked_for)


def _digest(path: _Path) -> Judgement | None:
    """The digest that the message goes into, if its user wants this category told of together."""
    draft, contact = path.draft, path.facts.contact
    frequency = contact.digests.get(draft.category.name)
    if frequency is None or draft.channel is not Channel.EMAIL or path.facts.is_accepted or not draft.is_to_user:
        return None
    until = digest_end(contact, frequency, path.moment)
    is_pressing = draft.category in ALWAYS_ON or draft.priority in (Priority.HIGH, Priority.URGENT)
    is_pressing = is_pressing or draft.type == OF_DIGESTS  # or each would wait for the next
    if is_pressing or draft.has_secrets or (draft.expires_at is not None and draft.expires_at <= until):
        path.add(Step.DIGEST, Verdict.PASS, "by_itself", frequency=frequency.name)
        return None
    path.add(Step.DIGEST, Verdict.DEFER, "in_digest", frequency=frequency.name, until=_text(until))
    return Judgement(Outcome.DIGEST, tuple(path.decisions), until, frequency=frequency)


def digest_end(contact: Contact, frequency: Frequency, moment: datetime) -> datetime:
    """When the window that the moment lies in is over: the full hour, or the local time of the day or of Monday."""
    if frequency is Frequency.HOURLY:
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return datetime.fromtimestamp(hour.timestamp() + 3600, UTC)
    return next_local(contact.timezone, moment, contact.digest_at, MONDAY if frequency is Frequency.WEEKLY else None)


def _quiet_and_throttled(path: _Path) -> datetime | None:
    """Go on to a moment that is neither quiet nor full; returns the window in which there is room for it."""
    throttle = None if path.facts.is_accepted else path.facts.throttle
    for _ in range(MOST_ROUNDS):
        _quiet(path)
        if throttle is None:
            return None
        room_from = throttle.room_from(path.moment)
        window = {"most": throttle.most, "seconds": int(throttle.window.total_seconds())}
        if room_from == path.moment:
            path.add(Step.THROTTLE, Verdict.PASS, "has_room", **window)
            return throttle.begin(path.moment)
        if throttle.excess is Excess.REJECT or room_from is None:
            path.add(Step.THROTTLE, Verdict.END, "throttled", **window)
            return None
        path.moment = room_from
        path.add(Step.THROTTLE, Verdict.DEFER, "throttled", **window, until=_text(room_from))
    path.add(Step.THROTTLE, Verdict.END, "no_moment")
    return None


def _quiet(path: _Path) -> None:
    draft, hours = path.draft, path.facts.contact.quiet
    if hours is None or not draft.is_to_user:
        return
    if draft.channel in SILENT or draft.priority is Priority.URGENT or draft.category is Category.SECURITY:
        if not any(each.step is Step.QUIET_HOURS for each in path.decisions):
            why = "silent" if draft.channel in SILENT else "pressing"
            path.add(Step.QUIET_HOURS, Verdict.PASS, why)
        return
    waits = wait(hours, path.moment)
    local = path.moment.astimezone(zone_named(hours.zone))
    at = {"zone": hours.zone, "local": local.isoformat()}
    if waits.until == path.moment:
        path.add(Step.QUIET_HOURS, Verdict.PASS, "not_quiet", **at)
        return
    changes = [_text(change) for change in waits.changes]
    path.moment = waits.until
    until = {"until": _text(waits.until), "until_local": waits.until.astimezone(zone_named(hours.zone)).isoformat()}
    path.add(Step.QUIET_HOURS, Verdict.DEFER, "quiet", **at, **until, clock_changes=changes)


def _outlived(path: _Path) -> None:
    """What expires before it may go is looked at once more when it does, and then is EXPIRED, not forgotten."""
    expires_at = path.draft.expires_at
    if expires_at is not None and path.moment >= expires_at:
        path.moment = max(expires_at, path.now)
        path.add(Step.EXPIRY, Verdict.DEFER, "expires_before", expires_at=_text(expires_at))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
