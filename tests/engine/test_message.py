"""The message of a send: a template that is filled, a reply, and what cannot be written."""

from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.cloud.answers import Unclear
from julia_warmer.cloud.codes import TABLE, Action, Outcome
from julia_warmer.core.model import Media
from julia_warmer.engine.message import body_of, fill, media_in
from julia_warmer.engine.settle import Rules
from julia_warmer.store.attempts import Call
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.sending import opened

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = Rules(attempts_max=3, limited_wait_h=24.0)


def call(**given_fields: Any) -> Call:
    return Call(
        **{
            "attempt_id": "a0",
            "send_id": 1,
            "attempts": 1,
            "portfolio_id": 1,
            "account_id": 1,
            "chip_id": 1,
            "contact_id": 1,
            "phone_number_id": "pn",
            "waba_id": "w",
            "token": b"",
            "phone": "+5511980000000",
            "contact_name": "Ana",
            "kind": "campaign",
            "body": {},
            "parameters": ["{name}", "sábado"],
            "template": "shift_invite",
            "language": "pt_BR",
            **given_fields,
        }
    )


def test_a_template_is_filled_with_the_persons_name():
    template = body_of(call())["template"]
    assert [part["text"] for part in template["components"][0]["parameters"]] == ["Ana", "sábado"]
    named = body_of(call(named_components=[{"type": "BODY", "text": "Olá {{nome}}, {{dia}} há plantões."}]))["template"]
    assert [(part["parameter_name"], part["text"]) for part in named["components"][0]["parameters"]] == [("nome", "Ana"), ("dia", "sábado")]


FILLED = [
    ("{name}", "Ana", "Ana"),
    ("Dr. {name}!", " Ana ", "Dr. Ana!"),
    ("{name|colega}", None, "colega"),
    ("{name|colega}", "Ana", "Ana"),
    ("sem nome", None, "sem nome"),
    ("{nome}", "Ana", "{nome}"),
]


@pytest.mark.parametrize(("value", "name", "filled"), FILLED)
def test_a_name_takes_its_place(value: str, name: str | None, filled: str):
    assert fill(value, name) == filled


def test_a_reply_may_be_a_text_or_a_file():
    assert body_of(call(kind="reply", body={"type": "text", "text": "Sim"}))["text"]["body"] == "Sim"
    image = call(kind="reply", body={"type": "image", "link": "https://example.com/a.jpg", "caption": "A escala"})
    assert body_of(image)["image"] == {"link": "https://example.com/a.jpg", "caption": "A escala"}
    assert (media_in(image), media_in(call())) == (Media.IMAGE, Media.TEXT)


async def test_a_message_that_cannot_be_written_fails_alone(db: Database):
    async with opened(db, sends=2) as line:
        await db.pool.execute("update sends set body = $1 where id = (select min(id) from sends)", {"parameters": ["a\nb"]})
        done = await line.dispatch()
        assert (done.accepted, done.failed) == (1, 1)
        assert await db.pool.fetchval("select rule from alerts") == "unsendable"
        assert await given.slots_open(db.pool) == 1


def test_only_what_was_surely_not_taken_is_retried():
    """The law of the whole file, over the table of codes."""
    retried = {code.number for code in TABLE if code.outcome is Outcome.RETRY}
    assert retried == {-1, 4, 80007, 80008, 130429, 131056, 131057}
    assert all(code.action is Action.RETRY for code in TABLE if code.outcome is Outcome.UNKNOWN)
    assert Unclear(reason="x").http is None
