"""Seals what must not lie open in the database (tokens, bodies, texts): AES-256-GCM, bound to what it is.

Knows nothing of tables. The keys come from `config.data_keys`.
"""

import hmac
import secrets
from contextlib import suppress
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12
CHECK_CHARS = 32
ERASED = "h:"  # begins a keyed hash; no canonical phone key does


class SealBroken(Exception):  # noqa: N818 - a fact, as the reader meets it
    """A sealed value cannot be opened: it was made with another key, for another use, or it was changed."""


class Seal:
    """Seals and opens bytes. `use` binds a value to its place, such as `accounts.token`."""

    def __init__(self, key: bytes, *older: bytes) -> None:
        """`older`: the keys before it, the newest first. They open what they sealed, and the oldest goes on making the keyed hashes."""
        self._keys = (key, *older)
        self._ciphers = tuple(AESGCM(one) for one in self._keys)

    @property
    def key(self) -> bytes:
        """The key that seals, for a process of ours that seals as well."""
        return self._keys[0]

    def of_person(self, secret: UUID) -> "Seal":
        """The seal of one person's fields: it takes these keys and the person's secret. Without the secret nothing opens them again."""
        return self.of_secret(secret.bytes)

    def of_secret(self, secret: bytes) -> "Seal":
        """The same, by the secret's sixteen bytes."""
        return Seal(*(hmac.digest(one, b"person" + secret, "sha256") for one in self._keys))

    def pseudonym(self, name: str) -> str:
        """The keyed hash that stands for a name of somebody who was erased. Who has not this key can neither make nor check it.

        A rotation does not change it: it is made with the oldest key, for nobody could make the old hashes anew.
        """
        return ERASED + hmac.digest(self._keys[-1], b"erased" + name.encode("utf-8", "replace"), "sha256").hex()

    @property
    def hash_check(self) -> str:
        """Tells whether two seals make the same keyed hashes, and nothing else about the key."""
        return hmac.digest(self._keys[-1], b"check of the hashes", "sha256").hex()[:CHECK_CHARS]

    def close(self, plain: bytes, *, use: str, nonce: bytes | None = None) -> bytes:
        """The sealed bytes. A `nonce` is random and used once: given by who has drawn many at a time."""
        nonce = nonce or secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + self._ciphers[0].encrypt(nonce, plain, use.encode())

    def open(self, sealed: bytes, *, use: str) -> bytes:
        """The plain bytes. Raises SealBroken."""
        if sealed[:1] != VERSION:
            raise SealBroken(f"{use}: made by an unknown version of the seal")
        nonce, body, place = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], use.encode()
        for cipher in self._ciphers:
            with suppress(InvalidTag):
                return cipher.decrypt(nonce, body, place)
        raise SealBroken(f"{use}: cannot be opened with the keys of this configuration folder")
