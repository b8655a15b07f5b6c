"""When each of a chip's messages is due: spread evenly over the hours in which its people may be written to. Pure; no randomness at all."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LAST_CALL = timedelta(minutes=1)  # nothing is due in the last minute of a person's hours: the claim would find them closed


@dataclass(frozen=True, slots=True)
class Place:
    """The bounds of one message: its person's hours that are left today, and the first moment at which that person is free."""

    opens_at: datetime
    closes_at: datetime
    free_at: datetime | None = None

    @property
    def from_at(self) -> datetime:
        return self.opens_at if self.free_at is None else max(self.opens_at, self.free_at)

    @property
    def until_at(self) -> datetime:
        return max(self.opens_at, self.closes_at - LAST_CALL)


def spread(places: Sequence[Place], *, spacing_s: float) -> list[datetime]:
    """A moment for each place, in the same order: even over each span of hours, then pushed apart.

    Of one span, who comes first in `places` comes first in the day, unless not free yet. Two moments lie `spacing_s` apart, or as far as
    an even share of all hours when that is less. What a late `free_at` leaves too little room for may come closer together at the end.
    """
    if not places:
        return []
    wished = _even(places)
    order = sorted(range(len(places)), key=lambda nth: (wished[nth], nth))
    gap = min(timedelta(seconds=spacing_s), (max(p.until_at for p in places) - min(p.opens_at for p in places)) / len(places))
    moments = list(wished)
    earliest = wished[order[0]]
    for nth in order:
        earliest = max(earliest, wished[nth])
        moments[nth] = _within(places[nth], earliest)
        earliest += gap
    return moments


def _even(places: Sequence[Place]) -> list[datetime]:
    """For each place its even share of its own span, no earlier than its person is free."""
    spans: defaultdict[tuple[datetime, datetime], list[int]] = defaultdict(list)
    for nth, place in enumerate(places):
        spans[place.opens_at, place.until_at].append(nth)
    wished = [place.from_at for place in places]
    for (opens_at, until_at), members in spans.items():
        step = (until_at - opens_at) / len(members)
        members.sort(key=lambda nth: (places[nth].from_at, nth))
        for turn, nth in enumerate(members):
            wished[nth] = max(wished[nth], opens_at + step * (turn + 0.5))
    return wished


def _within(place: Place, moment: datetime) -> datetime:
    """A whole second within the place."""
    moment = min(moment, place.until_at).replace(microsecond=0)
    return max(moment, place.from_at)
