"""What makes tampering show: the tree over entries, and the chain of checkpoints over trees. Pure.

The tree is that of RFC 9162 §2.1.1 with SHA-256: a leaf is hashed behind 0x00 (`rules.leaf_hash`), an inner node behind
0x01, and a tree splits at the largest power of two that is smaller than its leaves are many.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from orion_user.audit.rules import canonical

NODE = b"\1"
SIGNED = b"orion audit checkpoint v1\n"
"""Before the hash in what is signed, so that a signature is good for nothing else."""

CHAINED = (
    "id",
    "number",
    "horizon",
    "after_id",
    "leaf_ids",
    "tree_size",
    "root_hash",
    "previous_hash",
    "created_at",
)
"""Columns of a checkpoint that its hash covers, as `rules.told` writes them."""


def root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over these leaves.

    Level by level, an odd node out moving up as it is, gives the same tree as splitting at powers of two.
    """
    if not leaves:
        return sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        pairs = [sha256(NODE + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def checkpoint_hash(told: Mapping[str, Any]) -> bytes:
    """The hash of a checkpoint, in the words of `rules.told`."""
    return sha256(canonical({name: told[name] for name in CHAINED})).digest()


def signed(checkpoint: bytes) -> bytes:
    """The bytes that are signed for the hash of a checkpoint."""
    return SIGNED + checkpoint
