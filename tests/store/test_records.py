"""A decision comes back from the table as it went in, whatever it was, and one that cannot be read says so."""

import zlib
from collections.abc import Callable
from dataclasses import fields

import orjson
import pytest

from julia_warmer.core.decide import decide
from julia_warmer.core.record import decision_from_json, snapshot_from_json
from julia_warmer.store.records import DICTIONARIES, RecordBroken, Recorded, deflated, pack_record, unpack_record
from tests.core.some import STANDARD, WELL

CHECKSUMS = (731162688,)  # of the texts that stored decisions need: none may change or go


@pytest.mark.parametrize("decision", [{}, {"reasons": ["P(replies >= 20 %) = 0.97", "ação é não"]}, {"long": "x" * 100_000}])
def test_what_was_packed_comes_back(decision: dict[str, object]):
    assert Recorded.from_stored(deflated({"snapshot": {"chip": "north-1"}, "decision": decision})) == Recorded(
        {"chip": "north-1"}, decision
    )


@pytest.mark.parametrize("spoil", [lambda data: data[:-3], lambda data: b"x" + data, lambda data: data[:-8] + b"12345678"])
def test_a_broken_record_says_so(spoil: Callable[[bytes], bytes]):
    with pytest.raises(RecordBroken):
        Recorded.from_stored(spoil(deflated({"snapshot": {"chip": "north-1"}, "decision": {"reasons": []}})))


def test_what_was_stored_before_can_be_read_by_every_later_version():
    assert tuple(map(zlib.adler32, DICTIONARIES)) == CHECKSUMS


def test_a_record_holds_every_field_of_the_snapshot_and_of_the_decision():
    decision = decide(WELL, STANDARD)
    for _ in range(2):  # the texts of terms and gates are kept
        packed = unpack_record(pack_record(WELL, decision))
        assert snapshot_from_json(orjson.dumps(packed["snapshot"]).decode()) == WELL
        assert decision_from_json(orjson.dumps(packed["decision"]).decode()) == decision
        assert packed["decision"].keys() == {item.name for item in fields(decision)}
        assert packed["decision"]["health"].keys() == {item.name for item in fields(decision.health)}
