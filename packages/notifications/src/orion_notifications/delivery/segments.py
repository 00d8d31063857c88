"""How many SMS a text is: 160 characters of GSM 03.38 or 70 of UCS-2 in one, 153 or 67 in each of several.

3GPP TS 23.038 has the alphabets, TS 23.040 §9.2.3.24.1 the header of six bytes that several parts need.
"""

from dataclasses import dataclass
from typing import Literal

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
"""Of two septets each."""
SEPTETS, SEPTETS_OF_PART = 160, 153
UNITS, UNITS_OF_PART = 70, 67


@dataclass(frozen=True)
class Segments:
    """What a text takes."""

    alphabet: Literal["GSM 03.38", "UCS-2"]
    count: int


def segments(text: str) -> Segments:
    """How many SMS a text is. No character is torn apart between two of them."""
    if all(letter in BASIC or letter in EXTENSION for letter in text):
        sizes = [2 if letter in EXTENSION else 1 for letter in text]
        return Segments("GSM 03.38", _parts(sizes, SEPTETS, SEPTETS_OF_PART))
    sizes = [len(letter.encode("utf-16-le", "surrogatepass")) // 2 for letter in text]
    return Segments("UCS-2", _parts(sizes, UNITS, UNITS_OF_PART))


def _parts(sizes: list[int], alone: int, of_several: int) -> int:
    if sum(sizes) <= alone:
        return 1
    count, used = 1, 0
    for size in sizes:
        if used + size > of_several:
            count, used = count + 1, 0
        used += size
    return count
