"""Seals what must not lie open in the database (tokens, bodies, texts): AES-256-GCM, bound to what it is.

Knows nothing of tables. The key comes from `config.data_key`.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12


class SealBroken(Exception):  # noqa: N818 - a fact, as the reader meets it
    """A sealed value cannot be opened: it was made with another key, for another use, or it was changed."""


class Seal:
    """Seals and opens bytes under one key. `use` binds a value to its place, such as `accounts.token`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, plain: bytes, *, use: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plain, use.encode())

    def open(self, sealed: bytes, *, use: str) -> bytes:
        """The plain bytes. Raises SealBroken."""
        if sealed[:1] != VERSION:
            raise SealBroken(f"{use}: made by an unknown version of the seal")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], use.encode())
        except InvalidTag:
            raise SealBroken(f"{use}: cannot be opened with the key of this configuration folder") from None
