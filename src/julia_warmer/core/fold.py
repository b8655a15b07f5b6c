"""Counting, for the simulator and for replays: one chip's sends and events into the numbers of a snapshot.

SQL counts the same numbers from the database; this is the one duplication that is allowed, and a property test holds both equal.
The rules, for both:

Cohort     a send belongs to the clock hour (UTC) of its `accepted_at`; whatever becomes of it later is counted in that hour.
Status     statuses join: read > delivered > failed > sent, in any order and however often. A delivery after a failure takes
           the failure back. A reply implies delivery while nothing but `sent` is known.
reached    delivered, and no earlier accepted send of this chip to this person less than 7 days before: people count once in
           seven days. It is the denominator of replies and opt-outs.
replied    a message from the person at most 72 h after the acceptance, credited to the latest accepted send to that person
           before it; once per send, and only when the send counts as reached. The platform's moments are whole seconds: what came
           in the second of the acceptance came after it.
opted_out  a request to stop, credited to the latest accepted send of the 7 days before it; once per send.
failures   131026 undeliverable, 131049 limited; throttles and 130472 (Meta's experiment) in none; every other code failed,
           131048 (spam) too. Of two failures of one send the earlier counts.
held       the answer said so at acceptance, whatever came of it.
Windows    whole hours, none that began before `rearmed_at`. Matured: hours that ended `mature_h` ago or more; fresh: `fresh_h`.
           phase_matured from the hour that holds `phase_since`; recent_* from the newest hour back until `recent_sends` were
           accepted, the hour that crosses included; last_hours this hour and the one before. "N days" means hours that began
           at most N x 24 h before this one; nothing older than 30 days is looked at, neither hours nor days.
Run        unanswered_run: people reached in the newest matured hours, back to and without the first hour with a reply.
Talks      conversations_7d: a message from a person whom the chip had written to, once in seven days, in the hour of the message.
Days       the chip's calendar. Finished: before today. In the phase: days that begin at or after the hour of `phase_since`.
           Spam errors since re-arming: in hours that began at or after `rearmed_at`.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import IntEnum
from itertools import pairwise
from typing import TypedDict

from julia_warmer.core.days import day_start, local_day
from julia_warmer.core.events import (
    AccountRestricted,
    CallReceived,
    Event,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    OptOutRequested,
    QualityChanged,
)
from julia_warmer.core.model import ChipState, Counts, Media
from julia_warmer.core.month import Edges
from julia_warmer.core.policy import EvidenceRules

REACHED_ONCE_IN = timedelta(days=7)
REPLY_WITHIN = timedelta(hours=72)
OPT_OUT_WITHIN = timedelta(days=7)
TALKS_ONCE_IN = timedelta(days=7)
SAME_SECOND = timedelta(seconds=1)
DAYS_BACK = 30

UNDELIVERABLE, LIMITED, SPAM = 131026, 131049, 131048
NOT_COUNTED = frozenset({4, 80007, 130429, 131056, 131057, 130472})  # throttles, and Meta's experiment: nobody's fault

MEDIA = {
    "text": Media.TEXT,
    "button": Media.TEXT,
    "interactive": Media.TEXT,
    "template": Media.TEXT,
    "image": Media.IMAGE,
    "sticker": Media.IMAGE,
    "audio": Media.AUDIO,
    "video": Media.VIDEO,
    "document": Media.DOCUMENT,
}


def failure_of(code: int | None) -> str | None:
    """The field of Counts that a failed send counts in; None for none."""
    if code == UNDELIVERABLE:
        return "undeliverable"
    if code == LIMITED:
        return "limited"
    return None if code in NOT_COUNTED else "failed"


def media_of(message_type: str) -> Media:
    """The kind of media of a message's type, as the wire names it."""
    return MEDIA.get(message_type, Media.OTHER)


class Standing(IntEnum):
    """How far a send has come; a later fact can only lift it."""

    SENT = 0
    FAILED = 1
    DELIVERED = 2
    READ = 3


