"""Texts in requests that several slices take."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from orion_core.person_names import HIDDEN, require_seen

NO_CONTROLS = rf"^[^{HIDDEN}\u200e\u200f]*$"
"""No control characters, and none that hide or turn what stands beside them; the joiners that Persian words and emoji
are written with are none of these.
"""

Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=NO_CONTROLS),
    AfterValidator(require_seen),
]
"""What people read in lists."""

Description = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")
]
Reason = Description

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
"""A name that programs use: letters that cannot be taken for others."""

Condition = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
"""CEL."""
