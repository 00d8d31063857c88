"""Finding what was done to the trail: with the database, or with an export alone. Pure.

Checkpoints come in their order, each with the entries it names; then the entries that no checkpoint has. All are in the
words of `rules.told`. What is wrong is collected, never raised: one fault must not hide the next.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from orion_core.ids import uuid7_time
from orion_core.signatures import VerifyingKey
from orion_user.audit import merkle, rules

ERASED = "audit.erase"

LEAST_KEPT = timedelta(days=365)
"""Months may be gone by retention when they are older: the database drops none that is younger."""

MOST_FAULTS = 1_000
"""More are counted, not told."""

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was written."""

    code: str
    """`edited`, `removed`, `added`, `checkpoint_edited`, `checkpoint_removed`, `signature`, `tail`, `erased`, `key`."""
    detail: str
    checkpoint: int | None = None
    entry: str | None = None


@dataclass
class Findings:
    """What a verification has found."""

    checkpoints: int = 0
    entries: int = 0
    uncovered: int = 0
    """Entries that wait for the next checkpoint: of these nothing is proved yet."""
    erased: int = 0
    gone: int = 0
    """Entries whose months retention has taken."""
    gone_months: list[str] = field(default_factory=list[str])
    head: str | None = None
    """Number and hash of the latest checkpoint; kept elsewhere, it shows a tail that was cut (`--expect`)."""
    keys: list[str] = field(default_factory=list[str])
    """Keys that have signed."""
    faults: list[Fault] = field(default_factory=list[Fault])
    more_faults: int = 0

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def add(self, fault: Fault) -> None:
        """Note a fault."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)
        else:
            self.more_faults += 1


class Verifier:
    """One pass over a trail. `trusted` are the keys that are known from elsewhere to be ours; all, if none is named."""

    def __init__(self, keys: Mapping[str, VerifyingKey], now: datetime, trusted: Collection[str] = ()) -> None:
        self.findings = Findings()
        self._keys = keys
        self._trusted = frozenset(trusted)
        self._gone_before = _month(now - LEAST_KEPT)
        self._present: set[str] = set()
        self._gone: dict[str, int] = {}
        self._previous: Told | None = None
        self._expected: dict[int, str | None] = {}
        self._erased: list[tuple[str, str, frozenset[str]]] = []
        self._erasures: set[tuple[str, str]] = set()

    def expect(self, number: int, digest: str) -> None:
        """Have the checkpoint of this number be there, with this hash: what somebody has kept elsewhere."""
        self._expected[number] = digest

    def checkpoint(self, told: Told, entries: Mapping[str, Told]) -> None:
        """Look at the next checkpoint and at its entries, by their ids."""
        findings, number = self.findings, told["number"]
        findings.checkpoints += 1
        self._look_at_chain(told)
        leaf_ids: list[str] = told["leaf_ids"]
        leaves = [self._leaf(entries.get(leaf_id), leaf_id, number) for leaf_id in leaf_ids]
        if any(leaf is None for leaf in leaves):
            if all(leaf is None for leaf in leaves) and self._may_be_gone(leaf_ids):
                findings.gone += len(leaf_ids)
                self._gone.setdefault(_month_of(leaf_ids[0]), number)
            else:
                for leaf_id, leaf in zip(leaf_ids, leaves, strict=True):
                    if leaf is None:
                        findings.add(Fault("removed", "The entry is not there any more.", number, leaf_id))
        elif merkle.root([leaf for leaf in leaves if leaf is not None]).hex() != told["root_hash"]:
            detail = "The entries are not those that were signed, or not in their order."
            if not any(fault.checkpoint == number for fault in findings.faults):
                findings.add(Fault("edited", detail, number))
        self._previous = told
        findings.head = f"{number}:{told['hash']}"

    def uncovered(self, entry: Told) -> None:
        """Look at an entry that no checkpoint has. One that is older than the last checkpoint was put in later."""
        self._leaf(entry, entry["id"], None)
        self.findings.uncovered += 1
        last = self._previous
        if last is None:
            return
        place = (entry["transaction_id"], entry["id"])
        covered_to = (last["horizon"], last["after_id"] or "")
        if place < covered_to:
            self.findings.add(
                Fault("added", "The entry was put in behind the back of the checkpoints.", None, entry["id"])
            )

    def finish(self) -> Findings:
        """What was found, when all has been looked at."""
        for number in self._expected:
            detail = f"Checkpoint {number}, which is known from elsewhere, is not there: the end was cut off."
            self.findings.add(Fault("tail", detail, number))
        for entry_id, erased_at, persons in self._erased:
            if not any((erased_at, person) in self._erasures for person in persons):
                detail = "The entry was emptied, and no entry tells of such an erasure at that time."
                self.findings.add(Fault("erased", detail, None, entry_id))
        self.findings.gone_months = sorted(self._gone)
        for month in self._present & self._gone.keys():
            detail = f"Of the month {month}, which would go as a whole, a part is there."
            self.findings.add(Fault("removed", detail, self._gone[month]))
        return self.findings

    def _look_at_chain(self, told: Told) -> None:
        findings, number, before = self.findings, told["number"], self._previous
        expected_number = 1 if before is None else before["number"] + 1
        if number != expected_number:
            detail = f"Checkpoint {expected_number} is missing before {number}."
            findings.add(Fault("checkpoint_removed", detail, number))
        elif told["previous_hash"] != (None if before is None else before["hash"]):
            findings.add(Fault("checkpoint_edited", "It does not follow the checkpoint before it.", number))
        size = len(told["leaf_ids"]) + (0 if before is None else before["tree_size"])
        if number == expected_number and told["tree_size"] != size:
            findings.add(Fault("checkpoint_edited", f"It counts {told['tree_size']} entries, not {size}.", number))
        digest = _digest(told)
        if digest is None or digest.hex() != told["hash"]:
            findings.add(Fault("checkpoint_edited", "Its hash is not that of its contents.", number))
        elif told.get("updated_at") != told["created_at"]:
            findings.add(Fault("checkpoint_edited", "It was changed after it was made.", number))
        self._look_at_signature(told, number, digest)
        if number in self._expected and self._expected.pop(number) != told["hash"]:
            findings.add(Fault("tail", "It is not the checkpoint of this number that is known from elsewhere.", number))

    def _look_at_signature(self, told: Told, number: int, digest: bytes | None) -> None:
        key_id: str = told["key_id"]
        if key_id not in self.findings.keys:
            self.findings.keys.append(key_id)
            if self._trusted and key_id not in self._trusted:
                self.findings.add(Fault("key", f"Key {key_id} is none of those that were named.", number))
        key = self._keys.get(key_id)
        try:
            if key is None or digest is None:
                raise ValueError
            key.verify(bytes.fromhex(told["signature"]), merkle.signed(digest))
        except Exception:
            self.findings.add(Fault("signature", f"The signature is not one of key {key_id}.", number))

    def _leaf(self, entry: Told | None, entry_id: str, number: int | None) -> bytes | None:
        """The leaf as the entry's columns make it, whatever its own says; None when there is no entry."""
        if entry is None:
            return None
        self.findings.entries += 1
        self._present.add(_month_of(entry_id))
        fault = self._fault_of(entry)
        if fault is not None:
            self.findings.add(Fault("edited", fault, number, entry_id))
        elif entry["action"] == ERASED:
            self._erasures |= {(entry["timestamp"], named) for named in (entry["user_id"], _membership(entry)) if named}
        try:
            return rules.leaf_hash(entry["transaction_id"], rules.leaf_body(entry, bytes.fromhex(entry["commitment"])))
        except (TypeError, ValueError, KeyError, OverflowError, AttributeError):
            return b""

    def _fault_of(self, entry: Told) -> str | None:
        try:
            committed = bytes.fromhex(entry["commitment"])
            leaf = rules.leaf_hash(entry["transaction_id"], rules.leaf_body(entry, committed))
            if leaf.hex() != entry["leaf_hash"]:
                return "It does not say what it said when it was written."
            if entry["erased_at"] is not None:
                return self._note_erased(entry)
            if rules.commitment(bytes.fromhex(entry["salt"]), entry) != committed:
                return "Its values, error, address or user agent are not what they were."
        except (TypeError, ValueError, KeyError, OverflowError, AttributeError):
            return "It holds what no entry holds."
        return None if entry["updated_at"] == entry["created_at"] else "It was changed after it was written."

    def _note_erased(self, entry: Told) -> str | None:
        if any(entry[name] is not None for name in ("salt", *rules.PERSONAL)):
            return "It is said to be erased, and something personal is there."
        self.findings.erased += 1
        of_user = {entry["resource_id"]} if entry["resource_type"] == "user" else set[str | None]()
        persons = {entry["user_id"], entry["actor_id"], entry["on_behalf_of"], _membership(entry)} | of_user
        self._erased.append((entry["id"], entry["erased_at"], frozenset(each for each in persons if each)))
        return None if entry["updated_at"] == entry["erased_at"] else "It was changed after it was erased."

    def _may_be_gone(self, leaf_ids: Sequence[str]) -> bool:
        return all(_month_of(leaf_id) < self._gone_before for leaf_id in leaf_ids)


def _membership(entry: Told) -> str | None:
    """The membership that an entry is about, which once could name a person by an address alone."""
    return f"membership {entry['resource_id']}" if entry["resource_type"] == "membership" else None


def _digest(told: Told) -> bytes | None:
    try:
        return merkle.checkpoint_hash(told)
    except (TypeError, KeyError):
        return None


def _month(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m}"


def _month_of(entry_id: str) -> str:
    """The month that an entry is kept in; for what is no id, one that never goes."""
    try:
        return _month(uuid7_time(UUID(entry_id)))
    except (ValueError, OverflowError, AttributeError, TypeError):
        return "9999-12"