class CountFields(TypedDict):
    """The fields of a Snapshot that counting fills."""

    phase_matured: Counts
    recent_matured: Counts
    recent_fresh: Counts
    last_hours: Counts
    young_reached: tuple[int, ...]
    unanswered_run: int
    sending_days_in_phase: int
    reachable_in_phase: int
    accepted_in_phase: int
    best_day_7d: int
    accepted_last_day: int
    idle_days: int
    accepted_today: int
    accepted_30d: int
    received_30d: int
    conversations_7d: int
    media_7d: Media
    calls_answered_7d: int
    spam_errors_7d: int
    spam_errors_rearmed: int
    platform_warnings_7d: int


NAMES = tuple(f.name for f in fields(Counts))
COLUMN = {name: column for column, name in enumerate(NAMES)}
ACCEPTED, REACHED, REPLIED = COLUMN["accepted"], COLUMN["reached"], COLUMN["replied"]

Row = list[int]  # one hour's counts, by COLUMN


@dataclass(slots=True)
class _Send:
    at: datetime
    row: Row
    first: bool  # no earlier send to this person within seven days
    standing: Standing = Standing.SENT
    failed: tuple[datetime, int] | None = None  # the earliest failure: when, and its code (0 for none)
    replied: bool = False
    opted_out: bool = False

    @property
    def arrived(self) -> bool:
        return self.standing >= Standing.DELIVERED or (self.replied and self.standing is Standing.SENT)

    def count(self, sign: int) -> None:
        """Add what this send is by now to its hour, or take it out."""
        row = self.row
        if self.arrived:
            row[COLUMN["delivered"]] += sign
            if self.first:
                row[REACHED] += sign
                row[REPLIED] += sign * self.replied
        elif self.failed is not None and (failure := failure_of(self.failed[1])) is not None:
            row[COLUMN[failure]] += sign
        if self.standing is Standing.READ:
            row[COLUMN["read"]] += sign


def person_of(phone: str | None, user_id: str | None) -> str | None:
    """How a fact names a person when nobody says otherwise: the phone as it came, else the BSUID."""
    return phone or user_id


