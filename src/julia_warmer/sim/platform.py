"""Meta's hidden side for many chips at once: ratings of numbers and templates, restrictions, pauses, limits. As `meta`, in arrays.

Time goes in periods, from one moment of decision to the next; feedback is kept by period where `feedback` keeps six hours. It sees
people only through what they did to messages.
"""

from dataclasses import dataclass

import numpy as np

from julia_warmer.sim.constants import Constants, NumberQuality, TemplateQuality
from julia_warmer.sim.crowd import Bools
from julia_warmer.sim.meta import steps_of
from julia_warmer.sim.scatter import Ints
from julia_warmer.sim.streams import Floats

UNRATED, GREEN, YELLOW, RED = range(4)
DAY_H, WEEK_H = 24.0, 168.0
FOREVER = np.inf


@dataclass(frozen=True, slots=True)
class Periods:
    """The moments of decision, in hours. Period `n` ends at moment `n`."""

    ends: Floats

    def weights(self, now: int, half_life_h: float, horizon_d: float) -> list[tuple[int, float]]:
        """The periods that still count at moment `now`, with how much."""
        ages = [(n, self.ends[now] - (self.ends[n] + self.ends[n - 1]) / 2) for n in range(now, 0, -1)]
        return [(n, 0.5 ** (age / half_life_h)) for n, age in ages if age < horizon_d * DAY_H]

    def within(self, now: int, span_h: float, *, older_h: float = 0.0) -> slice:
        """The periods of the span that ended `older_h` before moment `now`."""
        last = int(np.searchsorted(self.ends, self.ends[now] - older_h, side="right"))
        first = int(np.searchsorted(self.ends, self.ends[now] - older_h - span_h, side="right"))
        return slice(first, last)


class Feedback:
    """What was delivered, read and disliked: a row for each thing that is rated, a column for each period.

    Columns ahead of the moment hold what is on its way already; nobody looks at them before.
    """

    def __init__(self, rows: int, periods: Periods) -> None:
        shape = (rows, len(periods.ends))
        self.delivered = np.zeros(shape)
        self.read = np.zeros(shape)
        self.negative = np.zeros(shape)
        self.ever = np.zeros(rows)

    def hear(self, now: int) -> None:
        """The period that ends at moment `now` is over."""
        self.ever += self.delivered[:, now]

    def forget(self, rows: Ints, now: int) -> None:
        """Start anew. What is still to come, of messages that are on their way, counts."""
        for columns in (self.delivered, self.read, self.negative):
            columns[rows, : now + 1] = 0.0
        self.ever[rows] = 0.0

    def disliked(self, now: int, periods: Periods, q: NumberQuality | TemplateQuality) -> Ints:
        """The rating by weighted negative feedback. Added up column by column, so that a row's sum depends on nothing but the row."""
        delivered, negative = np.full(len(self.ever), q.prior_delivered), np.full(len(self.ever), q.prior_negative)
        for n, weight in periods.weights(now, q.half_life_h, q.horizon_d):
            delivered += self.delivered[:, n] * weight
            negative += self.negative[:, n] * weight
        return np.where(self.ever < q.min_delivered, UNRATED, _colour(negative / delivered, q.yellow, q.red)).astype(np.int8)

    def unread(self, now: int, periods: Periods, q: TemplateQuality) -> Ints:
        """The rating by reads of what was delivered long enough ago."""
        span = periods.within(now, q.horizon_d * DAY_H, older_h=q.read_after_h)
        delivered, read = self.delivered[:, span].sum(axis=1), self.read[:, span].sum(axis=1)
        opened = -read / np.maximum(delivered, 1.0)
        return np.where(delivered < q.min_delivered, UNRATED, _colour(opened, -q.read_yellow, -q.read_red)).astype(np.int8)


def _colour(rate: Floats, yellow: float, red: float) -> Ints:
    return GREEN + (rate > yellow) + (rate > red)


