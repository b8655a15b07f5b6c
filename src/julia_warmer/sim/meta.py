"""How Meta reacts: what it refuses, what it fails, what it holds, and what it concludes from feedback (platform.md 1, 2, 3, 5).

It sees people only through what they do to messages. Where Meta's rule is not published, `world.toml` marks the number a guess and
`docs/decisions/0004-world-and-sandbox.md` says what was chosen.
"""

from collections import deque
from collections.abc import Callable

from julia_warmer.core.events import AccountChanged, LimitChanged, TemplateQualityChanged, TemplateStatusChanged
from julia_warmer.core.limits import LOW_QUALITY, Step, steps
from julia_warmer.sim.constants import Constants, Limits
from julia_warmer.sim.draws import Draws, between
from julia_warmer.sim.feedback import rating_of_number, rating_of_template
from julia_warmer.sim.people import remembered
from julia_warmer.sim.state import DAY, HOUR, Account, Chip, Flight, Message, Pair, Person, Portfolio, Refused, Template
from julia_warmer.sim.timeline import Happening, Timeline, moment

TIER_NAMES = {250: "TIER_250", 2000: "TIER_2K", 10000: "TIER_10K", 100000: "TIER_100K", -1: "TIER_UNLIMITED"}
LOOK_AGAIN_S = HOUR  # a number's rating is looked at anew at least this often while it sends


