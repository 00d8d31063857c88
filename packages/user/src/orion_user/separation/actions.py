"""Making and lifting rules that keep duties apart. The database enforces them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.access_events import SeparationRuleChanged
from orion_core.database import Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.http.etags import etag
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.audit.actions import Change
from orion_user.desk import Desk
from orion_user.separation import store
from orion_user.separation.rules import SeparationKind
from orion_user.separation.shapes import NewSeparationRule, SeparationRuleChanges, SeparationRuleState
from orion_user.violations import broken, told


async def page(desk: Desk) -> list[SeparationRuleState]:
    """All rules, by name."""
    async with desk.database.autocommit() as connection:
        await desk.require(connection, "role:assign")
        return [_state(row) for row in await store.rules(connection)]


async def create(
    desk: Desk, new: NewSeparationRule, claim: Claim[SeparationRuleState] = NO_CLAIM
) -> SeparationRuleState:
    """Make a rule; 409 when its name is taken, or when somebody breaks it already, who is named."""
    values: dict[str, Any] = new.model_dump(exclude={"role_ids"}) | {"kind": SeparationKind[new.kind]}
    try:
        async with desk.database.transaction() as transaction:
            await desk.require(transaction.connection, "system:configure")
            await claim.recall(transaction.connection)
            rule_id = await store.insert_rule(transaction.connection, values, sorted(set(new.role_ids)))
            [row] = await store.rules(transaction.connection, rule_id)
            await _tell(desk, transaction, row, "CREATED")
            made = _state(row)
            await claim.settle(transaction, made)
    except IntegrityError as error:
        raise _refusal(error) from None
    return made


async def read(desk: Desk, rule_id: UUID) -> SeparationRuleState:
    """One rule; 404 for none."""
    async with desk.database.autocommit() as connection:
        await desk.require(connection, "role:assign")
        return _state(await _row(connection, rule_id))


async def change(
    desk: Desk, rule_id: UUID, changes: SeparationRuleChanges, require_match: Callable[[str], None]
) -> SeparationRuleState:
    """Change how many are too many, and of which roles; 409 when somebody breaks that already, who is named."""
    given = changes.model_dump(exclude_unset=True)
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            await desk.require(connection, "system:configure")
            await store.lock(connection, rule_id)
            before = await _row(connection, rule_id)
            require_match(etag(_state(before)))
            had = {UUID(role["id"]) for role in before["roles"]}
            wanted = set(given.pop("role_ids", had))
            if len(wanted) < given.get("cardinality", before["cardinality"]):
                detail = "Name at least as many different roles as are too many."
                raise invalid_field("/role_ids", "too_few", detail)
            await store.change(connection, rule_id, given, sorted(had - wanted), sorted(wanted - had))
            row = await _row(connection, rule_id)
            await _tell(desk, transaction, row, "UPDATED", before)
    except IntegrityError as error:
        raise _refusal(error) from None
    return _state(row)


async def remove(desk: Desk, rule_id: UUID) -> None:
    """Lift a rule; 404 for none."""
    async with desk.database.transaction() as transaction:
        await desk.require(transaction.connection, "system:configure")
        row = await _row(transaction.connection, rule_id)
        await store.remove(transaction.connection, rule_id)
        await _tell(desk, transaction, row, "DELETED", row)


async def _row(connection: AsyncConnection, rule_id: UUID) -> RowMapping:
    found = await store.rules(connection, rule_id)
    if not found:
        raise not_found("rule")
    return found[0]


def _state(row: RowMapping) -> SeparationRuleState:
    return SeparationRuleState.model_validate(dict(row))


async def _tell(
    desk: Desk, transaction: Transaction, row: RowMapping, change: str, before: RowMapping | None = None
) -> None:
    event = SeparationRuleChanged(rule_id=row["id"], name=row["name"], change=change, changed_at=desk.now)
    nothing: dict[str, Any] = {}
    old = nothing if before is None else _kept(before)
    new = nothing if change == "DELETED" else _kept(row)
    action = f"separation_rule.{change.lower().removesuffix('d')}"
    await desk.tell(transaction, event, Change(action, "separation_rule", str(row["id"]), old=old, new=new))


def _kept(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in ("name", "description", "kind", "cardinality", "roles")}


def _refusal(error: IntegrityError) -> Problem:
    match broken(error):
        case "uq_separation_rules_name" | "uq_separation_rules_look":
            detail = "There is a rule of this name, or one whose name looks the same. Nothing was changed."
            return Problem(409, "name_taken", "Name taken", detail)
        case "fk_separation_roles_role_id":
            return invalid_field("/role_ids", "unknown", "There is no role with one of these ids.")
        case "ck_separation_roles_separation" | "ck_separation_rules_separation":
            detail = f"{told(error)} End one of them first, then make the rule so. Nothing was changed."
            return Problem(409, "separation_of_duty", "Somebody breaks it already", detail)
        case _:
            raise error