class Tally:
    """One chip's counts, kept up to date send by send and fact by fact. Facts may come late, twice and in any order."""

    def __init__(self, zone: str, *, person: Callable[[str | None, str | None], str | None] = person_of) -> None:
        self._zone = zone
        self._person = person
        self._hours: list[int] = []  # clock hours since 1970 with sends, rising; `_rows` beside it
        self._rows: list[Row] = []
        self._by_id: dict[str, _Send] = {}
        self._by_person: dict[str, list[_Send]] = defaultdict(list)
        self._days: dict[date, int] = defaultdict(int)
        self._reachable: dict[date, int] = {}
        self._received: dict[int, int] = defaultdict(int)
        self._seen: set[str] = set()  # ids of messages, calls and spam failures that were counted
        self._talked_at: dict[str, datetime] = {}  # person: when the last conversation counted
        self._talks: list[int] = []
        self._media_at: dict[Media, int] = {}
        self._calls: list[int] = []
        self._spam: list[int] = []
        self._warnings: list[int] = []

    def accepted(self, at: datetime, person: str, message_id: str, *, held: bool = False, media: Media = Media.TEXT) -> None:
        """The provider took a send. In the order of acceptance."""
        hour = _hour(at)
        row = self._row(hour)
        row[ACCEPTED] += 1
        row[COLUMN["held"]] += held
        sends = self._by_person[person]
        first = not sends or at - sends[-1].at >= REACHED_ONCE_IN
        send = self._by_id[message_id] = _Send(at, row, first)
        insort(sends, send, key=_sent_at)
        self._days[local_day(at, self._zone)] += 1
        self._media_at[media] = max(hour, self._media_at.get(media, hour))

    def unknown(self, at: datetime, *, settled: bool = False) -> None:
        """A call whose outcome is not known; `settled` takes it out again (then it is accepted, or was never sent)."""
        self._row(_hour(at))[COLUMN["unknown"]] += -1 if settled else 1

    def reachable(self, day: date, messages: int) -> None:
        """What could have been sent on a local day: the least of granted, eligible people and open hours."""
        self._reachable[day] = messages

    def apply(self, event: Event) -> None:
        """Count one fact. Facts about other things than this chip's messages and warnings are ignored."""
        match event:
            case MessageRead():
                self._lift(event.message_id, Standing.READ)
            case MessageDelivered():
                self._lift(event.message_id, Standing.DELIVERED)
            case MessageFailed():
                self._fail(event)
            case MessageReceived():
                self._hear(event)
            case OptOutRequested():
                self._opt_out(event)
            case CallReceived(answered=True):
                self._once(event.call_id, self._calls, event.at)
            case AccountRestricted() | QualityChanged(value="FLAGGED"):
                self._once(f"warning {event.at.isoformat()} {event.value}", self._warnings, event.at)
            case _:
                pass

    def counts(self, at: datetime, *, state: ChipState, evidence: EvidenceRules) -> CountFields:
        """All that a snapshot at this moment says about messages, days and signs of the platform."""
        now = _hour(at)
        month, week = now - DAYS_BACK * 24, now - 7 * 24
        armed = max(month, _hour_from(state.rearmed_at))
        matured = _ended_by(at - timedelta(hours=evidence.mature_h))
        fresh = _ended_by(at - timedelta(hours=evidence.fresh_h))
        today = local_day(at, self._zone)
        finished = {day: n for day, n in self._days.items() if day < today}
        in_phase = self._phase_days(state.phase_since, today)
        week_days = [day for day in (today - timedelta(days=back) for back in range(1, 8)) if finished.get(day)]
        return CountFields(
            phase_matured=self._sum(max(armed, _hour(state.phase_since)), matured),
            recent_matured=self._recent(armed, matured, evidence.recent_sends),
            recent_fresh=self._recent(armed, fresh, evidence.recent_sends),
            last_hours=self._sum(max(armed, now - 1), now),
            young_reached=self._reached_between([max(armed, hour) for hour in Edges.at(at, evidence).ages]),
            unanswered_run=self._run(armed, matured),
            sending_days_in_phase=sum(1 for day in in_phase if finished.get(day)),
            reachable_in_phase=sum(self._reachable.get(day, 0) for day in in_phase),
            accepted_in_phase=sum(finished.get(day, 0) for day in in_phase),
            best_day_7d=max((finished[day] for day in week_days), default=0),
            accepted_last_day=finished[week_days[0]] if week_days else 0,
            idle_days=self._idle(today),
            accepted_today=self._days.get(today, 0),
            accepted_30d=sum([row[ACCEPTED] for row in self._rows[bisect_left(self._hours, month) :]]),
            received_30d=_since(self._received, month),
            conversations_7d=sum(1 for hour in self._talks if hour >= week),
            media_7d=Media(sum(media for media, hour in self._media_at.items() if hour >= week)),
            calls_answered_7d=sum(1 for hour in self._calls if hour >= week),
            spam_errors_7d=sum(1 for hour in self._spam if hour >= week),
            spam_errors_rearmed=sum(1 for hour in self._spam if hour >= max(week, armed)),
            platform_warnings_7d=sum(1 for hour in self._warnings if hour >= week),
        )

    def _row(self, hour: int) -> Row:
        if self._hours and self._hours[-1] == hour:
            return self._rows[-1]
        place = bisect_left(self._hours, hour)
        if place == len(self._hours) or self._hours[place] != hour:
            self._hours.insert(place, hour)
            self._rows.insert(place, [0] * len(NAMES))
        return self._rows[place]

    def _lift(self, message_id: str, standing: Standing) -> None:
        send = self._by_id.get(message_id)
        if send is not None and standing > send.standing:
            send.count(-1)
            send.standing = standing
            send.count(+1)

    def _fail(self, event: MessageFailed) -> None:
        failed = event.at, event.code or 0
        send = self._by_id.get(event.message_id)
        if send is not None and (send.failed is None or failed < send.failed):
            send.count(-1)
            send.failed, send.standing = failed, max(send.standing, Standing.FAILED)
            send.count(+1)
        if event.code == SPAM:
            self._once(f"spam {event.message_id}", self._spam, event.at)

    def _hear(self, event: MessageReceived) -> None:
        person = self._person(event.phone, event.user_id)
        if person is None or event.message_id in self._seen:
            return
        self._seen.add(event.message_id)
        hour = _hour(event.at)
        self._received[hour] += 1
        media = media_of(event.message_type)
        self._media_at[media] = max(hour, self._media_at.get(media, hour))
        send = self._latest(person, event.at)
        if send is None:
            return
        if person not in self._talked_at or event.at - self._talked_at[person] >= TALKS_ONCE_IN:
            self._talked_at[person] = event.at
            self._talks.append(hour)
        if not send.replied and event.at - send.at <= REPLY_WITHIN:
            send.count(-1)
            send.replied = True
            send.count(+1)

    def _opt_out(self, event: OptOutRequested) -> None:
        person = self._person(event.phone, event.user_id)
        send = self._latest(person, event.at) if person is not None else None
        if send is not None and not send.opted_out and event.at - send.at <= OPT_OUT_WITHIN:
            send.opted_out = True
            send.row[COLUMN["opted_out"]] += 1

    def _once(self, key: str, hours: list[int], at: datetime) -> None:
        if key not in self._seen:
            self._seen.add(key)
            hours.append(_hour(at))

    def _latest(self, person: str, at: datetime) -> _Send | None:
        """The latest send to a person that was accepted by this moment."""
        for send in reversed(self._by_person.get(person, ())):
            if send.at < at + SAME_SECOND:
                return send
        return None

    def _sum(self, first: int, last: int) -> Counts:
        return _counts(self._rows[bisect_left(self._hours, first) : bisect_right(self._hours, last)])

    def _reached_between(self, hours: list[int]) -> tuple[int, ...]:
        """People reached from each hour up to the one before it in the row; the hours fall."""
        return tuple([self._sum(older, newer - 1).reached for newer, older in pairwise(hours)])

    def _recent(self, first: int, last: int, sends: int) -> Counts:
        """The newest hours back until so many were accepted; the hour that crosses is included whole."""
        end = bisect_right(self._hours, last)
        start, left = end, sends
        lowest = bisect_left(self._hours, first)
        while start > lowest and left > 0:
            start -= 1
            left -= self._rows[start][ACCEPTED]
        return _counts(self._rows[start:end])

    def _run(self, first: int, last: int) -> int:
        run = 0
        for row in reversed(self._rows[bisect_left(self._hours, first) : bisect_right(self._hours, last)]):
            if row[REPLIED]:
                break
            run += row[REACHED]
        return run

    def _phase_days(self, phase_since: datetime, today: date) -> list[date]:
        """Finished local days that begin at or after the hour in which the phase began."""
        first = local_day(phase_since, self._zone)
        if day_start(first, self._zone) < phase_since.replace(minute=0, second=0, microsecond=0):
            first += timedelta(days=1)
        first = max(first, today - timedelta(days=DAYS_BACK))
        return [first + timedelta(days=n) for n in range((today - first).days)]

    def _idle(self, today: date) -> int:
        """Finished days in a row, newest first, on which people could be reached and nobody was. Other days are skipped."""
        idle = 0
        first = today - timedelta(days=DAYS_BACK)
        for day in sorted((day for day, n in self._reachable.items() if n > 0 and first <= day < today), reverse=True):
            if self._days.get(day):
                break
            idle += 1
        return idle


def _sent_at(send: _Send) -> datetime:
    return send.at


def _hour(at: datetime) -> int:
    """The clock hour (UTC) as a number."""
    return int(at.timestamp()) // 3600


def _hour_from(at: datetime | None) -> int:
    """The first clock hour that begins at or after a moment; the first of all for none."""
    return 0 if at is None else int(-(-at.timestamp() // 3600))


def _ended_by(at: datetime) -> int:
    """The last clock hour that had ended by a moment."""
    return _hour(at) - 1


def _since(by_hour: dict[int, int], hour: int) -> int:
    return sum([n for at, n in by_hour.items() if at >= hour])


def _counts(rows: list[Row]) -> Counts:
    return Counts(**dict(zip(NAMES, map(sum, zip(*rows, strict=True)), strict=True))) if rows else NOTHING


NOTHING = Counts()
