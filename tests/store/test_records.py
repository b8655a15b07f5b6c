"""A decision comes back from the table as it went in, whatever it was, and one that cannot be read says so."""

import zlib
from collections.abc import Callable

import pytest

from julia_warmer.store.records import DICTIONARIES, RecordBroken, Recorded, pack_record

CHECKSUMS = (731162688,)  # of the texts that stored decisions need: none may change or go


@pytest.mark.parametrize("decision", [{}, {"reasons": ["P(replies >= 20 %) = 0.97", "ação é não"]}, {"long": "x" * 100_000}])
def test_what_was_packed_comes_back(decision: dict[str, object]):
    assert Recorded.from_stored(pack_record({"chip": "north-1"}, decision)) == Recorded({"chip": "north-1"}, decision)


@pytest.mark.parametrize("spoil", [lambda data: data[:-3], lambda data: b"x" + data, lambda data: data[:-8] + b"12345678"])
def test_a_broken_record_says_so(spoil: Callable[[bytes], bytes]):
    with pytest.raises(RecordBroken):
        Recorded.from_stored(spoil(pack_record({"chip": "north-1"}, {"reasons": []})))


def test_what_was_stored_before_can_be_read_by_every_later_version():
    assert tuple(map(zlib.adler32, DICTIONARIES)) == CHECKSUMS
