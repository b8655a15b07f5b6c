"""Merkle trees over the consent ledger: one hash that stands for many rows, and the few hashes that prove one of them is among them.

RFC 6962's tree: leaves and inner nodes are hashed apart, so that neither can pass for the other; an odd last node goes up as it is.
Pure; it must not know what a leaf commits to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

LEAF, NODE = b"\x00", b"\x01"
GENESIS = bytes(32)  # the chain before the first seal


@dataclass(frozen=True, slots=True)
class Step:
    """One hash on the way from a leaf to the root, and on which side it stands."""

    hash: bytes
    is_left: bool


def leaf_of(line: bytes) -> bytes:
    """The leaf of a row's line."""
    return sha256(LEAF + line).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaves, in their order. Raises ValueError when there are none."""
    if not leaves:
        raise ValueError("a tree needs a leaf")
    level = list(leaves)
    while len(level) > 1:
        level = _up(level)
    return level[0]


def path_of(leaves: Sequence[bytes], place: int) -> tuple[Step, ...]:
    """The hashes that lead from the leaf at `place` (from 0) to the root."""
    level, steps = list(leaves), list[Step]()
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            steps.append(Step(level[beside], is_left=beside < place))
        level, place = _up(level), place // 2
    return tuple(steps)


def climb(leaf: bytes, path: Sequence[Step]) -> bytes:
    """The root that this path leads to."""
    for step in path:
        leaf = _join(step.hash, leaf) if step.is_left else _join(leaf, step.hash)
    return leaf


def chain_of(before: bytes, *, leaves: int, root: bytes, sealed_at: str) -> bytes:
    """A seal's link: the chain before it, how many leaves, their root and the moment, as ISO 8601 in UTC."""
    return sha256(b"seal 1|" + before.hex().encode() + f"|{leaves}|{root.hex()}|{sealed_at}".encode()).digest()


def _up(level: Sequence[bytes]) -> list[bytes]:
    joined = [_join(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
    return [*joined, level[-1]] if len(level) % 2 else joined


def _join(left: bytes, right: bytes) -> bytes:
    return sha256(NODE + left + right).digest()
