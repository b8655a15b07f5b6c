"""Meta's rule of a portfolio's messaging limit: which limits there are, and what earns the next one. It must not know what we may send.

The planner of tiers and the simulator's Meta both take the rule from here, so that there is one reading of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from julia_warmer.core.model import Quality

UNLIMITED = -1
RAISED_WITHIN_H = 6  # of earning it, from 2,000 up
LOW_QUALITY = frozenset({Quality.YELLOW, Quality.RED})  # "high quality" is not defined; we read it as: none of them


@dataclass(frozen=True, slots=True)
class Step:
    """What leads from one limit to the next: so many unique people, delivered to outside service windows, within so many days.

    Over all numbers and templates of the portfolio quality must be high. The first step may be taken without a message: by verifying
    the business.
    """

    limit: int
    to: int  # -1 unlimited
    people: int
    days: int
    is_first: bool = False


def steps(tiers: Sequence[int], *, earn_people: int, earn_d: int, grow_share: float, grow_d: int) -> dict[int, Step]:
    """The step that leads up from each limit but the last. A limit that is not in it (an old one, unlimited) has none."""
    return {
        limit: Step(limit, to, earn_people, earn_d, is_first=True)
        if limit == tiers[0]
        else Step(limit, to, math.ceil(grow_share * limit), grow_d)
        for limit, to in pairwise(tiers)
    }


# Meta, "Messaging limits", read 2026-09-11. That half of the limit "in the last 7 days" means unique people added up is how we read it.
STEPS: Mapping[int, Step] = steps((250, 2000, 10_000, 100_000, UNLIMITED), earn_people=2000, earn_d=30, grow_share=0.5, grow_d=7)
