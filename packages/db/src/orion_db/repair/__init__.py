"""SQL that leads from one catalog to another, in an order that runs; what cannot be written safely is said instead."""

from orion_db.repair.plan import repair_between, statements_between
from orion_db.repair.script import script
from orion_db.repair.statement import ByHand, Repair, Statement

__all__ = ["ByHand", "Repair", "Statement", "repair_between", "script", "statements_between"]
