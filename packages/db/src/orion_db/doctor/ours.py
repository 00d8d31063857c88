"""What the migrations make, as far as judgements ask for it."""

import re
from collections.abc import Sequence

from orion_db.catalog import Catalog
from orion_db.roles import quoted

_COLUMNS = re.compile(r" USING btree \((?P<columns>.*?)\)(?: INCLUDE .*| WITH .*| NULLS NOT DISTINCT.*)?$")


def covering_index(ours: Catalog | None, table: str, columns: Sequence[str]) -> str | None:
    """Definition of the migrations' index whose first columns are these, in whatever order; None: they make none."""
    wanted = {quoted(column) for column in columns}
    for (kind, _), facts in (ours or {}).items():
        if kind != "index" or facts["table"] != table.replace('"', "") or not facts["valid"]:
            continue
        match = _COLUMNS.search(facts["definition"])
        keys = [key.split(" ")[0] for key in match["columns"].split(", ")] if match else []
        if set(keys[: len(wanted)]) == wanted:
            return str(facts["definition"])
    return None
