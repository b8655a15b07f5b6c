"""The tree of the consent ledger: every leaf can be proved, and no other leaf can take its place."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.core.merkle import GENESIS, chain_of, climb, leaf_of, path_of, root_of

LINES = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=70, unique=True)


@given(LINES, st.data())
def test_every_leaf_climbs_to_the_root(lines: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_of(line) for line in lines]
    place = data.draw(st.integers(0, len(leaves) - 1))
    assert climb(leaves[place], path_of(leaves, place)) == root_of(leaves)


@given(LINES, st.binary(max_size=20), st.data())
def test_another_line_does_not(lines: list[bytes], other: bytes, data: st.DataObject) -> None:
    leaves = [leaf_of(line) for line in lines]
    place = data.draw(st.integers(0, len(leaves) - 1))
    if other != lines[place]:
        assert climb(leaf_of(other), path_of(leaves, place)) != root_of(leaves)


def test_the_tree_is_the_one_that_anybody_can_build_by_hand() -> None:
    a, b, c = (sha256(b"\x00" + line).digest() for line in (b"a", b"b", b"c"))
    ab = sha256(b"\x01" + a + b).digest()
    assert root_of([leaf_of(b"a"), leaf_of(b"b"), leaf_of(b"c")]) == sha256(b"\x01" + ab + c).digest()
    text = "seal 1|" + "00" * 32 + f"|3|{ab.hex()}|2026-06-01T12:00:00.000000+00:00"
    assert chain_of(GENESIS, leaves=3, root=ab, sealed_at="2026-06-01T12:00:00.000000+00:00") == sha256(text.encode()).digest()


def test_a_leaf_and_a_node_cannot_pass_for_each_other() -> None:
    a, b = leaf_of(b"a"), leaf_of(b"b")
    assert leaf_of(a + b) != root_of([a, b])


def test_a_tree_needs_a_leaf() -> None:
    with pytest.raises(ValueError, match="needs a leaf"):
        root_of([])
