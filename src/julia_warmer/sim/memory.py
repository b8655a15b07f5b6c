"""What people have behind them: who was written to, when, how often, and how they took it. For many chips at once; draws nothing."""

import numpy as np

from julia_warmer.sim.constants import Constants
from julia_warmer.sim.crowd import Bools, Crowd
from julia_warmer.sim.pools import Pools
from julia_warmer.sim.reactions import MUTE, NO_HARM, STOP_WORD, Messages, Outcomes
from julia_warmer.sim.scatter import Ints
from julia_warmer.sim.streams import Floats

AGAIN_D = 7  # [people] marketing_7d_max = 1 of the shipped policies, and the demo's campaigns
LONG_AGO_H = -1e6
NEW_AGAIN_H = 720.0  # a person reached after 30 days counts anew for the first limit (platform.md 1.3)


class Memory:
    """By chip and person."""

    def __init__(self, crowd: Crowd, c: Constants, *, moments_a_day: int) -> None:
        shape = (crowd.chips, crowd.people)
        self.pools = Pools.full(*shape)
        self._half_life_h = c.people.fatigue_half_life_d * 24
        self._nth = np.zeros(shape, np.int64)
        self._last_h = np.full(shape, LONG_AGO_H)
        self._load = np.zeros(shape)
        self._answered, self._gone, self._blocked = (np.zeros(shape, np.bool_) for _ in range(3))
        self._week = moments_a_day * AGAIN_D
        self._written: dict[int, tuple[Ints, Ints]] = {}  # by the period in which they were written to

    def wake(self, now: int) -> None:
        """Who was written to in the period that ended a week before moment `now` may be written to again, unless they are gone."""
        if (written := self._written.pop(now - 1 - self._week, None)) is not None:
            chip, person = self._staying(*written)
            self.pools.give_back(chip, person, self._answered[chip, person])

    def eligible(self, now: int, until: int) -> Ints:
        """By chip, the people who may be written to now or will be at a later moment before moment `until`."""
        soon = [self._staying(*self._written[n])[0] for n in range(now - self._week, until - 1 - self._week) if n in self._written]
        return self.pools.eligible + sum((np.bincount(chip, minlength=len(self._nth)) for chip in soon), start=np.int64(0))

    def _staying(self, chip: Ints, person: Ints) -> tuple[Ints, Ints]:
        """Of these people, those who have not asked to stop and can be reached."""
        stays = ~self._gone[chip, person]
        return chip[stays], person[stays]

    def address(self, chip: Ints, person: Ints, at: Floats, *, spam: Bools, bad: Bools) -> tuple[Messages, Bools]:
        """Messages to these people, and whether each is the first of a month."""
        since = at - self._last_h[chip, person]
        load = self._load[chip, person] * 0.5 ** (since / self._half_life_h)
        messages = Messages(chip, person, self._nth[chip, person], at, load, self._blocked[chip, person], spam, bad)
        return messages, since >= NEW_AGAIN_H

    def remember(self, now: int, m: Messages, out: Outcomes) -> None:
        """What these messages, sent between moment `now` and the next, leave behind."""
        chip, person = m.chip, m.person
        delivered = np.isfinite(out.delivered)
        self._nth[chip, person] += 1
        self._last_h[chip, person] = m.at
        self._load[chip, person] = m.load + delivered
        self._answered[chip, person] = np.isfinite(out.replied)
        stops = (out.harm >= STOP_WORD) & (out.harm != NO_HARM)
        self._gone[chip, person] |= stops | out.undeliverable
        self._blocked[chip, person] |= out.harm < MUTE
        self._written[now] = chip, person
