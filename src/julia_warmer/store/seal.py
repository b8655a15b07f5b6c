"""Seals what must not lie open in the database (tokens, bodies, texts): AES-256-GCM, bound to what it is.

Knows nothing of tables. The key comes from `config.data_key`.
"""

import hmac
import secrets
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12
ERASED = "h:"  # begins a keyed hash; no canonical phone key does


class SealBroken(Exception):  # noqa: N818 - a fact, as the reader meets it
    """A sealed value cannot be opened: it was made with another key, for another use, or it was changed."""


class Seal:
    """Seals and opens bytes under one key. `use` binds a value to its place, such as `accounts.token`."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = AESGCM(key)

    @property
    def key(self) -> bytes:
        """The key itself, for a process of ours that seals as well."""
        return self._key

    def of_person(self, secret: UUID) -> "Seal":
        """The seal of one person's fields: it takes this key and the person's secret. Without the secret nothing opens them again."""
        return self.of_secret(secret.bytes)

    def of_secret(self, secret: bytes) -> "Seal":
        """The same, by the secret's sixteen bytes."""
        return Seal(hmac.digest(self._key, b"person" + secret, "sha256"))

    def pseudonym(self, name: str) -> str:
        """The keyed hash that stands for a name of somebody who was erased. Who has not this key can neither make nor check it.

        It must outlive a change of the data key: then this one goes on to be made with the old key.
        """
        return ERASED + hmac.digest(self._key, b"erased" + name.encode("utf-8", "replace"), "sha256").hex()

    def close(self, plain: bytes, *, use: str, nonce: bytes | None = None) -> bytes:
        """The sealed bytes. A `nonce` is random and used once: given by who has drawn many at a time."""
        nonce = nonce or secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plain, use.encode())

    def open(self, sealed: bytes, *, use: str) -> bytes:
        """The plain bytes. Raises SealBroken."""
        if sealed[:1] != VERSION:
            raise SealBroken(f"{use}: made by an unknown version of the seal")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], use.encode())
        except InvalidTag:
            raise SealBroken(f"{use}: cannot be opened with the key of this configuration folder") from None