class Numbers:
    """The chips: their rating, and the restriction for spam."""

    def __init__(self, chips: int, periods: Periods, c: Constants) -> None:
        self.c, self.periods = c, periods
        self.feedback = Feedback(chips, periods)
        self.reports = np.zeros((chips, len(periods.ends)))
        self.rating = np.zeros(chips, np.int8)
        self.red_since_h = np.full(chips, FOREVER)
        self.spam_until_h = np.zeros(chips)

    def look(self, now: int) -> None:
        """Rate every number, and restrict those that were reported too often."""
        at, spam = self.periods.ends[now], self.c.spam
        self.feedback.hear(now)
        self.rating = self.feedback.disliked(now, self.periods, self.c.quality)
        self.red_since_h = np.where(self.rating == RED, np.minimum(self.red_since_h, at), FOREVER)
        day = self.periods.within(now, DAY_H)
        reports, delivered = self.reports[:, day].sum(axis=1), self.feedback.delivered[:, day].sum(axis=1)
        restricted = (self.reports[:, now] > 0) & (reports >= spam.reports) & (reports >= spam.report_rate * delivered)
        self.spam_until_h[restricted] = at + spam.restriction_h

    def fails_for_spam(self, at_h: float) -> Bools:
        """Whose messages fail with 131048 now."""
        return self.spam_until_h > at_h

    def has_long_been_red(self, at_h: float) -> Bools:
        """Who has been RED for so long that some of its messages fail with 131048."""
        return at_h - self.red_since_h >= self.c.spam.red_after_h


class Templates:
    """Two templates of each account, the good one (row 2 x account) and the bad one (the row after it)."""

    def __init__(self, accounts: int, periods: Periods, c: Constants, *, again_h: float) -> None:
        self.c, self.periods, self._again_h = c, periods, again_h
        self.feedback = Feedback(2 * accounts, periods)
        self.rating = np.zeros(2 * accounts, np.int8)
        self.paused_until_h = np.zeros(2 * accounts)
        self._pauses = np.zeros(2 * accounts, np.int64)
        self._is_paused = np.zeros(2 * accounts, np.bool_)

    def look(self, now: int) -> None:
        """Lift the pauses that are over, rate every template, and pause those that turned RED."""
        at, q = self.periods.ends[now], self.c.template_quality
        self.feedback.hear(now)
        over = np.flatnonzero(self._is_paused & (self.paused_until_h <= at))
        if len(over):
            self.feedback.forget(over, now)
            self._pauses[over[self._pauses[over] >= 3]] = 0  # its successor is a new template
            self._is_paused[over] = False
        self.rating = np.maximum(self.feedback.disliked(now, self.periods, q), self._reads(now))
        red = np.flatnonzero((self.rating == RED) & ~self._is_paused)
        if len(red):
            self._pauses[red] += 1
            hours = np.array([0.0, q.first_pause_h, q.second_pause_h, self._again_h])
            self.paused_until_h[red] = at + hours[np.minimum(self._pauses[red], 3)]
            self._is_paused[red] = True

    def _reads(self, now: int) -> Ints:
        q = self.c.template_quality
        seen = self.feedback.unread(now, self.periods, q)
        return np.where(self.feedback.ever < q.min_delivered, UNRATED, np.maximum(seen, GREEN)).astype(np.int8)

    @property
    def is_paused(self) -> Bools:
        return self._is_paused


class Portfolios:
    """The limits that chips share, and how they grow (platform.md 1.3, 1.4)."""

    def __init__(self, owners: int, limit: int, periods: Periods, c: Constants) -> None:
        self.c, self.periods = c, periods
        self.steps = steps_of(c.limits)
        self.limit = np.full(owners, limit, np.int64)
        self.accepted = np.zeros((owners, len(periods.ends)), np.int64)
        self.reached = np.zeros((owners, len(periods.ends)), np.int64)  # people, each once in 7 days
        self.new = np.zeros((owners, len(periods.ends)), np.int64)  # people, each once in 30 days

    def room(self, now: int) -> Ints:
        """How many people the moving 24 h leave each, at the next moment as now."""
        end = self.periods.ends[min(now + 1, len(self.periods.ends) - 1)]
        first = int(np.searchsorted(self.periods.ends, end - self.c.limits.window_h, side="right"))
        used = self.accepted[:, first : now + 1].sum(axis=1)
        return np.where(self.limit < 0, np.iinfo(np.int64).max, np.maximum(0, self.limit - used))

    def grow(self, now: int, is_high: Bools) -> None:
        """Give those that earned it the next limit. What Meta decides within hours is known at the next moment."""
        limits = self.c.limits
        earned = self.new[:, self.periods.within(now, limits.earn_window_d * DAY_H)].sum(axis=1)
        used = self.reached[:, self.periods.within(now, limits.grow_window_d * DAY_H)].sum(axis=1)
        for owner in np.flatnonzero(is_high):
            step = self.steps.get(int(self.limit[owner]))
            if step is not None and (earned if step.is_first else used)[owner] >= step.people:
                self.limit[owner] = step.to
