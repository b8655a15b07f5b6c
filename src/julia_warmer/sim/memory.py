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
    """By chip and person, in one long row: a person's place is chip x people + person, because flat places are read twice as quickly."""

    def __init__(self, crowd: Crowd, c: Constants, *, moments_a_day: int) -> None:
        self.pools = Pools.full(crowd.chips, crowd.people)
        self._chips, self._people = crowd.chips, crowd.people
        self._half_life_h = c.people.fatigue_half_life_d * 24
        everybody = crowd.chips * crowd.people
        self._nth = np.zeros(everybody, np.int64)
        self._last_h = np.full(everybody, LONG_AGO_H)
        self._load = np.zeros(everybody)
        self._answered, self._gone, self._blocked = (np.zeros(everybody, np.bool_) for _ in range(3))
        self._week = moments_a_day * AGAIN_D
        self._written: dict[int, Ints] = {}  # places, by the period in which they were written to

    def begin(self, now: int, chip: Ints, person: Ints, *, at_h: float, answered: Bools) -> None:
        """These people were written to after moment `now`, before the first that is lived."""
        place = chip * self._people + person
        self._nth[place] += 1
        self._last_h[place], self._load[place], self._answered[place] = at_h, 1.0, answered
        self._written[now] = place

    def wake(self, now: int) -> None:
        """Who was written to in the period that ended a week before moment `now` may be written to again, unless they are gone."""
        if (written := self._written.pop(now - 1 - self._week, None)) is not None:
            place = self._staying(written)
            chip, person = np.divmod(place, self._people)
            self.pools.give_back(chip, person, self._answered[place])

    def eligible(self, now: int, until: int) -> Ints:
        """By chip, the people who may be written to now or will be at a later moment before moment `until`."""
        soon = [
            self._staying(self._written[n]) // self._people for n in range(now - self._week, until - 1 - self._week) if n in self._written
        ]
        return self.pools.eligible + sum((np.bincount(chip, minlength=self._chips) for chip in soon), start=np.int64(0))

    def _staying(self, place: Ints) -> Ints:
        """Of these people, those who have not asked to stop and can be reached."""
        return place[~self._gone[place]]

    def address(self, chip: Ints, person: Ints, at: Floats, *, spam: Bools, bad: Bools) -> tuple[Messages, Bools]:
        """Messages to these people, and whether each is the first of a month."""
        place = chip * self._people + person
        since = at - self._last_h[place]
        load = self._load[place] * 0.5 ** (since / self._half_life_h)
        return Messages(chip, person, place, self._nth[place], at, load, self._blocked[place], spam, bad), since >= NEW_AGAIN_H

    def remember(self, now: int, m: Messages, out: Outcomes) -> None:
        """What these messages, sent between moment `now` and the next, leave behind."""
        place = m.place
        self._nth[place] += 1
        self._last_h[place] = m.at
        self._load[place] = m.load + np.isfinite(out.delivered)
        self._answered[place] = np.isfinite(out.replied)
        stops = (out.harm >= STOP_WORD) & (out.harm != NO_HARM)
        self._gone[place] |= stops | out.undeliverable
        self._blocked[place] |= out.harm < MUTE
        self._written[now] = place
