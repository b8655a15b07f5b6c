"""Rates with their uncertainty, and the three-valued gates that rest on them. Knows nothing of chips, phases or time.

A rate is `events` among `people`. Its posterior is a Beta distribution: flat (1, 1) where a floor is asked, skeptical of harm
where harm is bounded, so that one early opt-out among five people is not read as a rate of 20 %. Decisions look at posteriors
at every review, which is sound because a posterior does not depend on when one chose to look (the likelihood principle; Berger
and Wolpert 1988); how often the rules then err is measured in `tests/core/test_lives.py`, not assumed.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from julia_warmer.core.model import Gate, Verdict

CACHED = 1 << 16  # posteriors kept: counts are small whole numbers and come again at every review
STEPS_MAX = 300  # of the continued fraction; about sqrt(people) are needed
TINY = 1e-300
PRECISE = 1e-14
SENDS_MAX = 5000  # beyond it "so many sends more" is no plan
LAG_MIN = 30  # outcomes from which a delay is learned
MINUTE_H = 1 / 60
LOG_MAX = 700.0  # beyond it exp() overflows; no rule asks for so much


@dataclass(frozen=True, slots=True)
class Prior:
    """A Beta(events, others) distribution: what was believed before the first person."""

    events: float
    others: float

    @classmethod
    def skeptical(cls, rate: float, people: float) -> "Prior":
        """As if `people` had been seen with this rate already: few new events do not move it far."""
        return cls(max(rate * people, TINY), max((1 - rate) * people, TINY))


FLAT = Prior(1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Rate:
    """Events among people. More events than people (late facts) count as all people."""

    events: int
    people: int

    def p_at_least(self, floor: float, prior: Prior = FLAT) -> float:
        """Probability that the true rate is `floor` or more."""
        return p_at_least(self.events, self.people, floor, prior.events, prior.others)

    def interval(self, level: float) -> tuple[float, float]:
        """Equal-tailed interval that holds the true rate with probability `level`, under the flat prior."""
        a, b = _posterior(self.events, self.people, 1.0, 1.0)
        tail = (1 - level) / 2
        return beta_quantile(a, b, tail), beta_quantile(a, b, 1 - tail)

    def told(self, verb: str = "", level: float = 0.90) -> str:
        """As a person reads it: `3 of 74 opted out: 4.1 % (1.8-10.0 %)`, with the interval at `level`."""
        if not self.people:
            return "nobody yet"
        low, high = self.interval(level)
        who = f"{self.events} of {self.people} {verb}".rstrip()
        return f"{who}: {100 * self.events / self.people:.1f} % ({100 * low:.1f}-{100 * high:.1f} %)"

    def __str__(self) -> str:
        return self.told()


@lru_cache(CACHED)
def p_at_least(events: int, people: int, floor: float, prior_events: float = 1.0, prior_others: float = 1.0) -> float:
    """Probability that the true rate is `floor` or more, given the counts and a Beta prior."""
    a, b = _posterior(events, people, prior_events, prior_others)
    return 1.0 - beta_cdf(a, b, floor)


@lru_cache(CACHED)
def e_value(events: int, people: int, bound: float, prior: Prior, *, is_low: bool = False) -> float:
    """Evidence, as a bet's gain, that the true rate is above `bound` (below it for `is_low`): 1 is none, 20 is twenty to one.

    The likelihood of the counts under rates on the far side of the bound, weighed by `prior` cut off at the bound, over their
    likelihood at the bound itself. Counted since a fixed start, it is a nonnegative supermartingale for every rate on the near
    side, so that the chance that it ever reaches 1/a, however often one looks, is at most a (Ville 1939; Robbins 1970; Ramdas
    et al., Statistical Science 2023). 0 when there is nothing to bet on.
    """
    if not 0 < bound < 1 or not people:
        return 0.0
    events = min(events, people)
    a, b = prior.events + events, prior.others + people - events
    seen, before = _beyond(a, b, bound, is_low), _believed_beyond(prior.events, prior.others, bound, is_low)
    if seen <= 0 or before <= 0:
        return 0.0
    log = _log_beta(a, b) - _log_beta(prior.events, prior.others) + math.log(seen) - math.log(before)
    return math.exp(min(LOG_MAX, log - events * math.log(bound) - (people - events) * math.log1p(-bound)))


def _beyond(a: float, b: float, bound: float, is_low: bool) -> float:
    return beta_cdf(a, b, bound) if is_low else beta_cdf(b, a, 1 - bound)


@lru_cache(256)
def _believed_beyond(a: float, b: float, bound: float, is_low: bool) -> float:
    """Of a prior, which is asked about again with all counts."""
    return _beyond(a, b, bound, is_low)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _posterior(events: int, people: int, prior_events: float, prior_others: float) -> tuple[float, float]:
    return prior_events + min(events, people), prior_others + max(people - events, 0)


def beta_cdf(a: float, b: float, x: float) -> float:
    """Probability that a Beta(a, b) value is at most x: the regularised incomplete beta function.

    Continued fraction by the modified Lentz method (Press et al., Numerical Recipes, 6.4), on the side where it converges fast.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction. Nothing may come out as zero, or it could not be divided by: such a value is taken as TINY."""
    ab = a + b
    d = 1 - ab * x / (a + 1)
    d = 1 / (TINY if -TINY <= d <= TINY else d)
    c, total = 1.0, d
    for m in range(1, STEPS_MAX):
        a2m = a + 2 * m
        even = m * (b - m) * x / ((a2m - 1) * a2m)
        d, c = 1 + even * d, 1 + even / c
        d, c = 1 / (TINY if -TINY <= d <= TINY else d), TINY if -TINY <= c <= TINY else c
        total *= d * c
        odd = -(a + m) * (ab + m) * x / (a2m * (a2m + 1))
        d, c = 1 + odd * d, 1 + odd / c
        d, c = 1 / (TINY if -TINY <= d <= TINY else d), TINY if -TINY <= c <= TINY else c
        step = d * c
        total *= step
        if -PRECISE < step - 1 < PRECISE:
            break
    return total


@lru_cache(4096)
def beta_quantile(a: float, b: float, p: float) -> float:
    """The x below which a Beta(a, b) value lies with probability p. Halving: 50 steps, about 1e-15."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_cdf(a, b, middle) < p else (low, middle)
    return (low + high) / 2


