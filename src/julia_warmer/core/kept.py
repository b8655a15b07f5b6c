"""What was worked out once is kept: a table that fills itself, for answers that are asked for millions of times by small keys.

Quicker than `lru_cache` (one look into a dict, no key to be built), and as bounded: a full table begins anew. It knows nothing of what it
keeps.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

KEPT_MAX = 1 << 14


class Kept(dict[K, V], Generic[K, V]):
    """`kept[key]` is `make(key)`, made at most once as long as it is kept. `make` must be pure."""

    __slots__ = ("_make", "_most")

    def __init__(self, make: Callable[[K], V], most: int = KEPT_MAX) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, key: K) -> V:
        if len(self) >= self._most:
            self.clear()
        made = self[key] = self._make(key)
        return made
