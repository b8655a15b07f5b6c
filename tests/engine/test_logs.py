"""Logs hold no token, no phone number, no name and no text, whichever logger wrote them and whatever was raised."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from julia_warmer.engine.logs import mask_text, mask_value, set_up_logs

TEXTS = """
    Authorization: Bearer EAAGm0PX4ZCpsBAKZB and more     | Authorization: Bearer *** and more
    token EAAGm0PX4ZCpsBAKZBwxyz0123456789 refused        | token *** refused
    sandbox-abc.def is not Meta's                         | *** is not Meta's
    postgresql://warmer:s3cret@db.example/warmer          | postgresql://warmer:***@db.example/warmer
    GET /?access_token=abc123&fields=id                   | GET /?access_token=***&fields=id
    signed with whsec_c2VjcmV0LXNlY3JldA==                | signed with ***
    sent to +5531987654321                                | sent to ***21
    sent to +55 (31) 98765-4321 today                     | sent to ***21 today
    Key (phone_key)=(m:553187654321) already exists       | Key (phone_key)=(m:***21) already exists
    at 2026-05-31 14:05:00 chip 12 sent 100 of 2000       | at 2026-05-31 14:05:00 chip 12 sent 100 of 2000
    wamid.HBgMNTUzMTk4NzY1NDMyMRUCABEYEjE is read         | wamid.HBgMNTUzMTk4NzY1NDMyMRUCABEYEjE is read
"""


@pytest.mark.parametrize("line", [line.strip() for line in TEXTS.strip().splitlines()])
def test_free_text_keeps_what_helps_and_loses_what_hurts(line: str):
    before, after = (part.strip() for part in line.split(" | "))
    assert mask_text(before) == after


VALUES = [
    ("phone", "+5531987654321", "***21"),
    ("display_phone", "5531987654321", "***21"),
    ("phone_number_id", "106540352242922", "106540352242922"),
    ("account_token", "abc", "***"),
    ("name", "Ana Lima", "***"),
    ("text", "bom dia", "***"),
    ("body", b"{}", "***"),
    ("sealed", b"\x01\x02", "***"),
    ("sent", 12, 12),
    ("at", None, None),
    ("row", {"to": "5531987654321", "id": 3}, {"to": "***21", "id": 3}),
    ("rows", [{"text": "oi"}], [{"text": "***"}]),
]


@pytest.mark.parametrize(("name", "value", "written"), VALUES)
def test_a_value_is_judged_by_its_name_and_by_what_it_holds(name: str, value: object, written: object):
    assert mask_value(name, value) == written


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    set_up_logs(level="INFO", as_json=True, stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_every_logger_passes_the_mask_with_its_traceback(lines: io.StringIO):
    structlog.get_logger("warmer").info("message_accepted", chip="north-1", to="+5531987654321", token="EAAsecretsecretsecret")
    logging.getLogger("asyncpg").warning("duplicate key (phone)=(%s)", "+5531987654321")
    try:
        int("Bearer EAAsecretsecretsecret for 5531987654321")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("it broke")
    logging.getLogger("asyncio").debug("not written")
    written = lines.getvalue()
    assert "EAAsecret" not in written
    assert "987654321" not in written
    first, second, third = (json.loads(line) for line in written.splitlines())
    assert (first["event"], first["chip"], first["to"], first["level"]) == ("message_accepted", "north-1", "***21", "info")
    assert second["event"] == "duplicate key (phone)=(***21)"
    assert "ValueError" in third["exception"]


def test_asyncpg_tells_of_a_database_that_is_away_in_one_line(lines: io.StringIO):
    try:
        int("away")
    except ValueError:
        logging.getLogger("asyncpg.pool").warning("cannot keep %s", "one", exc_info=True)
    (written,) = (json.loads(line) for line in lines.getvalue().splitlines())
    assert written["event"] == "cannot keep one: invalid literal for int() with base 10: 'away'"
    assert "exception" not in written
