"""What the business hears of its messages, when it hears it: webhooks into cohorts, answers and signs, for many chips at once.

Facts are laid under the moment of decision at which they are known. What Meta sees is not its business.
"""

from collections import defaultdict

import numpy as np

from julia_warmer.sim.cohorts import ACCEPTED, DELIVERED, FAILED, LIMITED, OPTED_OUT, READ, REPLIED, UNDELIVERABLE, Cohorts, Grid
from julia_warmer.sim.crowd import Bools
from julia_warmer.sim.platform import Periods
from julia_warmer.sim.reactions import FAILED_AFTER_H, IMAGE, NO_HARM, STOP_SWITCH, STOP_WORD, TWICE, VOICE, Messages, Outcomes
from julia_warmer.sim.scatter import Ints, scatter
from julia_warmer.sim.streams import Floats

REPLY_H, OPT_OUT_H, TALKS_ONCE_H = 72.0, 168.0, 168.0  # core.fold REPLY_WITHIN, OPT_OUT_WITHIN, TALKS_ONCE_IN
WEEK_H, MONTH_H = 168.0, 720.0
TEXT_BIT, IMAGE_BIT, VOICE_BIT = 1, 2, 4  # core.model.Media


class Hearing:
    """The counts of all chips. `silent` is a span of hours in which no webhook comes in; all of it comes at its end."""

    def __init__(self, chips: int, people: int, grid: Grid, periods: Periods, *, silent: tuple[float, float] | None) -> None:
        self.cohorts = Cohorts(chips, grid)
        self._periods, self._silent = periods, silent
        self._coming: defaultdict[int, list[Ints]] = defaultdict(list)  # places in the cohorts
        size = (chips, len(periods.ends))
        self._received, self._talks, self._spam = (np.zeros(size, np.int64) for _ in range(3))
        self._text, self._image, self._voice = (np.zeros(size, np.bool_) for _ in range(3))
        self._talked_h = np.full((chips, people), -TALKS_ONCE_H)
        self.webhooks = np.zeros(size, np.int64)

    def begin(self, now: int, *, received: int, talks: int, text: bool, image: bool) -> None:
        """What all chips had heard by a moment before the first that is lived."""
        self._received[:, now] += received
        self._talks[:, now] += talks
        self._text[:, now] |= text
        self._image[:, now] |= image

    def note(self, m: Messages, out: Outcomes, receipts: Bools) -> None:
        """Messages were taken at `m.at`; what becomes of them will be heard. Each reaches its person for the first time in a week."""
        hours, chip = m.at.astype(np.int64), m.chip
        place = self.cohorts.place
        self.cohorts.add(place(ACCEPTED, chip, hours))
        stops = (out.harm >= STOP_WORD) & (out.harm != NO_HARM)
        writes = np.minimum(out.replied, np.where(stops & (out.harm != STOP_SWITCH), out.harmed, np.inf))
        failed_at = m.at + FAILED_AFTER_H
        rows = (
            (DELIVERED, np.isfinite(out.delivered), out.delivered),
            (READ, np.isfinite(out.read) & receipts, out.read),
            (REPLIED, writes - m.at <= REPLY_H, writes),
            (OPTED_OUT, stops & (out.harmed - m.at <= OPT_OUT_H), out.harmed),
            (UNDELIVERABLE, out.undeliverable, failed_at),
            (LIMITED, out.limited, failed_at),
            (FAILED, out.spam, failed_at),
        )
        chosen = [(field, np.flatnonzero(happens), when) for field, happens, when in rows]
        places = np.concatenate([place(field, chip[which], hours[which]) for field, which, _ in chosen])
        known = self._known(np.concatenate([when[which] for _, which, when in chosen]))
        self._lay(known, places, np.concatenate([chip[which] for _, which, _ in chosen]))
        self._note_answers(m, out, writes)

    def _note_answers(self, m: Messages, out: Outcomes, writes: Floats) -> None:
        wrote = np.flatnonzero(np.isfinite(writes))
        known, chip, kind = self._known(writes[wrote]), m.chip[wrote], out.kind[wrote]
        scatter(self._received, chip, known, 1 + ((kind & TWICE) > 0))
        person, at = m.person[wrote], writes[wrote]
        talks = at - self._talked_h[chip, person] >= TALKS_ONCE_H
        self._talked_h[chip[talks], person[talks]] = at[talks]
        scatter(self._talks, chip[talks], known[talks])
        for bit, heard in ((IMAGE, self._image), (VOICE, self._voice)):
            heard[chip[(kind & bit) > 0], known[(kind & bit) > 0]] = True
        self._text[m.chip, self._known(m.at)] = True  # the campaign's own messages
        spam = np.flatnonzero(out.spam)
        scatter(self._spam, m.chip[spam], self._known(m.at[spam]))

    def _known(self, hours: Floats) -> Ints:
        """The moment at which something that happened is known; what comes after the last one falls together at its end."""
        if self._silent is not None:
            begins, ends = self._silent
            hours = np.where((hours >= begins) & (hours < ends), ends, hours)
        return np.minimum(np.searchsorted(self._periods.ends, hours), len(self._periods.ends) - 1)

    def _lay(self, known: Ints, places: Ints, chips: Ints) -> None:
        scatter(self.webhooks, chips, known)
        order = np.argsort(known, kind="stable")
        known, places = known[order], places[order]
        bounds = np.flatnonzero(np.diff(known)) + 1
        for part in np.split(np.arange(len(known)), bounds):
            if len(part):
                self._coming[int(known[part[0]])].append(places[part])

    def hear(self, now: int) -> None:
        """Count what is known at moment `now` for the first time."""
        for places in self._coming.pop(now, ()):
            self.cohorts.add(places)

    def received_30d(self, now: int) -> Ints:
        return self._received[:, self._periods.within(now, MONTH_H)].sum(axis=1)

    def talks_7d(self, now: int) -> Ints:
        return self._talks[:, self._periods.within(now, WEEK_H)].sum(axis=1)

    def media_7d(self, now: int) -> Ints:
        """A bit for each kind, as core.model.Media."""
        week = self._periods.within(now, WEEK_H)
        text, image, voice = (seen[:, week].any(axis=1) for seen in (self._text, self._image, self._voice))
        return np.asarray(TEXT_BIT * text + IMAGE_BIT * image + VOICE_BIT * voice)

    def spam_7d(self, now: int, *, since: Ints | None = None) -> Ints:
        """131048 in seven days, by chip from an hour on."""
        week = self._periods.within(now, WEEK_H)
        errors = self._spam[:, week]
        if since is None or not errors.any():
            return errors.sum(axis=1)
        return (errors * (self._periods.ends[week] > since[:, None])).sum(axis=1)
