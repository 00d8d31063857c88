"""Who writes the statements of which kind."""

from collections.abc import Callable

from orion_db.catalog import Key
from orion_db.catalog.read import Facts
from orion_db.repair import access, belongings, objects, tables
from orion_db.repair.statement import Sides, Written

_MADE: dict[str, Callable[[Key, Facts | None, Facts, Sides], Written]] = {
    "database": objects.database,
    "setting": access.setting,
    "schema": objects.schema,
    "default grants": access.default_grants,
    "extension": objects.extension,
    "collation": objects.by_hand,
    "enum": objects.enum,
    "type": objects.domain,
    "sequence": objects.sequence,
    "sequence owner": objects.sequence_owner,
    "function": objects.function,
    "table": tables.table,
    "column": tables.column,
    "default": tables.default,
    "constraint": belongings.constraint,
    "index": belongings.index,
    "statistics": objects.statistics,
    "view": objects.view,
    "rule": belongings.rule,
    "trigger": belongings.trigger,
    "policy": belongings.policy,
    "publication": objects.by_hand,
    "event trigger": objects.event_trigger,
}

_UNDONE: dict[str, Callable[[Key, Facts, Sides], Written]] = {
    "setting": access.setting_gone,
    "default grants": access.default_grants_gone,
    "sequence": objects.sequence_gone,
    "sequence owner": objects.sequence_owner_gone,
    "table": tables.table_gone,
    "column": tables.column_gone,
    "default": tables.default_gone,
    "constraint": belongings.constraint_gone,
    "index": belongings.index_gone,
    "rule": belongings.rule_gone,
    "trigger": belongings.trigger_gone,
    "policy": belongings.policy_gone,
}


def made(key: Key, old: Facts | None, new: Facts, sides: Sides) -> Written:
    """What makes the object, or (with `old`) changes it in place."""
    return _MADE[key[0]](key, old, new, sides)


def undone(key: Key, old: Facts, sides: Sides) -> Written:
    """What takes the object away."""
    return _UNDONE.get(key[0], objects.gone)(key, old, sides)
