"""Draws by name: the same seed and the same name give the same number, in whatever order they are asked for."""

from hashlib import blake2b
from math import log
from struct import Struct

_EIGHT = Struct("<8Q")
_STEP = 2.0**-53


class Draws:
    """Numbers that are hashes of (seed, name). A name says what, who and the how-manieth, such as `out|chip|phone|3`.

    Because nothing is taken from a stream, one more message, or another order of requests, shifts no other draw.
    """

    __slots__ = ("_key",)

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode()[:64]

    def raw(self, name: str) -> bytes:
        """64 bytes."""
        return blake2b(name.encode(), digest_size=64, key=self._key).digest()

    def eight(self, name: str) -> tuple[float, float, float, float, float, float, float, float]:
        """Eight uniform numbers in [0, 1)."""
        a, b, c, d, e, f, g, h = _EIGHT.unpack(self.raw(name))
        return (
            (a >> 11) * _STEP,
            (b >> 11) * _STEP,
            (c >> 11) * _STEP,
            (d >> 11) * _STEP,
            (e >> 11) * _STEP,
            (f >> 11) * _STEP,
            (g >> 11) * _STEP,
            (h >> 11) * _STEP,
        )

    def one(self, name: str) -> float:
        """One uniform number in [0, 1)."""
        return (self.whole(name) >> 11) * _STEP

    def whole(self, name: str) -> int:
        """A whole number in [0, 2**64)."""
        return int.from_bytes(blake2b(name.encode(), digest_size=8, key=self._key).digest(), "little")


def between(u: float, low: float, high: float) -> float:
    """A uniform number between two others."""
    return low + u * (high - low)


def weibull(u: float, shape: float, scale: float) -> float:
    """A Weibull delay, in the unit of `scale`."""
    return scale * (-log(1.0 - u)) ** (1.0 / shape)
