"""Verifies that a webhook comes from Meta: HMAC-SHA256 of the raw bytes under an app secret. Pure; it must not parse the body.

Meta's page on webhook endpoints, 2026-04-21. Meta escapes some characters, so a body that was parsed and written again never matches.
"""

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "X-Hub-Signature-256"
_PREFIX = "sha256="


def is_signed(body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether `header` signs exactly these bytes under one of the secrets (two while one is rotated). No secret refuses all.

    Every secret is tried, whichever matches, and compared in constant time. It never says which signature was expected.
    """
    given = _given(header)
    found = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        found |= bool(secret) and hmac.compare_digest(expected, given)
    return found


def _given(header: str | None) -> bytes:
    if header is None or not header.startswith(_PREFIX):
        return b""
    return header.removeprefix(_PREFIX).encode("utf-8", "replace")