@lru_cache(CACHED)
def most_within(a: float, b: float, *, bearable: int, chance: float, most: int = 100_000) -> int:
    """The most people (up to `most`) among whom more than `bearable` events have at most this chance, the rate being Beta(a, b).

    The number of events is beta-binomial: what is not known about the rate makes large days rarer, not only what is known to be bad.
    """
    low, high = 0, 1
    while high < most and p_more_than(bearable, high, a, b) <= chance:
        low, high = high, min(2 * high, most)
    if high == most and p_more_than(bearable, most, a, b) <= chance:
        return most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if p_more_than(bearable, middle, a, b) <= chance else (low, middle)
    return low


def p_more_than(events: int, people: int, a: float, b: float) -> float:
    """The chance of more than so many events among so many people, the rate being Beta(a, b)."""
    if people <= events:
        return 0.0
    term = math.exp(_log_beta(a, b + people) - _log_beta(a, b))
    total = term
    for j in range(events):
        term *= (people - j) / (j + 1) * (a + j) / (b + people - j - 1)
        total += term
    return max(0.0, 1.0 - total)


@lru_cache(CACHED)
def gate_floor(name: str, events: int, people: int, floor: float, *, people_min: int, pass_at: float, fail_at: float) -> Gate:
    """Is the true rate at least `floor`? Passes at P >= pass_at, fails at P <= fail_at, else neither."""
    if people < people_min:
        return Gate(name, Verdict.INCONCLUSIVE, _too_few(people, people_min))
    return _answer(name, p_at_least(events, people, floor), f"{name} >= {percent(floor)}", pass_at=pass_at, fail_at=fail_at)


