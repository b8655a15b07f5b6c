"""Draws by name for many at once: a number is a function of (key, place), in whatever order and company it is asked for.

`draws` does the same one by one. Here the name is a pair of whole numbers, so that arrays of any length give the same numbers.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
HALF = np.uint64(0xFFFFFFFF)
STEP = 2.0**-32


def two(keys: Keys, places: Keys) -> tuple[Floats, Floats]:
    """Two independent uniform numbers in (0, 1) for each pair: SplitMix64 (Steele, Lea and Flood 2014) in the mode of a counter."""
    mixed = keys + places * GOLDEN
    mixed ^= mixed >> np.uint64(30)
    mixed *= FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= SECOND
    mixed ^= mixed >> np.uint64(31)
    return _unit(mixed & HALF), _unit(mixed >> np.uint64(32))


def _unit(bits: Keys) -> Floats:
    return (bits.astype(np.float64) + 0.5) * STEP


def weibull(u: Floats, shape: float, scale: float) -> Floats:
    """Weibull delays, in the unit of `scale`."""
    return scale * (-np.log1p(-u)) ** (1.0 / shape)
