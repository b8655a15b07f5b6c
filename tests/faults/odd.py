"""Odd JSON and broken bytes, made out of the samples of webhooks that the tests have. It must not know what is to come of them."""

import json
from pathlib import Path
from random import Random
from typing import Any

SHAPES = tuple(path.read_bytes() for path in sorted((Path(__file__).parents[1] / "fixtures" / "webhooks").glob("*.json")))
DOCUMENTS = tuple(json.loads(shape) for shape in SHAPES)
WORDS = (
    "entry",
    "changes",
    "value",
    "field",
    "messages",
    "statuses",
    "contacts",
    "metadata",
    "id",
    "errors",
    "text",
    "",
    "\u0000",
    "a\ud800b",
)
DEPTHS = (10, 200, 1_000, 20_000)
NUMBERS = (0, -1, 2**31, 2**63, 10**40, -(10**40), 1e308, 5e-324, 0.1, float("nan"), float("inf"))
TEXTS = (
    "",
    " ",
    "null",
    "\u0000",
    "\ud800",
    "\u202e",
    "💊" * 50,
    "a" * 5000,
    "1e400",
    "-0",
    "0x10",
    "2026-13-40T99:99",
    "'; drop table x; --",
    "%s{}$1",
)
RAW = (
    b"",
    b" ",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"0",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"{",
    b'{"entry":',
    b'{"a":1,"a":2}',
    b"NaN",
    b"[" * 20_000,
)


ODD_BYTES = (
    b"\x00",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"1e999",
    b"-",
    b"[[[[",
    b"}}}}",
    b'"',
    b"\\",
    b"null",
    b"999999999999999999999",
    b"\xf0\x9f",
)


def nested(depth: int) -> bytes:
    return b'{"object":"whatsapp_business_account","entry":' + b"[" * depth + b"]" * depth + b"}"


def spoil(random: Random, document: Any) -> Any:
    """The same document with one place replaced, removed, doubled or renamed."""
    if not isinstance(document, dict | list) or not document or random.random() < 0.12:
        return _anything(random, 3)
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = random.choice(keys)
    kind = random.random()
    if kind < 0.75:
        document[key] = spoil(random, document[key])
    elif kind < 0.85:
        del document[key]
    elif isinstance(document, list):
        document.insert(key, document[key])
    else:
        document[random.choice(WORDS)] = document[key]
    return document


def _anything(random: Random, depth: int) -> Any:
    kind = random.randrange(8 if depth else 6)
    match kind:
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2 | 3:
            return random.choice(NUMBERS)
        case 4 | 5:
            return random.choice(TEXTS)
        case 6:
            return [_anything(random, depth - 1) for _ in range(random.randrange(4))]
        case _:
            return {random.choice(WORDS): _anything(random, depth - 1) for _ in range(random.randrange(4))}


def dump(document: Any) -> bytes:
    """NaN and lone surrogates as they come: not every sender's JSON is JSON."""
    return json.dumps(document, ensure_ascii=True).encode()


def broken(random: Random) -> bytes:
    """A shape's bytes with one to four wounds: what a fuzzer makes without knowing what they mean."""
    data = bytearray(random.choice(SHAPES))
    for _ in range(random.randint(1, 4)):
        at, length = random.randrange(len(data) + 1), random.choice((1, 2, 8, 40))
        match random.randrange(7):
            case 0:
                data[at : at + 1] = bytes((random.randrange(256),))
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                other = random.choice(SHAPES)
                cut = random.randrange(len(other))
                data[at:at] = other[cut : cut + random.choice((8, 80, 800))]
            case 4:
                data[at:at] = random.choice(ODD_BYTES)
            case 5:
                data = data[: max(1, at)]
            case _:
                data[at:at] = random.randbytes(length)
    return bytes(data)


def deep(depth: int) -> bytes:
    """A change whose value is nested that deep, in objects and arrays in turn."""
    return _delivery(b'{"a":[' * (depth // 2) + b"1" + b"]}" * (depth // 2))


def _delivery(value: bytes) -> bytes:
    return b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":' + value + b"}]}]}"


def large(size: int) -> bytes:
    """A delivery of just that many bytes, most of them one text."""
    empty = _delivery(b'{"text":""}')
    return _delivery(b'{"text":"' + b"a" * (size - len(empty)) + b'"}')
