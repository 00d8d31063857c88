"""Decisions as they are kept, and in words for people."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orion_notifications.decisions.rules import Decision, Judgement, Step, Verdict

MOST_KEPT = 20
"""Judgements in one record: the first ones, and the last."""

WORDS = {
    (Step.TEMPLATE, "content_given"): "The words were given with the message.",
    (Step.TEMPLATE, "template"): "Template {template}, version {version}, in {locale}.",
    (
        Step.TEMPLATE,
        "template_fallback",
    ): "Template {template}, version {version}, in {locale}, of {chain}.",
    (Step.RECIPIENT, "no_address"): "No address is known for {channel}.",
    (Step.RECIPIENT, "address_known"): "It goes to one address by {channel}.",
    (Step.RECIPIENT, "address_of_user"): "It goes to whatever {channel} knows of the user.",
    (Step.EXPIRY, "expired"): "It expired at {expires_at}.",
    (Step.EXPIRY, "expires_before"): "It expires at {expires_at}, before it may go out.",
    (Step.BATCH, "held"): "Its batch does not go on for now.",
    (Step.PREFERENCE, "no_user"): "The address is no user's, who could have switched anything off.",
    (Step.PREFERENCE, "wanted"): "{category} by {channel} is on ({by}).",
    (Step.PREFERENCE, "switched_off"): "The user does not want {category} by {channel} ({by}).",
    (Step.SUPPRESSION, "not_suppressed"): "The address is not suppressed.",
    (Step.SUPPRESSION, "suppressed"): "The address is suppressed ({reason}).",
    (Step.SCHEDULE, "scheduled"): "It was asked for at {at}.",
    (Step.SCHEDULE, "local_time"): "It was asked for at {local_time} in {zone}, which is {at}.",
    (Step.QUIET_HOURS, "silent"): "Quiet hours do not count for what wakes nobody.",
    (Step.QUIET_HOURS, "pressing"): "Quiet hours do not hold up what is urgent or about security.",
    (Step.QUIET_HOURS, "not_quiet"): "It is not quiet at {local} ({zone}).",
    (Step.QUIET_HOURS, "quiet"): "It is quiet at {local} ({zone}) until {until_local}, which is {until}.",
    (Step.THROTTLE, "has_room"): "At most {most} in {seconds} s: there is room.",
    (Step.THROTTLE, "throttled"): "At most {most} in {seconds} s: there is no room.",
    (Step.THROTTLE, "no_moment"): "No moment was found that is neither quiet nor full.",
    (Step.DIGEST, "by_itself"): "It is no digest's: it is urgent, required or holds a secret.",
    (Step.DIGEST, "in_digest"): "It is told of in the {frequency} digest at {until}.",
    (Step.PROVIDER, "chosen_when_sent"): "Which provider carries it is chosen when it leaves.",
    (Step.ATTEMPT, "next_attempt"): "Attempt {number} of {of} at {at}.",
}


def in_words(decision: Decision) -> str:
    """What it says, for people."""
    sentence = WORDS[decision.step, decision.code]
    return sentence.format_map({name: _word(value) for name, value in decision.details.items()})


def _word(value: object) -> str:
    return (", ".join(map(str, value)) or "nobody") if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def kept(judgement: Judgement, at: datetime, by: str) -> dict[str, Any]:
    """As the record keeps it: who decided when, and each step in a row."""
    steps = [[each.step.value, each.verdict.value, each.code, dict(each.details)] for each in judgement.decisions]
    until = judgement.until and judgement.until.isoformat()
    return {"at": at.isoformat(), "by": by, "outcome": judgement.outcome.name, "until": until, "steps": steps}


def with_one_more(decisions: Sequence[Mapping[str, Any]] | None, said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The judgements of a record and one made since, which takes the last one's place when there is no room."""
    return [*(decisions or ())[: MOST_KEPT - 1], said]


def decisions_of(steps: Sequence[Sequence[Any]]) -> list[Decision]:
    """The decisions in what was kept."""
    return [_decision(*each) for each in steps]


def _decision(step: str, verdict: str, code: str, details: Mapping[str, Any]) -> Decision:
    return Decision(Step(step), Verdict(verdict), code, details)
