"""Many chips in lockstep through virtual days: the world happens, is heard, is judged by `core.decide`, and answered with sends.

Every chip of a batch goes through the same moments, four a day; between them everything is arrays. A chip's life depends on its run, its
own people and the sisters that share its portfolio, and on nothing else in the batch.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from julia_warmer.core.decide import decide
from julia_warmer.core.hours import open_span
from julia_warmer.core.policy import Policy
from julia_warmer.sim.cohorts import Grid
from julia_warmer.sim.constants import Constants
from julia_warmer.sim.crowd import HARMS, Bools, Crowd
from julia_warmer.sim.hearing import Hearing
from julia_warmer.sim.memory import Memory
from julia_warmer.sim.platform import GREEN, YELLOW, Numbers, Periods, Portfolios, Templates
from julia_warmer.sim.pools import runs_of
from julia_warmer.sim.reactions import MUTE, NO_HARM, Messages, Outcomes, of, react
from julia_warmer.sim.reviews import Facts, Reviews, Rule, hour_of, moment_of
from julia_warmer.sim.scatter import Ints, scatter
from julia_warmer.sim.scenarios import BEGINS_AT, ZONE, Scenario
from julia_warmer.sim.streams import Floats

DAY_H = 24
MOMENTS_H = (0, 8, 12, 16)  # of each local day
JUDGED_AT_H = 8  # the moment whose budget stands for the day's: what bound it
DAYS_BACK = 30
STRIKE_FROM_H = 10.0  # of the day of a policy strike
RELEASED_AFTER_H = 24.0  # guess: a person lets go on so long after Meta lifted a restriction
STRUCK = "account restricted: RESTRICTED_BIZ_INITIATED_MESSAGING"


@dataclass(frozen=True, slots=True)
class Lives:
    """What became of each chip of a batch under one policy. Rows are chips, columns days or moments."""

    accepted: Ints  # by day
    delivered: Floats  # by period, see `moments_h`
    negative: Floats  # by period: opt-outs, blocks, reports
    rating: Ints  # at each moment
    ready_h: Floats  # when the policy itself first said ready, or infinity
    bound: Counter[str]  # open days of chips by what bound their budget
    decisions: int
    moments_h: Floats
    open_days: tuple[int, ...]


def moments(days: int) -> Floats:
    """The hours of decision: from the registration on, and the midnight that ends the last day."""
    hours = [day * DAY_H + clock for day in range(days) for clock in MOMENTS_H]
    return np.array([hour for hour in hours if hour >= hour_of(BEGINS_AT)] + [days * DAY_H], np.float64)


class Fleet:
    """All chips of a batch under one policy."""

    def __init__(
        self, scenario: Scenario, crowd: Crowd, c: Constants, policy: Policy, *, chips: int, days: int, rule: Rule = decide
    ) -> None:
        """`chips` of each run; the crowd holds the people of several runs, run by run."""
        self.scenario, self.crowd, self.c, self.policy, self.days = scenario, crowd, c, policy, days
        self.periods = Periods(moments(days))
        count, desk = crowd.chips, scenario.desk
        rows, per_run = np.arange(count), -(-chips // scenario.chips_per_portfolio)
        self.owner = rows // chips * per_run + rows % chips // scenario.chips_per_portfolio
        owners, periods, hours = count // chips * per_run, self.periods, policy.hours
        grid = Grid(days, int(min(hours.open_h, hours.saturday_open_h)), int(np.ceil(max(hours.close_h, hours.saturday_close_h))))
        silent_h = scenario.silent_from_d * DAY_H + STRIKE_FROM_H
        silent = (silent_h, silent_h + scenario.silent_h) if scenario.silent_from_d >= 0 else None
        self.hearing = Hearing(count, crowd.people, grid, periods, silent=silent)
        self.numbers = Numbers(count, periods, c)
        self.templates = Templates(owners, periods, c, again_h=desk.template_again_h)
        self.portfolios = Portfolios(owners, scenario.limit, periods, c)
        self.reviews = Reviews(policy, count, len(periods.ends), rule)
        self.memory = Memory(crowd, c, moments_a_day=len(MOMENTS_H))
        self.is_bad, self.is_withdrawn = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self.negative = np.zeros((count, len(periods.ends)))
        self.heard_at = np.zeros(owners, np.int64)  # the moment of each account's last webhook
        self.accepted, self.reachable = np.zeros((count, days), np.int64), np.zeros((count, days), np.int64)
        self.cut = np.zeros(count, np.int64)  # today's messages for which the portfolio had no room
        self.idle = np.zeros(count, np.int64)
        self.ready_h = np.full(count, np.inf)
        self.rating = np.zeros((count, len(periods.ends)), np.int8)
        self.bound: Counter[str] = Counter()
        self.spans = [self._span(day) for day in range(days)]

    def live(self, first: int = 0, *, is_enough: Callable[[], bool] | None = None) -> Lives:
        """All days, from the registration on, or from a later moment on (see `onward`); fewer when it is enough before."""
        ends = self.periods.ends
        for now in range(first, len(ends) - 1):
            if is_enough is not None and is_enough():
                break
            hour = int(ends[now])
            if hour % DAY_H == 0:
                self._begin_day(hour // DAY_H)
            self._meet(now)
            self.memory.wake(now)
            self._attend(hour)
            self._judge(now, hour)
            self._send(now, hour)
        self._meet(len(ends) - 1)
        open_days = tuple(day for day, span in enumerate(self.spans) if span)
        return Lives(
            self.accepted,
            self.numbers.feedback.delivered,
            self.negative,
            self.rating,
            self.ready_h,
            self.bound,
            self.reviews.decisions,
            ends,
            open_days,
        )

    def _span(self, day: int) -> tuple[float, float] | None:
        """The hours of a local day in which people may be written to. People live in the chips' zone here."""
        date = BEGINS_AT.date() + timedelta(days=day)
        span = open_span(self.policy.hours, date, ZONE, self.scenario.closed)
        if span is None:
            return None
        first = moment_of(0)
        return (span.opens_at - first).total_seconds() / 3600, (span.closes_at - first).total_seconds() / 3600

    # --- what happened ---------------------------------------------------------------------------------------------------

    def _begin_day(self, day: int) -> None:
        yesterday = day - 1
        reached = self.accepted[:, yesterday]
        self.reachable[:, yesterday] = reached + np.where(self.reviews.is_paused, 0, self.cut)
        there_were = self.reachable[:, yesterday] > 0
        self.idle = np.where(there_were, np.where(reached > 0, 0, self.idle + 1), self.idle)
        self.cut[:] = 0

    def _meet(self, now: int) -> None:
        """The period that ends at moment `now` has happened: to Meta, and to us."""
        self.numbers.look(now)
        self.templates.look(now)
        self.rating[:, now] = self.numbers.rating
        self.portfolios.grow(now, self._is_high_quality())
        self.hearing.hear(now)
        heard = np.bincount(self.owner, self.hearing.webhooks[:, now], minlength=len(self.heard_at)) > 0
        self.heard_at[heard] = now

    def _is_high_quality(self) -> Bools:
        """None of a portfolio's numbers and templates is YELLOW or RED."""
        poor = np.bincount(self.owner, self.numbers.rating >= YELLOW, minlength=len(self.heard_at)) > 0
        return ~poor & ~(self.templates.rating.reshape(-1, 2) >= YELLOW).any(axis=1)

    # --- the person at the desk --------------------------------------------------------------------------------------------

    def _attend(self, hour: int) -> None:
        """What people do on an open day: a hasty colleague brings the bad template, another finds it, and pauses that waited are ended."""
        desk, day = self.scenario.desk, hour // DAY_H
        if not self.spans[day] or hour % DAY_H not in desk.looks_at_h:
            return
        if day >= self.scenario.bad_from_d:
            self.is_bad |= self.crowd.hurried & ~self.is_withdrawn
        found = self.is_bad & (self.reviews.is_paused | self.templates.is_paused[2 * self.owner + 1])
        self.is_bad[found], self.is_withdrawn[found] = False, True
        paused = np.flatnonzero(self.reviews.is_paused & ~self.numbers.fails_for_spam(hour))
        if not len(paused):
            return
        chips, since = self.reviews.waiting_since(paused)
        wait_h = np.where(self.crowd.hurried[chips], desk.bad_template_after_h, desk.resume_after_h)
        best, _ = self._last_week(day)
        self.reviews.resume(hour, chips[hour - since >= wait_h], rating=self.numbers.rating, best_day=best, today=self.accepted[:, day])

    # --- decisions ---------------------------------------------------------------------------------------------------------

    def _judge(self, now: int, hour: int) -> None:
        """One decision for every chip."""
        reviews, day = self.reviews, hour // DAY_H
        reviews.look(now, hour, self._facts(now, hour))
        self.budget = reviews.share_out(self.owner, self.portfolios.limit)
        for chip in np.flatnonzero(np.isinf(self.ready_h) & reviews.is_ready):
            self.ready_h[chip] = hour
        if hour % DAY_H == JUDGED_AT_H and self.spans[day]:
            self.bound.update(reviews.bindings)

    def _facts(self, now: int, hour: int) -> Facts:
        reviews, hearing, day, evidence = self.reviews, self.hearing, hour // DAY_H, self.policy.evidence
        windows = hearing.cohorts.count(
            hour,
            armed=reviews.armed,
            phase=reviews.phase,
            mature_h=evidence.mature_h,
            fresh_h=evidence.fresh_h,
            recent=evidence.recent_sends,
        )
        best, last = self._last_week(day)
        first = np.clip(-(-reviews.phase // DAY_H), max(0, day - DAYS_BACK), day)
        in_phase = np.arange(self.days) >= first[:, None]
        in_phase[:, day:] = False
        template = 2 * self.owner + self.is_bad
        is_paused = self.templates.is_paused[template]
        heard = [moment_of(float(self.periods.ends[n])) for n in self.heard_at]
        return Facts(
            windows=windows,
            rating=self.numbers.rating,
            heard=[heard[owner] for owner in self.owner.tolist()],
            stops=(STRUCK,) if self._is_struck(hour, held=True) else (),
            sending_days=(in_phase & (self.accepted > 0)).sum(axis=1),
            reachable=np.where(in_phase, self.reachable, 0).sum(axis=1),
            accepted=np.where(in_phase, self.accepted, 0).sum(axis=1),
            best_day=best,
            last_day=last,
            idle_days=self.idle,
            today=self.accepted[:, day],
            received_30d=hearing.received_30d(now),
            conversations_7d=hearing.talks_7d(now),
            media_7d=hearing.media_7d(now),
            green=((self.templates.rating[template] == GREEN) & ~is_paused).astype(np.int64),
            paused=is_paused.astype(np.int64),
            spam_7d=hearing.spam_7d(now),
            spam_rearmed=hearing.spam_7d(now, since=reviews.armed),
            warnings=self._warnings(hour),
            eligible=np.where(is_paused, 0, self._eligible(now, hour)),
        )

    def _eligible(self, now: int, hour: int) -> Ints:
        """By chip, the people who may be written to today."""
        return self.memory.eligible(now, now + len(MOMENTS_H) - MOMENTS_H.index(hour % DAY_H))

    def _last_week(self, day: int) -> tuple[Ints, Ints]:
        """The best of the seven finished days, and the newest of them on which anything was sent."""
        week = self.accepted[:, max(0, day - 7) : day]
        if not week.shape[1]:
            return np.zeros(len(week), np.int64), np.zeros(len(week), np.int64)
        newest = week.shape[1] - 1 - np.argmax(week[:, ::-1] > 0, axis=1)
        return week.max(axis=1), week[np.arange(len(week)), newest]

    def _is_struck(self, hour: float, *, held: bool = False) -> bool:
        """Whether Meta restricts the accounts; `held`: or a person has not let go on yet."""
        since = hour - (self.scenario.strike_on_d * DAY_H + STRIKE_FROM_H)
        return self.scenario.strike_on_d >= 0 and 0 <= since < self.scenario.strike_h + (RELEASED_AFTER_H if held else 0)

    def _warnings(self, hour: float) -> int:
        since = hour - (self.scenario.strike_on_d * DAY_H + STRIKE_FROM_H)
        return int(self.scenario.strike_on_d >= 0 and 0 <= since < 7 * DAY_H)

    # --- sends -------------------------------------------------------------------------------------------------------------

    def _send(self, now: int, hour: int) -> None:
        """What today's budgets leave, spread evenly over the open hours that are left; of that, the part until the next moment."""
        day, until = hour // DAY_H, float(self.periods.ends[now + 1])
        span = self.spans[day]
        if span is None or hour >= span[1] or until <= span[0] or self._is_struck(hour, held=True):
            return
        begins, ends = max(float(hour), span[0]), span[1]
        left = np.minimum(np.maximum(self.budget - self.accepted[:, day], 0), self._eligible(now, hour))
        left[self.templates.is_paused[2 * self.owner + self.is_bad]] = 0
        wanted = np.ceil(left * ((min(until, ends) - begins) / (ends - begins)) - 0.5).astype(np.int64)
        restricted = self.numbers.fails_for_spam(hour)
        wanted = np.where(restricted, np.minimum(wanted, 1), wanted)  # the first failure stops the chip before the next message
        wanted = self._fit(now, np.minimum(wanted, self.memory.pools.eligible))
        chip, person = self.memory.pools.take(wanted)
        if not len(chip):
            return
        _, within = runs_of(np.bincount(chip, minlength=len(wanted)))
        at = begins + (within + 0.5) / left[chip] * (ends - begins)
        messages, new = self.memory.address(chip, person, at, spam=restricted[chip], bad=self.is_bad[chip])
        outcomes = react(messages, self.crowd, self.c, ttl_h=self.policy.budget.slot_ttl_h)
        self.accepted[:, day] += wanted
        self.portfolios.accepted[:, now + 1] += np.bincount(self.owner, wanted, minlength=len(self.heard_at)).astype(np.int64)
        self.memory.remember(now, messages, outcomes)
        self.hearing.note(messages, outcomes, of(self.crowd.receipts, messages.place))
        self._tell_meta(messages, outcomes, new)

    def _fit(self, now: int, wanted: Ints) -> Ints:
        """Where a portfolio has no room for all, each chip sends its part; what is cut counts as reachable and not used."""
        asked = np.bincount(self.owner, wanted, minlength=len(self.heard_at))
        room = self.portfolios.room(now)
        if (asked <= room).all():
            return wanted
        share = np.minimum(1.0, room / np.maximum(asked, 1))
        fits = np.floor(wanted * share[self.owner]).astype(np.int64)
        self.cut += wanted - fits
        return fits

    def _tell_meta(self, m: Messages, out: Outcomes, new: Bools) -> None:
        """What Meta sees: deliveries, reads, and what people hold against the number and its template."""
        q, numbers, last = self.c.quality, self.numbers, len(self.periods.ends) - 1
        there = np.flatnonzero(np.isfinite(out.delivered))
        chip, period = m.chip[there], np.minimum(np.searchsorted(self.periods.ends, out.delivered[there]), last)
        template = 2 * self.owner[chip] + m.bad[there]
        scatter(numbers.feedback.delivered, chip, period)
        scatter(self.templates.feedback.delivered, template, period)
        opened = np.isfinite(out.read[there]) & of(self.crowd.receipts, m.place[there])
        scatter(self.templates.feedback.read, template[opened], period[opened])
        scatter(self.portfolios.reached, self.owner[chip], period)
        scatter(self.portfolios.new, self.owner[chip], period, new[there])
        sore = np.flatnonzero(out.harm != NO_HARM)
        chip, harm = m.chip[sore], out.harm[sore]
        period = np.minimum(np.searchsorted(self.periods.ends, out.harmed[sore]), last)
        scatter(self.negative, chip, period, harm != MUTE)
        weight = np.array([q.weight_block, q.weight_report, q.weight_mute, 0.0, 0.0, 0.0])[harm]
        scatter(numbers.feedback.negative, chip, period, weight)
        scatter(self.templates.feedback.negative, 2 * self.owner[chip] + m.bad[sore], period, weight)
        scatter(numbers.reports, chip, period, harm == HARMS.index("report"))
