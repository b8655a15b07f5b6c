"""Judges a ledger from the ground truth, the exported decisions and the policy's numbers alone, with code of its own.

It imports nothing of `core`, so that a mistake there is not made twice. Everything is judged by what the sandbox accepted, never by
what our own database says. Order within one moment is the order of the ledger.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from julia_warmer.sandbox.spec import PersonSpec, WorldSpec

DAY = timedelta(days=1)
RULES = ("duplicates", "without_consent", "after_opt_out", "outside_hours", "over_chip_cap", "over_portfolio_limit", "over_person_cap")

# Hours from UTC by area code; everything else in Brazil is UTC-3, and no clock has moved since 2019 (platform.md 7.4)
_WEST = {"68": -5, "92": -4, "97": -4, "95": -4, "69": -4, "65": -4, "66": -4, "67": -4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The policy's numbers, as they are given to the auditor. Hours are the recipient's own, and half open."""

    open_h: float = 9.0
    close_h: float = 20.0
    saturday_open_h: float = 10.0
    saturday_close_h: float = 16.0
    sunday: bool = False
    holidays: bool = False
    person_7d_max: int = 1
    person_30d_max: int = 4
    portfolio_window_h: float = 24.0


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it was exported. `chip` is the phone_number_id or the name; the latest one up to a moment is in force then."""

    at: datetime
    chip: str
    day: date
    budget_day_max: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule broken: by which rows of the ledger, and how."""

    rule: str
    sentence: str
    lines: tuple[int, ...]


@dataclass(slots=True)
class Audit:
    """The judgement. `counts` is what the demo prints."""

    accepted: int = 0
    violations: list[Violation] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """`accepted`, and the number of violations of each rule."""
        return {"accepted": self.accepted} | {rule: sum(v.rule == rule for v in self.violations) for rule in RULES}


@dataclass(frozen=True, slots=True)
class _Sent:
    """An accepted message and what became of it."""

    seq: int
    began: int
    at: datetime
    chip: str
    portfolio: str
    person: str
    type: str
    category: str
    ours: str | None
    body: str
    message_id: str
    in_window: bool
    delivered_at: datetime | None
    failed_at: datetime | None

    @property
    def asks(self) -> bool:
        """Needs a consent: everything but a plain answer inside the service window."""
        return not self.in_window or self.type == "template"

    def failed_by(self, at: datetime) -> bool:
        """Whether its failure was out by then: such a message reached nobody."""
        return self.failed_at is not None and self.failed_at <= at


def audit(spec: WorldSpec, rows: Iterable[Mapping[str, Any]], decisions: Iterable[Decided], limits: Limits | None = None) -> Audit:
    """Judge the ledger's rows, given in their order."""
    ledger, limits = list(rows), limits or Limits()
    sends = _sends(ledger)
    judged = Audit(accepted=len(sends))
    judged.violations += _duplicates(sends)
    judged.violations += _without_consent(sends, {person.phone: person for person in spec.people}, _signed_up(ledger))
    judged.violations += _after_opt_out(sends, ledger)
    judged.violations += _outside_hours(sends, limits)
    judged.violations += _over_chip_cap(sends, decisions, spec)
    judged.violations += _over_portfolio_limit(sends, ledger, spec, limits)
    judged.violations += _over_person_cap(sends, limits)
    return judged


def read_decisions(rows: Iterable[Mapping[str, Any]]) -> list[Decided]:
    """Decisions from JSON rows: {"at", "chip", "day", "budget_day_max"}, moments and days in ISO 8601."""
    return [Decided(datetime.fromisoformat(r["at"]), str(r["chip"]), date.fromisoformat(r["day"]), int(r["budget_day_max"])) for r in rows]


def _sends(rows: list[Mapping[str, Any]]) -> list[_Sent]:
    outcomes: dict[tuple[str, str], datetime] = {}
    for row in rows:
        if row["kind"] in {"delivered", "failed"}:
            outcomes.setdefault((row["kind"], row["message_id"]), datetime.fromisoformat(row["at"]))
    return [
        _Sent(
            seq=row["seq"],
            began=row["began"],
            at=datetime.fromisoformat(row["at"]),
            chip=row["chip"],
            portfolio=row["portfolio"],
            person=row["person"],
            type=row["type"],
            category=row["category"],
            ours=row["ours"],
            body=row["body"],
            message_id=row["message_id"],
            in_window=row["in_window"],
            delivered_at=outcomes.get(("delivered", row["message_id"])),
            failed_at=outcomes.get(("failed", row["message_id"])),
        )
        for row in rows
        if row["kind"] == "accepted"
    ]


# --- one function per rule ---------------------------------------------------------------------------------------------------


