"""What must be there before tables and columns are made: schemas, extensions, types, sequences, functions. Pure."""

from orion_db.catalog import Catalog, Key
from orion_db.catalog.read import Facts
from orion_db.repair.parts import fate

_KINDS = ("schema", "extension", "enum", "type", "sequence", "function")


def foundations(current: Catalog, wanted: Catalog) -> Catalog:
    """`current`, with all that is wanted of those kinds and stands on nothing that is still to be made."""
    found = dict(current)
    waiting = [key for key, facts in wanted.items() if key[0] in _KINDS and _comes_first(facts, current.get(key))]
    while ready := [key for key in waiting if _stands(key, wanted[key], found)]:
        found |= {key: wanted[key] for key in ready}
        waiting = [key for key in waiting if key not in ready]
    return found


def _comes_first(new: Facts, old: Facts | None) -> bool:
    """Not a sequence or a composite type, which come with columns; nor an enum that columns must be led out of."""
    if "owned by" in new or new.get("kind") == "composite":
        return False
    return old is None or "labels" not in new or fate("enum", old, new) == "change"


def _stands(key: Key, facts: Facts, found: Catalog) -> bool:
    return all(need in found for need in facts["needs"] if need != key)
