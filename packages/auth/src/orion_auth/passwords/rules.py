"""How good a new password has to be: not how it is composed, but how many guesses it is worth."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from zxcvbn_rs_py import Entropy, zxcvbn
from zxcvbn_rs_py import Warning as Known

from orion_auth.password_text import normalise_password

RESET_LIFETIME = timedelta(minutes=30)
"""Of the link in a mail: long enough to find it, short for something that opens the account."""

SCORED_CHARACTERS = 64
SCORED_SUBSTITUTES = 8
"""What the estimate looks at: its work grows with the length, and steeply with how many different signs might stand for
letters. A hundred characters of all of them would hold the process for most of a second."""

_SUBSTITUTES = frozenset("4@8({[<3369&#!1|0$5+7%2")

_COMMON = (Known.ThisIsATop10Password, Known.ThisIsATop100Password, Known.ThisIsACommonPassword)


@dataclass(frozen=True)
class Fault:
    """Why a password is refused: a word for programs and a sentence for its owner."""

    code: str
    detail: str


def own_words(texts: Iterable[str | None]) -> list[str]:
    """The words that somebody who knows the user would try first: each text, what is before its @, and its parts."""
    found: dict[str, None] = {}
    for text in filter(None, texts):
        for word in (text, text.partition("@")[0], *re.split(r"[^\w]+", text)):
            if len(word) > 2:
                found[word.lower()] = None
    return list(found)


def faults(password: str, words: Sequence[str], minimum_score: int) -> list[Fault]:
    """What is wrong with a password whose length is right; nothing when it may be used.

    `words` are the user's own. Scores are those of zxcvbn: 2 stands 10^6 guesses, 3 10^8, 4 10^10. One of the passwords
    that everybody uses is refused whatever the minimum is.
    """
    text = normalise_password(password)
    estimates = [_estimate(part, words) for part in {text[:SCORED_CHARACTERS], text[-SCORED_CHARACTERS:]}]
    best = max(estimates, key=lambda estimate: estimate.guesses_log10)
    warning = best.feedback.warning if best.feedback else None
    if warning in _COMMON:
        return [Fault("password_common", "This is one of the passwords that are tried first. Choose another.")]
    if int(best.score) >= minimum_score:
        return []
    advice = [str(suggestion) for suggestion in best.feedback.suggestions] if best.feedback else []
    reason = str(warning) if warning else "This password is easy to guess."
    return [Fault("password_weak", reason), *(Fault("password_advice", sentence) for sentence in advice)]


def _estimate(text: str, words: Sequence[str]) -> Entropy:
    return zxcvbn(_bounded(text), list(words))


def _bounded(text: str) -> str:
    """The text with all but the first few kinds of substitutes replaced by a sign that stands for nothing."""
    kept = [sign for sign in dict.fromkeys(text) if sign in _SUBSTITUTES][:SCORED_SUBSTITUTES]
    return "".join("~" if sign in _SUBSTITUTES and sign not in kept else sign for sign in text)
