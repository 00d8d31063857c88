"""Making and lifting rules that keep duties apart. The database enforces them."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from orion_contracts.access_events import SeparationRuleChanged
from orion_core.database import Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.audit.actions import Change
from orion_user.desk import Desk
from orion_user.separation import store
from orion_user.separation.rules import SeparationKind
from orion_user.separation.shapes import NewSeparationRule, SeparationRuleState
from orion_user.violations import broken, told


async def page(desk: Desk) -> list[SeparationRuleState]:
    """All rules, by name."""
    async with desk.database.autocommit() as connection:
        await desk.require(connection, "role:assign")
        return [SeparationRuleState.model_validate(dict(row)) for row in await store.rules(connection)]


async def create(
    desk: Desk, new: NewSeparationRule, claim: Claim[SeparationRuleState] = NO_CLAIM
) -> SeparationRuleState:
    """Make a rule; 409 when its name is taken, or when somebody breaks it already, who is named."""
    values: dict[str, Any] = new.model_dump(exclude={"role_ids"}) | {"kind": SeparationKind[new.kind]}
    try:
        async with desk.database.transaction() as transaction:
            await desk.require(transaction.connection, "system:configure")
            rule_id = await store.insert_rule(transaction.connection, values, sorted(set(new.role_ids)))
            [row] = await store.rules(transaction.connection, rule_id)
            await _tell(desk, transaction, row, "CREATED")
            made = SeparationRuleState.model_validate(dict(row))
            await claim.settle(transaction, made)
    except IntegrityError as error:
        raise _refusal(error) from None
    return made


async def remove(desk: Desk, rule_id: UUID) -> None:
    """Lift a rule; 404 for none."""
    async with desk.database.transaction() as transaction:
        await desk.require(transaction.connection, "system:configure")
        found = await store.rules(transaction.connection, rule_id)
        if not found:
            raise not_found("rule")
        await store.remove(transaction.connection, rule_id)
        await _tell(desk, transaction, found[0], "DELETED")


async def _tell(desk: Desk, transaction: Transaction, row: RowMapping, change: str) -> None:
    event = SeparationRuleChanged(rule_id=row["id"], name=row["name"], change=change, changed_at=desk.now)
    kept = {"name": row["name"], "kind": row["kind"], "cardinality": row["cardinality"], "roles": row["roles"]}
    old, new = ({}, kept) if change == "CREATED" else (kept, dict[str, Any]())
    action = "separation_rule.create" if change == "CREATED" else "separation_rule.delete"
    await desk.tell(transaction, event, Change(action, "separation_rule", str(row["id"]), old=old, new=new))


def _refusal(error: IntegrityError) -> Problem:
    match broken(error):
        case "uq_separation_rules_name":
            return Problem(409, "name_taken", "Name taken", "There is a rule of this name. Nothing was changed.")
        case "fk_separation_roles_role_id":
            return invalid_field("/role_ids", "unknown", "There is no role with one of these ids.")
        case "ck_separation_roles_separation":
            detail = f"{told(error)} End one of them first, then make the rule. Nothing was changed."
            return Problem(409, "separation_of_duty", "Somebody breaks it already", detail)
        case _:
            raise error
