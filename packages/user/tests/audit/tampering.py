"""What somebody who has the whole database in his hands could do to the trail, done at random to an export of it."""

import copy
import random
import string
from typing import Any, cast

import orjson

Lines = list[dict[str, Any]]

EDITED = (
    "service",
    "actor_type",
    "actor_id",
    "actor_name",
    "on_behalf_of",
    "user_id",
    "action",
    "resource_type",
    "resource_id",
    "old_values",
    "new_values",
    "changed_fields",
    "session_id",
    "request_id",
    "ip_address",
    "user_agent",
    "status",
    "error",
    "duration_ms",
    "timestamp",
    "transaction_id",
    "salt",
    "commitment",
    "leaf_hash",
    "erased_at",
    "created_at",
    "updated_at",
)
CHECKPOINT_EDITED = (
    "id",
    "number",
    "horizon",
    "after_id",
    "leaf_ids",
    "tree_size",
    "root_hash",
    "previous_hash",
    "hash",
    "key_id",
    "signature",
    "created_at",
    "updated_at",
)


def tamper(original: Lines, chance: random.Random) -> tuple[str, Lines]:
    """What was done, and what has become of the lines. Who verifies knows the last checkpoint from elsewhere."""
    lines = [dict(line) for line in original]
    kind = chance.choice(["edit", "delete", "swap", "cut", "edit checkpoint", "delete checkpoint", "move", "add"])
    entries = [at for at, line in enumerate(lines) if line["kind"] == "entry" and "uncovered" not in line]
    checkpoints = [at for at, line in enumerate(lines) if line["kind"] == "checkpoint"]
    match kind:
        case "edit":
            at = chance.choice(entries)
            name = chance.choice(EDITED)
            lines[at][name] = another(lines[at][name], chance)
            return f"edit {name}", lines
        case "delete":
            del lines[chance.choice(entries)]
        case "swap":
            one, other = chance.sample(entries, 2)
            for name in chance.choice(
                [("id",), ("new_values", "salt", "commitment"), ("timestamp", "created_at", "updated_at")]
            ):
                lines[one][name], lines[other][name] = lines[other][name], lines[one][name]
            if lines[one] == original[one]:
                lines[one]["action"] += "x"
        case "cut":
            # Checkpoints and entries from here on are gone; what is left is well-formed.
            lines = lines[: chance.choice(checkpoints)]
            written = sum(line["kind"] == "entry" for line in lines)
            lines.append({"kind": "end", "entries": written})
        case "edit checkpoint":
            at = chance.choice(checkpoints)
            name = chance.choice(CHECKPOINT_EDITED)
            if name == "leaf_ids" and len(lines[at][name]) > 1:
                ids = list(lines[at][name])
                one, other = chance.sample(range(len(ids)), 2)
                ids[one], ids[other] = ids[other], ids[one]
                lines[at][name] = ids
            else:
                lines[at][name] = another(lines[at][name], chance)
            return f"edit checkpoint's {name}", lines
        case "delete checkpoint":
            del lines[chance.choice(checkpoints)]
        case "move":
            one, other = chance.sample(checkpoints, 2)
            lines[one], lines[other] = lines[other], lines[one]
        case _:
            forged = copy.deepcopy(lines[chance.choice(entries)])
            forged |= {
                "id": forged["id"][:-1] + chance.choice([c for c in "0123456789abcdef" if c != forged["id"][-1]])
            }
            lines.insert(len(lines) - 1, forged | {"uncovered": True})
            lines[-1]["entries"] += 1
    return kind, lines


def another(value: Any, chance: random.Random) -> Any:
    """A value of the same kind that is another one."""
    match value:
        case None:
            return chance.choice(["x", {"a": 1}, 1])
        case int():
            return value + chance.choice([-1, 1, 1000])
        case str() if value and set(value) <= set("0123456789abcdef"):
            at = chance.randrange(len(value))
            return value[:at] + chance.choice([c for c in "0123456789abcdef" if c != value[at]]) + value[at + 1 :]
        case str():
            at = chance.randrange(len(value) + 1)
            return value[:at] + chance.choice(string.ascii_letters) + value[at:]
        case list():
            return [*value, "x"]
        case dict():
            fields = cast("dict[str, Any]", value)
            return {**fields, "x": 1} if chance.random() < 0.5 or not fields else {}
        case _:
            return None


def encoded(lines: Lines) -> list[bytes]:
    """As a file has them."""
    return [orjson.dumps(line) for line in lines]
