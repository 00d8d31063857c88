"""How names of roles look."""

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

ROUNDS = 8
"""Until nothing changes any more, which is after two or three."""


def skeleton(text: str) -> str:
    """What a text looks like (UTS 39 §4): the same for two that differ by case, width, spaces or look-alike letters."""
    seen = text
    for _ in range(ROUNDS):
        letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", seen))
        visible = (letter for letter in letters if unicodedata.category(letter) != "Cf")
        # A capital may look like one whose small letters differ (Cyrillic and Latin M), and a digit like a capital.
        again = "".join(PROTOTYPES.get(letter, letter) for letter in visible).casefold()
        # A capital i looks like l, and is small by now.
        again = " ".join(again.replace("i", "l").split())
        if again == seen:
            break
        seen = again
    return seen
