"""Replays: decisions that were recorded are made again, by the same policy or by another. It reads, and changes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import orjson

from julia_warmer.core.beside import Course, Parting
from julia_warmer.core.decide import decide
from julia_warmer.core.model import ChipStatus, Phase
from julia_warmer.core.policy import Policy
from julia_warmer.core.record import decision_from_json, snapshot_from_json
from julia_warmer.engine.rules import read_versions
from julia_warmer.store import decisions
from julia_warmer.store.db import Connection
from julia_warmer.store.decisions import RecordedDecision
from julia_warmer.store.records import decision_text

BEGINNING, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
PARTS_SHOWN = 120  # characters of a text before and after the place where two differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Which decisions are replayed."""

    since: datetime = BEGINNING
    until: datetime = END
    chip_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A decision that came out otherwise; both texts around the first place where they differ."""

    chip: str
    at: datetime
    policy: str
    recorded: str
    again: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many decisions came out the same, byte for byte; the first that did not; how many are of a policy version that is gone."""

    same: int
    differ: int
    first: Differing | None
    not_at_hand: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipCourse:
    """What another policy would have made of one chip. `then` is what was decided, `now` what the other policy decides."""

    chip: str
    decisions: int
    differ: int
    held_back: int  # messages accepted beyond the other policy's budget of their day: avoided or delayed
    held_back_observed: int  # of those, before it left what was observed
    granted_more: int  # most that it would have sent more, on days whose budget was used up
    leaves_at: datetime | None  # from here on what people would have done is not known
    window_since: datetime | None  # from here on the phase's evidence is that of another phase
    pauses_then: int
    pauses_now: int
    demoted_then: int
    demoted_now: int
    phase_then: Phase
    phase_now: Phase
    status_then: ChipStatus
    status_now: ChipStatus
    partings: tuple[Parting, ...]


async def replay(conn: Connection, period: Period, *, at_hand: Mapping[str, Policy]) -> Replayed:
    """Decide again, each by its own policy version: of those that are kept, or at hand besides. Raises RecordBroken, RecordError."""
    at_hand = {**at_hand, **await read_versions(conn)}
    same = differ = 0
    first: Differing | None = None
    gone: Counter[str] = Counter()
    async for row in decisions.each_recorded(conn, since=period.since, until=period.until, chip_id=period.chip_id):
        policy = at_hand.get(row.policy)
        if policy is None:
            gone[row.policy] += 1
            continue
        recorded, again = decision_text(row.record.decision), decision_text(decide(snapshot_from_json(_text(row.record.snapshot)), policy))
        if recorded == again:
            same += 1
            continue
        differ += 1
        first = first or _differing(row, recorded, again)
    return Replayed(same=same, differ=differ, first=first, not_at_hand=dict(gone))


async def backtest(conn: Connection, period: Period, *, policy: Policy) -> list[ChipCourse]:
    """What another policy would have decided on the recorded snapshots, chip by chip, each with a state of its own."""
    sent = await decisions.sent_by_day(conn, chip_id=period.chip_id)
    courses: dict[int, tuple[Course, str]] = {}
    async for row in decisions.each_recorded(conn, since=period.since, until=period.until, chip_id=period.chip_id):
        course, _ = courses.setdefault(row.chip_id, (Course(row.chip), row.zone))
        snapshot, decision = snapshot_from_json(_text(row.record.snapshot)), decision_from_json(_text(row.record.decision))
        course.add(snapshot, decision, policy, sent=sent.get(row.chip_id, {}))
    return [_summed(course, sent.get(chip_id, {}), zone) for chip_id, (course, zone) in courses.items()]


def _summed(course: Course, sent: Mapping[date, int], zone: str) -> ChipCourse:
    assert course.last is not None  # a course begins with its first decision
    then, now = (decision.state for decision in course.last)
    return ChipCourse(
        chip=course.chip,
        decisions=course.decisions,
        differ=course.differ,
        held_back=course.held_back(sent),
        held_back_observed=course.held_back_observed(sent, zone=zone),
        granted_more=course.granted_more(sent),
        leaves_at=course.leaves_at,
        window_since=course.window_since,
        pauses_then=course.pauses_then,
        pauses_now=course.pauses_now,
        demoted_then=course.demoted_then,
        demoted_now=course.demoted_now,
        phase_then=then.phase,
        phase_now=now.phase,
        status_then=then.status,
        status_now=now.status,
        partings=tuple(course.partings),
    )


def _text(value: Mapping[str, object]) -> str:
    return orjson.dumps(value).decode()


def _differing(row: RecordedDecision, recorded: bytes, again: bytes) -> Differing:
    pairs = zip(recorded, again, strict=False)
    place = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(recorded), len(again)))
    shown = slice(max(0, place - PARTS_SHOWN), place + PARTS_SHOWN)
    return Differing(
        chip=row.chip,
        at=row.at,
        policy=row.policy,
        recorded=recorded[shown].decode(errors="replace"),
        again=again[shown].decode(errors="replace"),
    )