def _duplicates(sends: list[_Sent]) -> list[Violation]:
    """The same person and our same id twice; or the same text begun twice within seven days, the first not having failed."""
    found: list[Violation] = []
    by_id: dict[tuple[str, str], _Sent] = {}
    by_body: dict[tuple[str, str], _Sent] = {}
    for send in sends:
        first = by_id.setdefault((send.person, send.ours), send) if send.ours is not None else send
        if first is not send:
            found.append(Violation("duplicates", f"{send.person} got our id {send.ours} twice", (first.seq, send.seq)))
            continue
        if send.in_window:
            continue
        before = by_body.get((send.person, send.body))
        if before is not None and send.at - before.at < 7 * DAY and not before.failed_by(send.at):
            found.append(Violation("duplicates", f"{send.person} got the same text twice within seven days", (before.seq, send.seq)))
        by_body[send.person, send.body] = send
    return found


def _signed_up(rows: list[Mapping[str, Any]]) -> dict[str, datetime]:
    """When people first agreed to marketing by a sign-up link."""
    first: dict[str, datetime] = {}
    for row in rows:
        if row["kind"] == "signed_up":
            first.setdefault(row["person"], datetime.fromisoformat(row["at"]))
    return first


def _without_consent(sends: list[_Sent], people: Mapping[str, PersonSpec], signed_up: Mapping[str, datetime]) -> list[Violation]:
    """No consent for that purpose at that moment."""
    found: list[Violation] = []
    for send in sends:
        if not send.asks:
            continue
        if send.category == "marketing" and send.person in signed_up and signed_up[send.person] <= send.at:
            continue
        person = people.get(send.person)
        given = person is not None and person.consented_at is not None and datetime.fromisoformat(person.consented_at) <= send.at
        if not given or person is None or send.category not in person.purposes:
            found.append(Violation("without_consent", f"{send.person} had not agreed to {send.category} at {send.at}", (send.seq,)))
    return found


def _after_opt_out(sends: list[_Sent], rows: list[Mapping[str, Any]]) -> list[Violation]:
    """A request that began after the 200 to the webhook that carried the opt-out.

    A person's own word or button ends everything but one answer inside the window, the confirmation; WhatsApp's switch ends the
    portfolio's marketing.
    """
    stops = {row["seq"]: row for row in rows if row["kind"] == "asked_to_stop"}
    heard: dict[str, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "stop_heard":
            stop = stops[row["stop"]]
            heard[stop["person"]].append((row["seq"], stop))
    found: list[Violation] = []
    confirmed: dict[int, _Sent] = {}  # by the row in which the stop was heard
    for send in sends:
        for seq, stop in heard.get(send.person, ()):
            if seq > send.began:
                continue
            if _covers(stop, send):
                sentence = f"{send.person} had asked to stop by {stop['how']} at {stop['at']}"
                found.append(Violation("after_opt_out", sentence, (stop["seq"], seq, send.seq)))
                break
            if stop["how"] == "switch" or send.asks:
                continue
            first = confirmed.setdefault(seq, send)
            if first is not send and send.at - first.at < DAY:  # days later the person may have come back to us
                sentence = f"{send.person} had asked to stop by {stop['how']} at {stop['at']}, and got more than one answer"
                found.append(Violation("after_opt_out", sentence, (stop["seq"], seq, first.seq, send.seq)))
                break
    return found


def _covers(stop: Mapping[str, Any], send: _Sent) -> bool:
    if stop["how"] == "switch":
        return send.category == "marketing" and send.portfolio == stop["portfolio"]
    return send.asks


def _outside_hours(sends: list[_Sent], limits: Limits) -> list[Violation]:
    """We began a conversation at an hour at which the person's clock says no. Clocks outside Brazil are not judged."""
    found: list[Violation] = []
    for send in sends:
        if send.in_window or not send.person.startswith("55"):
            continue
        local = send.at.astimezone(UTC) + timedelta(hours=_hours_from_utc(send.person))
        if not _is_open(local, limits):
            found.append(
                Violation("outside_hours", f"{send.person} was written to at {local:%a %Y-%m-%d %H:%M} of their own clock", (send.seq,))
            )
    return found


def _hours_from_utc(phone: str) -> int:
    return _WEST.get(phone[2:4], -3)


def _is_open(local: datetime, limits: Limits) -> bool:
    day = local.weekday()
    if (day == 6 and not limits.sunday) or (local.date() in _national_holidays(local.year) and not limits.holidays):
        return False
    opens, closes = (limits.saturday_open_h, limits.saturday_close_h) if day == 5 else (limits.open_h, limits.close_h)
    return opens <= local.hour + local.minute / 60 + local.second / 3600 < closes


@cache
def _national_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("BR", years=year))


