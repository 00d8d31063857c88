"""How names of roles look."""

import re
import unicodedata

from confusable_homoglyphs.confusables import confusables_data

Homoglyphs = dict[str, list[dict[str, str]]]


def _prototypes(data: Homoglyphs) -> dict[str, str]:
    """Each character that looks like another, with the one that stands for all of its kind (UTS 39 §4).

    The data names, for such a character, its prototype alone, and for a prototype everything that looks like it.
    """
    found: dict[str, str] = {}
    for character, looks_like in data.items():
        first = looks_like[0]["c"]
        is_prototype = len(looks_like) > 1 or (len(data.get(first, ())) == 1 and character < first)
        if len(character) == 1 and not is_prototype:
            found[character] = first
    return found


PROTOTYPES = _prototypes(confusables_data)

UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What is not shown: Default_Ignorable_Code_Point, which UTS 39 §4 leaves out. Not all of it is of the category Cf."""

BLANK = "\u2800"
"""A Braille cell without dots, which is a space to the eye and to nobody else."""

ROUNDS = 8
"""Until nothing changes any more, which is after two or three."""


def skeleton(text: str) -> str:
    """What a text looks like (UTS 39 §4): the same for two that differ by case, width, spaces or look-alike letters."""
    seen = text
    for _ in range(ROUNDS):
        letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", seen)).replace(BLANK, " ")
        visible = (letter for letter in UNSEEN.sub("", letters) if unicodedata.category(letter) != "Cf")
        # A capital may look like one whose small letters differ (Cyrillic and Latin M), and a digit like a capital.
        again = "".join(PROTOTYPES.get(letter, letter) for letter in visible).casefold()
        # A capital i looks like l, and is small by now.
        again = " ".join(again.replace("i", "l").split())
        if again == seen:
            break
        seen = again
    return seen


def bare(text: str) -> str:
    """What is left of a skeleton without what parts or adorns its letters: the same for Super Admin and super-ádmin."""
    return "".join(letter for letter in skeleton(text) if letter.isalnum())
