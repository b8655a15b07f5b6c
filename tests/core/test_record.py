"""What is recorded comes back equal, and is written the same each time."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from julia_warmer.core.decide import decide
from julia_warmer.core.model import Snapshot
from julia_warmer.core.record import RecordError, decision_from_json, decisions_sha256, snapshot_from_json, to_json
from tests.core.some import STANDARD, chip, snapshots


@given(snapshots())
@settings(max_examples=100, deadline=None)
def test_snapshots_and_decisions_come_back_as_they_were(snapshot: Snapshot) -> None:
    decision = decide(snapshot, STANDARD)
    assert snapshot_from_json(to_json(snapshot)) == snapshot
    assert decision_from_json(to_json(decision)) == decision
    assert to_json(snapshot_from_json(to_json(snapshot))) == to_json(snapshot)
    assert to_json(decision_from_json(to_json(decision))) == to_json(decision)


@given(snapshots())
@settings(max_examples=50, deadline=None)
def test_a_replayed_snapshot_gives_the_recorded_decision_byte_for_byte(snapshot: Snapshot) -> None:
    recorded = to_json(decide(snapshot, STANDARD))
    assert to_json(decide(snapshot_from_json(to_json(snapshot)), STANDARD)) == recorded


def test_a_record_is_canonical() -> None:
    text = to_json(chip())
    raw = json.loads(text)
    assert text == json.dumps(raw, sort_keys=True, separators=(",", ":"))
    assert raw["at"] == "2026-03-20T15:00:00+00:00"
    assert (raw["quality"], raw["media_7d"], raw["state"]["phase"]) == ("GREEN", 3, "expansion")


def test_an_older_record_takes_the_defaults_of_newer_fields() -> None:
    raw = json.loads(to_json(chip()))
    del raw["accepted_last_day"]
    assert snapshot_from_json(json.dumps(raw)).accepted_last_day == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": 3}', '{"nobody": 1}', "null"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="not a snapshot as this version writes it"):
        snapshot_from_json(text)


def test_the_hash_of_decisions_knows_names_not_ids_nor_order() -> None:
    one, other = decide(chip(chip_id=1), STANDARD), decide(chip(chip_id=2, unanswered_run=40), STANDARD)
    pairs = [("ana", one), ("bia", other)]
    again = [("bia", replace(other, chip_id=8)), ("ana", replace(one, chip_id=9))]
    assert decisions_sha256(pairs) == decisions_sha256(again)
    assert decisions_sha256(pairs) != decisions_sha256([("bia", one), ("ana", other)])
