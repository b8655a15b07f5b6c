"""Requests are written exactly as the platform reads them, and never outside its limits."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from julia_warmer.cloud import encode
from julia_warmer.cloud.encode import Button, Media, MediaKind, Row, Section, WrongMessage

ANA = "+5511987650001"
HEAD = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": ANA}
OURS = "5f0c7c3e-0000-4000-8000-000000000001"
IMAGE = Media(kind=MediaKind.IMAGE, link="https://example.com/a.jpg")
SAY = (Button(id="yes", title="Sim"), Button(id="no", title="Não"))

EXACT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("text", encode.text(ANA, "Olá!"), {**HEAD, "type": "text", "text": {"preview_url": False, "body": "Olá!"}}),
    (
        "text with our id",
        encode.text(ANA, "Olá!", preview_url=True, ours=OURS),
        {**HEAD, "type": "text", "text": {"preview_url": True, "body": "Olá!"}, "biz_opaque_callback_data": OURS},
    ),
    (
        "reply",
        encode.text(ANA, "De nada!", reply_to="wamid.IN1"),
        {**HEAD, "type": "text", "text": {"preview_url": False, "body": "De nada!"}, "context": {"message_id": "wamid.IN1"}},
    ),
    (
        "text to a user id",
        encode.text("BR.90000000000000000001", "Oi"),
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "recipient": "BR.90000000000000000001",
            "type": "text",
            "text": {"preview_url": False, "body": "Oi"},
        },
    ),
    (
        "image by link",
        encode.media(ANA, IMAGE, caption="Mapa"),
        {**HEAD, "type": "image", "image": {"link": "https://example.com/a.jpg", "caption": "Mapa"}},
    ),
    ("audio by id", encode.media(ANA, Media(kind=MediaKind.AUDIO, id="4001")), {**HEAD, "type": "audio", "audio": {"id": "4001"}}),
    (
        "video in answer",
        encode.media(ANA, Media(kind=MediaKind.VIDEO, id="4002"), reply_to="wamid.IN1"),
        {**HEAD, "type": "video", "video": {"id": "4002"}, "context": {"message_id": "wamid.IN1"}},
    ),
    (
        "document",
        encode.media(ANA, Media(kind=MediaKind.DOCUMENT, id="4003", filename="contrato.pdf")),
        {**HEAD, "type": "document", "document": {"id": "4003", "filename": "contrato.pdf"}},
    ),
    ("sticker", encode.media(ANA, Media(kind=MediaKind.STICKER, id="4004")), {**HEAD, "type": "sticker", "sticker": {"id": "4004"}}),
    (
        "reaction",
        encode.reaction(ANA, "wamid.IN1", "👍"),
        {**HEAD, "type": "reaction", "reaction": {"message_id": "wamid.IN1", "emoji": "👍"}},
    ),
    (
        "reaction taken back",
        encode.reaction(ANA, "wamid.IN1", None),
        {**HEAD, "type": "reaction", "reaction": {"message_id": "wamid.IN1", "emoji": ""}},
    ),
    (
        "buttons",
        encode.buttons(ANA, "Pode no sábado?", SAY, header="Plantão", footer="Hospital Teste"),
        {
            **HEAD,
            "type": "interactive",
            "interactive": {
                "type": "button",
                "header": {"type": "text", "text": "Plantão"},
                "body": {"text": "Pode no sábado?"},
                "footer": {"text": "Hospital Teste"},
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "yes", "title": "Sim"}},
                        {"type": "reply", "reply": {"id": "no", "title": "Não"}},
                    ]
                },
            },
        },
    ),
    (
        "list",
        encode.rows(
            ANA, "Qual turno?", "Ver turnos", [Section(title="Sábado", rows=(Row(id="m", title="Manhã", description="7h às 13h"),))]
        ),
        {
            **HEAD,
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": "Qual turno?"},
                "action": {
                    "button": "Ver turnos",
                    "sections": [{"title": "Sábado", "rows": [{"id": "m", "title": "Manhã", "description": "7h às 13h"}]}],
                },
            },
        },
    ),
    (
        "template without variables",
        encode.template(ANA, "ola", "pt_BR"),
        {**HEAD, "type": "template", "template": {"name": "ola", "language": {"code": "pt_BR"}}},
    ),
    (
        "template, positional",
        encode.template(ANA, "convite", "pt_BR", values=["Ana", "sábado"], ours=OURS),
        {
            **HEAD,
            "type": "template",
            "template": {
                "name": "convite",
                "language": {"code": "pt_BR"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "sábado"}]}],
            },
            "biz_opaque_callback_data": OURS,
        },
    ),
    (
        "template, named, with payloads and a link",
        encode.template(
            ANA, "convite", "en", values={"nome": "Ana"}, header={"dia": "sábado"}, payloads=["sim", "STOP"], url_suffixes={2: "v/9"}
        ),
        {
            **HEAD,
            "type": "template",
            "template": {
                "name": "convite",
                "language": {"code": "en"},
                "components": [
                    {"type": "header", "parameters": [{"type": "text", "parameter_name": "dia", "text": "sábado"}]},
                    {"type": "body", "parameters": [{"type": "text", "parameter_name": "nome", "text": "Ana"}]},
                    {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{"type": "payload", "payload": "sim"}]},
                    {"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{"type": "payload", "payload": "STOP"}]},
                    {"type": "button", "sub_type": "url", "index": "2", "parameters": [{"type": "text", "text": "v/9"}]},
                ],
            },
        },
    ),
    (
        "template with a picture",
        encode.template(ANA, "convite", "pt_BR", header=IMAGE),
        {
            **HEAD,
            "type": "template",
            "template": {
                "name": "convite",
                "language": {"code": "pt_BR"},
                "components": [{"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/a.jpg"}}]}],
            },
        },
    ),
    ("read", encode.mark_read("wamid.IN1"), {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN1"}),
    (
        "typing",
        encode.mark_read("wamid.IN1", typing=True),
        {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN1", "typing_indicator": {"type": "text"}},
    ),
    (
        "new template",
        encode.new_template(
            "convite", "pt_BR", "utility", [{"type": "BODY", "text": "Oi"}], ttl_s=43_200, named=True, allow_category_change=True
        ),
        {
            "name": "convite",
            "language": "pt_BR",
            "category": "UTILITY",
            "parameter_format": "NAMED",
            "components": [{"type": "BODY", "text": "Oi"}],
            "message_send_ttl_seconds": 43_200,
            "allow_category_change": True,
        },
    ),
]
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: encode.text("5511987650001", "Oi"), "a recipient is"),
    (lambda: encode.text("+0511987650001", "Oi"), "a recipient is"),
    (lambda: encode.text("", "Oi"), "a recipient is"),
    (lambda: encode.text(ANA, " "), "text is empty"),
    (lambda: encode.text(ANA, "x" * 4097), "text has 4097 characters, at most 4096"),
    (lambda: encode.text(ANA, "x", ours="x" * 513), "our id has 513"),
    (lambda: encode.media(ANA, Media(kind=MediaKind.AUDIO, id="1"), caption="x"), "audio cannot have a caption"),
    (lambda: encode.media(ANA, IMAGE, caption="x" * 1025), "caption has 1025"),
    (lambda: encode.media(ANA, Media(kind=MediaKind.IMAGE)), "needs an id or a link"),
    (lambda: encode.media(ANA, Media(kind=MediaKind.IMAGE, id="1", link="https://e.com")), "needs an id or a link"),
    (lambda: encode.media(ANA, Media(kind=MediaKind.IMAGE, link="file:///etc/passwd")), "begins with https"),
    (lambda: encode.media(ANA, Media(kind=MediaKind.IMAGE, id="1", filename="a")), "only a document"),
    (lambda: encode.buttons(ANA, "x", []), "1 to 3 buttons"),
    (lambda: encode.buttons(ANA, "x", [Button(id=str(n), title=str(n)) for n in range(4)]), "1 to 3 buttons"),
    (lambda: encode.buttons(ANA, "x", [Button(id="a", title="x" * 21)]), "button title has 21"),
    (lambda: encode.buttons(ANA, "x", [Button(id="a", title="x"), Button(id="a", title="y")]), "two button ids are the same"),
    (lambda: encode.buttons(ANA, "x" * 1025, SAY), "body has 1025"),
    (lambda: encode.buttons(ANA, "x", SAY, header="x" * 61), "header has 61"),
    (lambda: encode.buttons(ANA, "x", SAY, header=Media(kind=MediaKind.AUDIO, id="1")), "audio cannot be a header"),
    (lambda: encode.rows(ANA, "x", "y", [Section(title="z", rows=tuple(Row(id=str(n), title="t") for n in range(11)))]), "1 to 10 rows"),
    (lambda: encode.rows(ANA, "x", "y", [Section(title="z", rows=(Row(id="1", title="x" * 25),))]), "row title has 25"),
    (lambda: encode.rows(ANA, "x", "y", []), "1 to 10 sections"),
    (lambda: encode.template(ANA, "Convite", "pt_BR"), "is no template name"),
    (lambda: encode.template(ANA, "convite", "pt-BR"), "is no language"),
    (lambda: encode.template(ANA, "convite", "pt_BR", values=["a\nb"]), "value 1 holds a line break"),
    (lambda: encode.template(ANA, "convite", "pt_BR", values={"nome": ""}), "value nome is empty"),
    (lambda: encode.template(ANA, "convite", "pt_BR", values="Ana"), "not one text"),
    (lambda: encode.template(ANA, "convite", "pt_BR", header={"a": "1", "b": "2"}), "a header has one variable"),
    (lambda: encode.template(ANA, "convite", "pt_BR", payloads=["x"] * 11), "at most 10 buttons"),
    (lambda: encode.template(ANA, "convite", "pt_BR", payloads=["x"], url_suffixes={0: "y"}), "come first"),
    (lambda: encode.new_template("convite", "pt_BR", "service", []), "none of AUTHENTICATION, MARKETING, UTILITY"),
    (lambda: encode.new_template("convite", "pt_BR", "MARKETING", [], ttl_s=3600), "43200 to 2592000 seconds, not 3600"),
]


@pytest.mark.parametrize(("written", "expected"), [row[1:] for row in EXACT], ids=[row[0] for row in EXACT])
def test_a_request_is_written_exactly(written: dict[str, Any], expected: dict[str, Any]) -> None:
    assert orjson.loads(orjson.dumps(written)) == expected


@pytest.mark.parametrize(("write", "message"), REFUSED)
def test_what_the_platform_would_refuse_is_not_written(write: Callable[[], object], message: str) -> None:
    with pytest.raises(WrongMessage, match=message) as caught:
        write()
    assert isinstance(caught.value, ValueError)
