"""Only the exact bytes, signed under one of our secrets, are taken."""

import hashlib
import hmac
import json

import pytest

from julia_warmer.cloud.signature import is_signed

# A vector of our own, recomputed below from first principles.
SECRET = "a-test-app-secret"
BODY = '{"object":"whatsapp_business_account","entry":[{"id":"2","text":"ol\\u00e1 á"}]}'.encode()
HEADER = "sha256=f19655127fbfe8b2d8861b574e6d7496393cd34908beddd05910a4b5f5c2a237"


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def by_hand(body: bytes, secret: str) -> str:
    """HMAC as RFC 2104 writes it, without the library that we use."""
    key = secret.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + body).digest()
    return "sha256=" + hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


def test_the_vector_is_what_the_standard_says() -> None:
    assert by_hand(BODY, SECRET) == sign(BODY) == HEADER
    assert is_signed(BODY, HEADER, [SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        HEADER.removeprefix("sha256="),
        HEADER.upper(),
        "SHA256=" + HEADER.removeprefix("sha256="),
        HEADER + "0",
        HEADER[:-1],
        " " + HEADER,
        HEADER + "\n",
        "sha256=é",
        "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        sign(BODY, "another secret"),
        sign(BODY + b" "),
    ],
)
def test_any_other_header_is_refused(header: str | None) -> None:
    assert not is_signed(BODY, header, [SECRET])


def test_a_body_that_was_written_again_is_refused() -> None:
    again = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":")).encode()
    assert json.loads(again) == json.loads(BODY)
    assert not is_signed(again, HEADER, [SECRET])
    assert not is_signed(BODY + b"\n", HEADER, [SECRET])


def test_while_a_secret_is_rotated_both_are_taken() -> None:
    for secrets in (["new", SECRET], [SECRET, "new"]):
        assert is_signed(BODY, HEADER, secrets)
        assert is_signed(BODY, sign(BODY, "new"), secrets)
    assert not is_signed(BODY, HEADER, ["new"])


def test_no_secret_refuses_all() -> None:
    assert not is_signed(BODY, HEADER, [])
    assert not is_signed(BODY, sign(BODY, ""), [""])
