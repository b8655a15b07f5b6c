"""`warmer explain webhook`: a line of JSON per fact, a code that says whether all was JSON, never a traceback."""

from pathlib import Path

import orjson

from tests.cli.conftest import Warmer

STOP = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "102290129340398",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
                        "contacts": [{"profile": {"name": "Ana"}, "wa_id": "553187654321"}],
                        "messages": [
                            {"from": "553187654321", "id": "wamid.A", "timestamp": "1749416383", "type": "text", "text": {"body": "PARAR"}}
                        ],
                    },
                }
            ],
        }
    ],
}


def test_each_fact_is_a_line_and_a_request_to_stop_gives_two(warmer: Warmer, folders: Path):
    file = folders / "stop.json"
    file.write_bytes(orjson.dumps(STOP))
    ran = warmer("explain", "webhook", file)
    lines = [orjson.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert [line["kind"] for line in lines] == ["message_received", "opt_out_requested"]
    assert {line["file"] for line in lines} == {str(file)}
    assert {(line["from"], line["phone_number_id"]) for line in lines} == {("553187654321", "106540352242922")}
    assert (lines[0]["id"], lines[0]["text"], lines[0]["at"]) == ("wamid.A", "PARAR", "2025-06-08T20:59:43Z")


def test_what_is_no_json_is_one_unrecognised_line_and_exit_2_at_the_end(warmer: Warmer, folders: Path):
    bad, deep, good = folders / "bad", folders / "deep.json", folders / "good.json"
    bad.write_bytes(b"\xff\x00 no json")
    deep.write_bytes(b"[" * 100_000)
    good.write_bytes(orjson.dumps(STOP))
    ran = warmer("explain", "webhook", bad, deep, good)
    lines = [orjson.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 2
    assert [line["kind"] for line in lines] == ["unrecognised", "unrecognised", "message_received", "opt_out_requested"]
    assert lines[0]["reason"].startswith("not JSON")
    assert "path" in lines[0]


def test_json_of_another_kind_is_unrecognised_and_no_error(warmer: Warmer, folders: Path):
    file = folders / "other.json"
    file.write_text('{"hello": [1, 2, {"world": null}]}')
    ran = warmer("explain", "webhook", file)
    assert ran.code == 0
    assert orjson.loads(ran.out)["kind"] == "unrecognised"


def test_a_file_that_cannot_be_read_is_one_line_and_the_others_go_on(warmer: Warmer, folders: Path):
    good = folders / "good.json"
    good.write_bytes(orjson.dumps(STOP))
    ran = warmer("explain", "webhook", folders / "nope.json", good)
    assert ran.code == 1
    assert len(ran.out.splitlines()) == 2
    assert "nope.json cannot be read: No such file" in ran.err
    assert len(ran.err.strip().splitlines()) == 1
