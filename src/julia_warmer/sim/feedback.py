"""Moving sums: feedback over recent days, and unique people over a moving span. They count and judge nothing."""

from julia_warmer.sim.constants import NumberQuality, TemplateQuality

BUCKET_S = 6 * 3600.0


class Feedback:
    """What was delivered, read and disliked, in buckets of six hours that weigh less the older they are.

    A bucket belongs to the time of delivery for `delivered` and `read`, and to the time of the complaint for `negative`.
    """

    __slots__ = ("_newest", "_rows", "_since", "_weights", "delivered_ever")

    def __init__(self, *, horizon_d: float, half_life_h: float) -> None:
        size = int(horizon_d * 86400 / BUCKET_S)
        self._weights = [0.5 ** ((age + 0.5) * BUCKET_S / 3600 / half_life_h) for age in range(size)]
        self._rows: dict[int, list[float]] = {}  # bucket number -> delivered, read, negative
        self._newest = 0
        self._since = 0
        self.delivered_ever = 0

    def add(self, t: float, *, delivered: int = 0, read: int = 0, negative: float = 0.0) -> bool:
        """Add to the bucket of `t`. True when it opened a new bucket: time to look again."""
        bucket = int(t // BUCKET_S)
        row = self._rows.get(bucket)
        self.delivered_ever += delivered
        if row is None:
            self._open(bucket, [delivered, read, negative])
            return True
        row[0] += delivered
        row[1] += read
        row[2] += negative
        return False

    def forget(self, t: float) -> None:
        """Start anew at `t`: reads of what was delivered before no longer count."""
        self._rows.clear()
        self._since = int(t // BUCKET_S)
        self.delivered_ever = 0

    def weighted(self, t: float) -> tuple[float, float]:
        """Delivered and negative, weighted by recency."""
        now = int(t // BUCKET_S)
        delivered = negative = 0.0
        for bucket, row in self._rows.items():
            age = now - bucket
            if 0 <= age < len(self._weights):
                weight = self._weights[age]
                delivered += row[0] * weight
                negative += row[2] * weight
        return delivered, negative

    def plain(self, t: float, span_s: float, *, older_than_s: float = 0.0) -> tuple[float, float, float]:
        """Delivered, read and negative of the buckets that began in the span that ended `older_than_s` before `t`."""
        last = int((t - older_than_s) // BUCKET_S) - (1 if older_than_s else 0)
        first = int((t - older_than_s - span_s) // BUCKET_S)
        rows = [row for bucket, row in self._rows.items() if first <= bucket <= last]
        return sum(r[0] for r in rows), sum(r[1] for r in rows), sum(r[2] for r in rows)

    def _open(self, bucket: int, row: list[float]) -> None:
        if bucket < self._since:
            return  # a late read of what was forgotten
        self._rows[bucket] = row
        self._newest = max(self._newest, bucket)
        oldest = self._newest - len(self._weights)
        for old in [b for b in self._rows if b < oldest]:
            del self._rows[old]


class UniquePeople:
    """Who was reached in the span before now, each counted once, at the latest time."""

    __slots__ = ("_last", "_span_s")

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._last: dict[int, float] = {}  # person -> when; in order of time, because a touch moves to the end

    def touch(self, person: int, t: float) -> None:
        """`person` was reached at `t`, which is never before the touches that came earlier."""
        self._last.pop(person, None)
        self._last[person] = t

    def count(self, t: float) -> int:
        """How many people the span that ends at `t` holds."""
        self._expire(t)
        return len(self._last)

    def holds(self, person: int, t: float) -> bool:
        """Whether `person` is among them."""
        return self._last.get(person, -1e18) > t - self._span_s

    def _expire(self, t: float) -> None:
        horizon = t - self._span_s
        last = self._last
        while last:
            person = next(iter(last))
            if last[person] > horizon:
                return
            del last[person]


def rating_of_number(feedback: Feedback, t: float, q: NumberQuality) -> str:
    """A number's quality rating (platform.md 2.1)."""
    if feedback.delivered_ever < q.min_delivered:
        return "UNKNOWN"
    delivered, negative = feedback.weighted(t)
    return _colour((negative + q.prior_negative) / (delivered + q.prior_delivered), q.yellow, q.red)


def rating_of_template(feedback: Feedback, t: float, q: TemplateQuality) -> str:
    """A template's quality score: negative feedback, and low reads (platform.md 2.5). The worse of the two."""
    if feedback.delivered_ever < q.min_delivered:
        return "UNKNOWN"
    delivered, negative = feedback.weighted(t)
    liked = _colour((negative + q.prior_negative) / (delivered + q.prior_delivered), q.yellow, q.red)
    old, read, _ = feedback.plain(t, q.horizon_d * 86400, older_than_s=q.read_after_h * 3600)
    opened = "GREEN" if old < q.min_delivered else _colour(-read / old, -q.read_yellow, -q.read_red)
    return max(liked, opened, key=("GREEN", "YELLOW", "RED").index)


def _colour(rate: float, yellow: float, red: float) -> str:
    return "RED" if rate > red else "YELLOW" if rate > yellow else "GREEN"