class Meta:
    """The platform's rules over the world's state. `launch` and `fail` say what becomes of a message that was held."""

    __slots__ = ("_fail", "_launch", "c", "draws", "line", "steps")

    def __init__(
        self,
        c: Constants,
        draws: Draws,
        line: Timeline,
        launch: Callable[[Flight, float], None],
        fail: Callable[[Flight, float, int], None],
    ) -> None:
        self.c = c
        self.steps = steps_of(c.limits)
        self.draws = draws
        self.line = line
        self._launch = launch
        self._fail = fail

    # --- before a message is taken -------------------------------------------------------------------------------------------

    def refusal(self, chip: Chip, message: Message, template: Template | None, t: float) -> Refused | None:
        """Why the message is refused for its sender's or its template's sake, or None."""
        account = chip.account
        if not chip.registered:
            return Refused(133010, 400, "The account does not exist: the phone number is not registered on the platform.")
        if account.locked or chip.status != "CONNECTED":
            return Refused(131031, 403, "The account has been restricted or disabled for violating a platform policy.")
        if message.to == chip.display_phone:
            return Refused(131021, 400, "Sender and recipient phone number is the same.")
        if message.kind == "template" and (refused := self._refusal_of_template(account, message, template, t)):
            return refused
        return self._too_fast(chip, t)

    def _refusal_of_template(self, account: Account, message: Message, template: Template | None, t: float) -> Refused | None:
        if template is None or template.status in {"PENDING", "REJECTED", "DELETED"}:
            return Refused(132001, 404, "The template does not exist in the specified language or the template has not been approved.")
        if template.status == "PAUSED":
            return Refused(132015, 400, "Template is paused due to low quality so it cannot be sent in a template message.")
        if template.status == "DISABLED":
            return Refused(132016, 400, "Template has been paused too many times due to low quality and is now permanently disabled.")
        if message.parameters is not None and message.parameters != template.parameters:
            details = f"body: number of localizable_params ({message.parameters}) does not match the expected number of params"
            return Refused(132000, 400, f"{details} ({template.parameters})")
        if t < account.portfolio.review_until:
            return Refused(self.c.pacing.review_code, 403, "The business portfolio is under review and cannot send template messages.")
        return None

    def refusal_outside(self, chip: Chip, message: Message, t: float) -> Refused | None:
        """Why the message is refused because no service window is open, or None (platform.md 4.1)."""
        if message.kind != "template":
            return Refused(131047, 400, "More than 24 hours have passed since the recipient last replied to the sender number.")
        if t < chip.account.restricted_until:
            return Refused(368, 403, "The account is restricted from sending business-initiated messages.")
        return None

    def refusal_of_pair(self, pair: Pair, t: float) -> Refused | None:
        """One message per six seconds, or a burst that is paid back before the next one (platform.md 3)."""
        limit = self.c.throughput
        if t - pair.burst_from <= limit.pair_interval_s and pair.burst_n < limit.pair_burst:
            pair.burst_n += 1
            return None
        if t >= pair.burst_from + pair.burst_n * limit.pair_interval_s:
            pair.burst_from, pair.burst_n = t, 1
            return None
        return Refused(
            131056, 400, "Too many messages sent from the sender phone number to the same recipient phone number in a short period of time."
        )

    def _too_fast(self, chip: Chip, t: float) -> Refused | None:
        if t - chip.second >= 1.0:
            chip.second, chip.second_n = t, 0
        chip.second_n += 1
        if chip.second_n > self.c.throughput.messages_per_s:
            return Refused(130429, 400, "Cloud API message throughput has been reached.")
        return None

    # --- after it was taken --------------------------------------------------------------------------------------------------

    def fate(self, flight: Flight, t: float) -> int | None:
        """The code with which a message that was taken will fail, or None: it will be sent (platform.md 5, "when: a")."""
        person, chip = flight.person, flight.chip
        if not person.reachable:
            return 131026
        if not chip.account.paid and flight.template:
            return 131042
        if flight.category == "marketing" and (code := self._marketing_fate(flight, person, t)):
            return code
        if self._is_spam(chip, flight, t):
            return 131048
        if flight.initiated and not self._takes_place(flight, t):
            return self.c.limits.over_limit_code
        return None

    def _marketing_fate(self, flight: Flight, person: Person, t: float) -> int | None:
        if flight.message.to.startswith("1") and len(flight.message.to) == 11:
            return 131049  # no marketing to the United States: platform.md 2.9
        if person.index in flight.chip.account.portfolio.stopped:
            return 131050
        if person.experiment:
            return 130472
        if flight.initiated and self._is_limited(flight, person, t):
            return 131049
        return None

    def _is_limited(self, flight: Flight, person: Person, t: float) -> bool:
        """Meta's limit per user: adaptive, over all businesses, and longer for each retry within a day (platform.md 2.9)."""
        if t < person.limited_until:
            person.limited_until = t + self.c.per_user.punish_h * HOUR
            return True
        load = remembered(person, t, self.c.people.fatigue_half_life_d)
        if flight.limited_u >= person.rates.limited * (1 + self.c.people.fatigue_limited * load):
            return False
        person.limited_until = t + self.c.per_user.rest_h * HOUR
        return True

    def _is_spam(self, chip: Chip, flight: Flight, t: float) -> bool:
        if t < chip.spam_until:
            return True
        if t - chip.looked_at > LOOK_AGAIN_S:
            self.look_at_number(chip, t)
        if chip.rating != "RED" or t - chip.red_since < self.c.spam.red_after_h * HOUR:
            return False
        return self.draws.one(f"spam|{flight.id}") < self.c.spam.red_chance

    def _takes_place(self, flight: Flight, t: float) -> bool:
        """Take one of the portfolio's places for a unique person, unless all are taken (platform.md 1.1)."""
        portfolio, person = flight.chip.account.portfolio, flight.person.index
        in_flight = portfolio.in_flight
        if portfolio.limit >= 0 and person not in in_flight and not portfolio.reached.holds(person, t):
            room = portfolio.limit - portfolio.reached.count(t)
            if len(in_flight) >= room and sum(not portfolio.reached.holds(p, t) for p in in_flight) >= room:
                portfolio.over_limit += 1
                return False
        in_flight[person] = in_flight.get(person, 0) + 1
        flight.counted = True
        return True

    def leaves_flight(self, flight: Flight) -> None:
        """The message was delivered, failed or dropped: it holds no place in flight any more."""
        if not flight.counted:
            return
        flight.counted = False
        in_flight = flight.chip.account.portfolio.in_flight
        left = in_flight.get(flight.person.index, 0) - 1
        if left > 0:
            in_flight[flight.person.index] = left
        else:
            in_flight.pop(flight.person.index, None)

    # --- pacing (platform.md 2.7, 2.8) ---------------------------------------------------------------------------------------

    def holds(self, flight: Flight, t: float) -> bool:
        """Hold the message for quality assessment, if a burst of its template or portfolio asks for it."""
        template, portfolio = flight.template, flight.chip.account.portfolio
        if template is None or not flight.initiated:
            return False
        p = self.c.pacing
        portfolio.sent_365d += 1
        fresh = template.category == "marketing" and (template.proven < p.template_proven or template.rating not in {"GREEN", "UNKNOWN"})
        template_bursts = _bursts(template.burst, t, p.template_window_h * HOUR, p.template_burst)
        portfolio_bursts = _bursts(portfolio.burst, t, p.portfolio_window_s, p.portfolio_burst)
        if (fresh and template_bursts) or template.deciding:
            self._hold(template, flight, t, self._decide_template)
            return True
        if (portfolio_bursts and portfolio.sent_365d < p.portfolio_free_365d) or portfolio.deciding:
            self._hold(portfolio, flight, t, self._decide_portfolio)
            return True
        return False

    def _hold(self, what: Template | Portfolio, flight: Flight, t: float, decide: Happening) -> None:
        what.held.append(flight)
        if not what.deciding:
            what.deciding = True
            u = self.draws.one(f"pacing|{what.id}|{t}")
            self.line.plan(t + between(u, self.c.pacing.decide_low_h, self.c.pacing.decide_high_h) * HOUR, flight.key, decide, what)

    def _decide_template(self, template: Template, t: float) -> None:
        template.deciding = False
        held, template.held = template.held, []
        delivered, _, negative = template.feedback.plain(t, DAY)
        if template.status != "APPROVED" or negative > self.c.pacing.bad_feedback * max(delivered, 20):
            if template.status == "APPROVED":
                self.pause_template(template, t, title="RATE_LIMITING_PAUSE", until=None)
            for flight in held:
                self._fail(flight, t, 132015)
            return
        self._release(held, t)

    def _decide_portfolio(self, portfolio: Portfolio, t: float) -> None:
        portfolio.deciding = False
        held, portfolio.held = portfolio.held, []
        sums = [chip.feedback.plain(t, DAY) for account in portfolio.accounts for chip in account.chips]
        delivered, negative = sum(s[0] for s in sums), sum(s[2] for s in sums)
        if negative > self.c.pacing.bad_feedback * max(delivered, 20):
            portfolio.review_until = t + self.c.pacing.review_h * HOUR
            for flight in held:
                self._fail(flight, t, 135000)
            return
        self._release(held, t)

    def _release(self, held: list[Flight], t: float) -> None:
        for flight in held:
            self._launch(flight, t)

    # --- quality of numbers, and spam (platform.md 2.1, 5) -------------------------------------------------------------------

    def hear_feedback(self, flight: Flight, t: float, harm: str) -> None:
        """A person blocked, reported or muted."""
        q, chip, template = self.c.quality, flight.chip, flight.template
        weight = {"block": q.weight_block, "report": q.weight_report, "mute": q.weight_mute}[harm]
        chip.negatives[harm] = chip.negatives.get(harm, 0) + 1
        chip.feedback.add(t, negative=weight)
        if harm == "report":
            self._hear_report(chip, t)
        self.look_at_number(chip, t)
        if template is not None:
            template.feedback.add(t, negative=weight)
            self.look_at_template(template, t)

    def look_at_number(self, chip: Chip, t: float) -> None:
        """Rate the number anew. No webhook tells of it: platform.md 1.7."""
        chip.looked_at = t
        rating = chip.forced_quality or rating_of_number(chip.feedback, t, self.c.quality)
        if rating == "RED" and chip.rating != "RED":
            chip.red_since = t
        chip.rating = rating

    def _hear_report(self, chip: Chip, t: float) -> None:
        reports = chip.reports
        reports.append(t)
        while reports[0] < t - DAY:
            reports.popleft()
        delivered, _, _ = chip.feedback.plain(t, DAY)
        if len(reports) >= self.c.spam.reports and len(reports) >= self.c.spam.report_rate * delivered:
            chip.spam_until = t + self.c.spam.restriction_h * HOUR

    # --- templates (platform.md 2.5, 2.6) ------------------------------------------------------------------------------------

    def look_at_template(self, template: Template, t: float) -> None:
        """Rate the template anew; tell of a change; pause it when it turned RED."""
        rating = rating_of_template(template.feedback, t, self.c.template_quality)
        if rating != template.rating:
            self._tell_template(TemplateQualityChanged, template, t, value=rating, previous=template.rating)
            template.rating, template.rating_at = rating, t
        if rating == "RED" and template.status == "APPROVED":
            self._pause_for_quality(template, t)

    def _pause_for_quality(self, template: Template, t: float) -> None:
        template.pauses += 1
        q = self.c.template_quality
        if template.pauses >= 3:
            template.status = "DISABLED"
            self._tell_template(TemplateStatusChanged, template, t, value="DISABLED", reason="NONE", title="DISABLED")
            return
        title, hours = ("FIRST_PAUSE", q.first_pause_h) if template.pauses == 1 else ("SECOND_PAUSE", q.second_pause_h)
        self.pause_template(template, t, title=title, until=t + hours * HOUR)

    def pause_template(self, template: Template, t: float, *, title: str, until: float | None) -> None:
        """Pause a template; `until` None: only `unpause` lifts it."""
        template.status = "PAUSED"
        template.paused_by_hand = until is None
        self._tell_template(TemplateStatusChanged, template, t, value="PAUSED", reason="NONE", title=title)
        if until is not None:
            self.line.plan(until, self.draws.whole(f"unpause|{template.id}|{template.pauses}"), self.unpause, template)

    def unpause(self, template: Template, t: float) -> None:
        """Let a paused template be sent again: rated and paced as if it were new."""
        if template.status != "PAUSED":
            return
        template.status, template.paused_by_hand = "APPROVED", False
        template.rating, template.rating_at, template.proven = "UNKNOWN", t, 0
        template.feedback.forget(t)
        self._tell_template(TemplateStatusChanged, template, t, value="APPROVED", reason="NONE", title="UNPAUSE")

    def end_review(self, what: tuple[Template, str | None], t: float) -> None:
        """The reviewer answers (platform.md 6.10)."""
        template, reason = what
        if template.status != "PENDING":
            return
        template.status = "REJECTED" if reason else "APPROVED"
        self._tell_template(TemplateStatusChanged, template, t, value=template.status, reason=reason or "NONE")

    def _tell_template(
        self, fact: Callable[..., TemplateStatusChanged | TemplateQualityChanged], template: Template, t: float, **what: str
    ) -> None:
        self.line.facts.append(
            fact(
                at=moment(t),
                account_id=template.account.id,
                template_id=template.id,
                template=template.name,
                language=template.language,
                **what,
            )
        )

    # --- limits (platform.md 1.3, 1.4) ---------------------------------------------------------------------------------------

    def hear_delivery(self, flight: Flight, t: float) -> None:
        """A business-initiated message was delivered: count its person, and see whether the limit may grow."""
        portfolio, person = flight.chip.account.portfolio, flight.person.index
        portfolio.reached.touch(person, t)
        portfolio.grown.touch(person, t)
        portfolio.earned.touch(person, t)
        step = None if portfolio.growing else self.steps.get(portfolio.limit)  # unlimited, or no tier of Meta's: it stays as it is
        if step is not None and _is_earned(portfolio, step, t):
            self._plan_growth(portfolio, t, self.c.limits.earn_within_h if step.is_first else self.c.limits.grow_within_h)

    def _plan_growth(self, portfolio: Portfolio, t: float, within_h: float) -> None:
        portfolio.growing = True
        u = self.draws.one(f"growth|{portfolio.id}|{portfolio.limit}")
        self.line.plan(t + u * within_h * HOUR, self.draws.whole(f"growth|{portfolio.id}"), self._grow, portfolio)

    def _grow(self, portfolio: Portfolio, t: float) -> None:
        portfolio.growing = False
        step = self.steps.get(portfolio.limit)
        if step is None:  # somebody gave it another one meanwhile
            return
        if self._is_high_quality(portfolio, t):
            self.set_limit(portfolio, t, step.to)
            return
        portfolio.growing = True
        again_h = self.c.limits.grow_within_h
        if step.is_first:
            again_h = self.c.limits.earn_again_h
            value = "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED"
            self.line.facts.extend(AccountChanged(at=moment(t), account_id=a.id, value=value) for a in portfolio.accounts)
        self.line.plan(t + again_h * HOUR, self.draws.whole(f"growth|{portfolio.id}"), self._grow_if_earned, portfolio)

    def _grow_if_earned(self, portfolio: Portfolio, t: float) -> None:
        step = self.steps.get(portfolio.limit)
        if step is not None and _is_earned(portfolio, step, t):
            self._grow(portfolio, t)
        else:
            portfolio.growing = False

    def set_limit(self, portfolio: Portfolio, t: float, limit: int) -> None:
        """Give the portfolio another limit and tell each of its accounts."""
        portfolio.limit = limit
        value = TIER_NAMES.get(limit, str(limit))
        self.line.facts.extend(LimitChanged(at=moment(t), account_id=a.id, value=value, limit=limit) for a in portfolio.accounts)

    def _is_high_quality(self, portfolio: Portfolio, t: float) -> bool:
        """High quality over all numbers and templates: none of them YELLOW or RED."""
        for account in portfolio.accounts:
            for chip in account.chips:
                self.look_at_number(chip, t)
                if chip.rating in LOW_QUALITY:
                    return False
            if any(template.rating in LOW_QUALITY for template in account.templates.values()):
                return False
        return True


def steps_of(limits: Limits) -> dict[int, Step]:
    """What leads from each limit to the next: by the same rule as the planner of tiers, with this world's numbers."""
    return steps(
        limits.tiers,
        earn_people=limits.earn_unique,
        earn_d=round(limits.earn_window_d),
        grow_share=limits.grow_share,
        grow_d=round(limits.grow_window_d),
    )


def _is_earned(portfolio: Portfolio, step: Step, t: float) -> bool:
    return (portfolio.earned if step.is_first else portfolio.grown).count(t) >= step.people


def _bursts(times: deque[float], t: float, span_s: float, burst: int) -> bool:
    """Note one more at `t`; whether there were already `burst` in the span before it."""
    while times and times[0] <= t - span_s:
        times.popleft()
    times.append(t)
    return len(times) > burst
