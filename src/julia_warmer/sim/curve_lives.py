"""The lives of an operating curve: when a chip sends at warm-up's pace, and what the people of a list do with each message.

Plain draws, many lives at once. What is looked at, and what rings, is not its business.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from julia_warmer.core.fold import OPT_OUT_WITHIN, REPLY_WITHIN
from julia_warmer.core.model import PHASES, Phase
from julia_warmer.core.policy import HourRules, Policy

SENDS = 600  # ten, thirty and fifty a day bring a chip to operation in so many
WEEK = 7
DAY_H = 24.0
REPLY_WITHIN_H, OPT_OUT_WITHIN_H = (span.total_seconds() / 3600 for span in (REPLY_WITHIN, OPT_OUT_WITHIN))
WITHIN_MINUTE_H = 1 / 60  # the first look at a day comes a minute after midnight

Bits = NDArray[np.bool_]
Hours = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class List:
    """What a list's people do with a message: the rates of a good one."""

    replies: float = 0.35
    opt_outs: float = 0.005
    undeliverable: float = 0.01
    limited: float = 0.01
    lost: float = 0.01  # fails with some other code
    reads: float = 0.70


# Delays since acceptance: Weibull (shape, scale in hours). Guesses, those of sim/world.toml without its nights.
READ_H = (0.5, 1.5)
REPLY_H = (0.45, 0.8)  # after reading
HARM_H = (0.6, 1.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """When a chip sends and is looked at, in hours since its first day began; the same for every life."""

    sent_h: NDArray[np.float64]  # of each send, rising
    phase: NDArray[np.int64]  # of each send: its place in PHASES
    reviews_h: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lives:
    """Of each life (row) and send (column): when an outcome is heard, in hours; infinite when it never comes."""

    replied: Hours
    opted_out: Hours
    read: Hours
    undeliverable: Bits
    limited: Bits
    failed: Bits

    @property
    def delivered(self) -> Bits:
        return ~(self.undeliverable | self.limited | self.failed)


def pace_of(policy: Policy, sends: int = SENDS) -> Pace:
    """Each phase's cap on each of its least days, then operation's; spread evenly over the open hours. Sundays as the policy says."""
    sent: list[float] = []
    phases: list[int] = []
    day = 0
    while len(sent) < sends:
        for phase, days in [(p, policy.phases[p].days_min) for p in PHASES[1:-1]] + [(Phase.OPERATION, sends)]:
            left = days
            while left and len(sent) < sends:
                open_h, close_h = _open(policy.hours, day % WEEK)
                cap = policy.phases[phase].cap_day_max if close_h > open_h else 0
                sent += [day * DAY_H + open_h + (close_h - open_h) * n / cap for n in range(cap)]
                phases += [PHASES.index(phase)] * cap
                left -= bool(cap)
                day += 1
    step = min(rules.review_h for rules in policy.phases.values())
    reviews = [d * DAY_H + h + WITHIN_MINUTE_H for d in range(day + 4) for h in np.arange(0, DAY_H, step)]
    return Pace(np.array(sent[:sends]), np.array(phases[:sends]), np.array(reviews))


def _open(hours: HourRules, weekday: int) -> tuple[float, float]:
    """Local opening and closing of a weekday; Monday is 0."""
    if weekday == 5:
        return hours.saturday_open_h, hours.saturday_close_h
    return (hours.open_h, hours.close_h) if weekday < 5 or hours.sunday else (0.0, 0.0)


def draw(people: List, pace: Pace, lives: int, rng: np.random.Generator) -> Lives:
    """So many lives of a list. Failures are heard at once."""
    shape = (lives, len(pace.sent_h))
    fate = rng.random(shape, dtype=np.float32)
    bounds = np.cumsum([people.undeliverable, people.limited, people.lost])
    arrived = fate >= bounds[2]
    sent = pace.sent_h.astype(np.float32)
    read_h = sent + _delay(READ_H, shape, rng)
    replies, reads, harms = (rng.random(shape, dtype=np.float32) for _ in range(3))
    never = np.float32(np.inf)
    reply_h, harm_h = read_h + _delay(REPLY_H, shape, rng), sent + _delay(HARM_H, shape, rng)
    in_time = (reply_h - sent <= REPLY_WITHIN_H), (harm_h - sent <= OPT_OUT_WITHIN_H)  # what comes later belongs to no send
    return Lives(
        replied=np.where(arrived & (replies < people.replies) & in_time[0], reply_h, never),
        opted_out=np.where(arrived & (harms < people.opt_outs) & in_time[1], harm_h, never),
        read=np.where(arrived & (reads < people.reads), read_h, never),
        undeliverable=fate < bounds[0],
        limited=(fate >= bounds[0]) & (fate < bounds[1]),
        failed=(fate >= bounds[1]) & (fate < bounds[2]),
    )


def _delay(weibull: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator) -> Hours:
    form, scale = weibull
    return (scale * rng.standard_exponential(shape, dtype=np.float32) ** (1 / form)).astype(np.float32)