def _over_chip_cap(sends: list[_Sent], decisions: Iterable[Decided], spec: WorldSpec) -> list[Violation]:
    """More begun on one local day of the chip than the decision in force allowed; no decision allows nothing.

    Where decisions and messages share a moment, their order is not known: the largest of those in force around it counts.
    """
    ids = {chip.name: chip.id for chip in spec.chips}
    zones = {chip.id: ZoneInfo(chip.zone) for chip in spec.chips}
    ruled: dict[str, list[Decided]] = defaultdict(list)
    for decision in sorted(decisions, key=lambda d: d.at):
        ruled[ids.get(decision.chip, decision.chip)].append(decision)
    moments = {chip: [d.at for d in list_] for chip, list_ in ruled.items()}
    today: dict[tuple[str, date], list[int]] = defaultdict(list)
    found: list[Violation] = []
    for send in sends:
        if send.in_window:
            continue
        day = today[send.chip, send.at.astimezone(zones[send.chip]).date()]
        day.append(send.seq)
        most = _in_force(ruled.get(send.chip, []), moments.get(send.chip, []), send.at)
        if len(day) > most:
            found.append(Violation("over_chip_cap", f"{send.chip} sent {len(day)} on a day that allowed {most}", tuple(day)))
    return found


def _in_force(ruled: list[Decided], moments: list[datetime], at: datetime) -> int:
    last = bisect_right(moments, at)
    most = 0
    for decision in reversed(ruled[:last]):
        most = max(most, decision.budget_day_max)
        if decision.at < at:
            break
    return most


def _over_portfolio_limit(sends: list[_Sent], rows: list[Mapping[str, Any]], spec: WorldSpec, limits: Limits) -> list[Violation]:
    """More unique people outside a window, in the moving 24 h, than the portfolio's limit of that moment.

    A person counts from acceptance, and until 24 h after delivery; not after a failure. Judged whenever a message is accepted.
    """
    found: list[Violation] = []
    for portfolio in spec.portfolios:
        own = [send for send in sends if send.portfolio == portfolio.id and not send.in_window]
        changes = [
            (datetime.fromisoformat(r["at"]), int(r["limit"])) for r in rows if r["kind"] == "limit" and r["portfolio"] == portfolio.id
        ]
        found += _sweep(own, [(datetime.min.replace(tzinfo=UTC), portfolio.limit), *changes], timedelta(hours=limits.portfolio_window_h))
    return found


def _sweep(sends: list[_Sent], changes: list[tuple[datetime, int]], window: timedelta) -> list[Violation]:
    """Walk through the moments at which people begin and cease to count. At one moment: ends, then beginnings in the ledger's order."""
    moments = [at for at, _ in changes]
    steps: list[tuple[datetime, int, int, str]] = []
    for send in sends:
        ends = max(min(_counts_until(send, window), send.failed_at or _LATEST), send.at + timedelta(microseconds=1))
        steps += [(send.at, 1, send.seq, send.person), (ends, 0, send.seq, send.person)]
        if send.delivered_at is not None and send.delivered_at > send.at + window:  # counted again when it came so late
            steps += [(send.delivered_at, 1, 0, send.person), (send.delivered_at + window, 0, 0, send.person)]
    counted: dict[str, int] = {}
    found: list[Violation] = []
    for at, begins, seq, person in sorted(steps):
        counted[person] = counted.get(person, 0) + (1 if begins else -1)
        if counted[person] <= 0:
            del counted[person]
        limit = changes[bisect_right(moments, at) - 1][1]
        if begins and seq and 0 <= limit < len(counted):
            found.append(Violation("over_portfolio_limit", f"{len(counted)} people in 24 h at a limit of {limit}", (seq,)))
    return found


_LATEST = datetime.max.replace(tzinfo=UTC)


def _counts_until(send: _Sent, window: timedelta) -> datetime:
    """When the person ceases to count for this message, a very late delivery apart."""
    on_time = send.delivered_at is not None and send.delivered_at <= send.at + window
    return (send.delivered_at if on_time and send.delivered_at else send.at) + window


def _over_person_cap(sends: list[_Sent], limits: Limits) -> list[Violation]:
    """More marketing to one person, over all chips, than the caps of 7 and of 30 days; what had failed by then does not count."""
    found: list[Violation] = []
    got: dict[str, list[_Sent]] = defaultdict(list)
    for send in sends:
        if send.category != "marketing" or not send.asks:
            continue
        before = got[send.person]
        for days, most in ((7, limits.person_7d_max), (30, limits.person_30d_max)):
            recent = [b for b in before if send.at - b.at < days * DAY and not b.failed_by(send.at)]
            if len(recent) >= most:
                sentence = f"{send.person} got {len(recent) + 1} marketing messages in {days} days"
                found.append(Violation("over_person_cap", sentence, (*(b.seq for b in recent), send.seq)))
                break
        before.append(send)
    return found