@lru_cache(CACHED)
def gate_ceiling(
    name: str, events: int, people: int, ceiling: float, *, prior: Prior, people_min: int, pass_at: float, fail_at: float
) -> Gate:
    """Is the true rate of a harm at most `ceiling`? The prior is skeptical of harm."""
    if people < people_min:
        return Gate(name, Verdict.INCONCLUSIVE, _too_few(people, people_min))
    p = 1 - p_at_least(events, people, ceiling, prior.events, prior.others)
    return _answer(name, p, f"{name} <= {percent(ceiling)}", pass_at=pass_at, fail_at=fail_at)


def _answer(name: str, p: float, claim: str, *, pass_at: float, fail_at: float) -> Gate:
    sentence = f"P({claim}) = {p:.2f}"
    if p >= pass_at:
        return Gate(name, Verdict.PASS, sentence)
    if p <= fail_at:
        return Gate(name, Verdict.FAIL, sentence)
    return Gate(name, Verdict.INCONCLUSIVE, f"not sure yet: {sentence}")


def sends_to_floor(events: int, people: int, floor: float, *, people_min: int, pass_at: float) -> int | None:
    """How many matured sends more until a floor's gate passes, if people go on answering at the present rate; 0 when it passes now.

    None: at this rate it never would. Of a rate that nobody knows yet, the least that could pass.
    """
    if not people:
        return people_min
    rate = events / people
    return _sends_until(people, people_min, rate > floor, lambda n: 1 - beta_cdf(1 + rate * n, 1 + (1 - rate) * n, floor) >= pass_at)


def sends_to_ceiling(events: int, people: int, ceiling: float, *, prior: Prior, people_min: int, pass_at: float) -> int | None:
    """The same for a ceiling of harm."""
    if not people:
        return people_min
    rate = min(events, people) / people
    a, b = prior.events, prior.others
    return _sends_until(people, people_min, rate < ceiling, lambda n: beta_cdf(a + rate * n, b + (1 - rate) * n, ceiling) >= pass_at)


def _sends_until(people: int, people_min: int, could: bool, passes: Callable[[float], bool]) -> int | None:
    """The least number of people, at least `people_min` and as many as there are, at which it passes; less those there are."""
    start = max(people, people_min)
    if passes(start):
        return start - people
    if not could or not passes(SENDS_MAX):
        return None
    low, high = start, SENDS_MAX
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high - people


@dataclass(frozen=True, slots=True)
class Lag:
    """How late an outcome comes: a Weibull delay in hours since acceptance. The policy's guess, until a fleet has taught better."""

    shape: float
    scale_h: float

    def share_in(self, hours: float) -> float:
        """What share of the outcomes that will come has come within so many hours: the completeness curve."""
        return 1 - math.exp(-((hours / self.scale_h) ** self.shape)) if hours > 0 else 0.0

    def people_in(self, reached_by_age: Iterable[tuple[float, int]]) -> float:
        """People reached, each counted by the share of their outcomes that is in by now: (hours since acceptance, people) pairs.

        Events so far over this number is an unbiased rate before everything has matured (the nowcast of Lawless, 1994).
        """
        return sum(people * self.share_in(hours) for hours, people in reached_by_age)


def learn_lag(hours: Sequence[float]) -> Lag | None:
    """The Weibull that fits the delays of outcomes that have all matured, by median and upper quartile; None for fewer than `LAG_MIN`."""
    seen = sorted(max(hour, MINUTE_H) for hour in hours)
    if len(seen) < LAG_MIN:
        return None
    median, quartile = seen[len(seen) // 2], seen[(3 * len(seen)) // 4]
    if quartile <= median:
        return None
    shape = math.log(math.log(4) / math.log(2)) / math.log(quartile / median)
    return Lag(shape, median / math.log(2) ** (1 / shape))


def _too_few(people: int, people_min: int) -> str:
    return f"not enough evidence: {people} of {people_min} people"


def percent(share: float) -> str:
    """A share as a person reads it: 0.2 is `20 %`, 0.005 is `0.5 %`."""
    return f"{100 * share:.3g} %"
