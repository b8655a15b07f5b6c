"""Snapshots rebuilt: the stored sends and events are folded once more, and compared with what SQL had counted for each recorded decision.

It reads, and changes nothing. What a review and an intake of the same moment did not see of each other differs, rightly: in lockstep (the
demo) nothing does.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from julia_warmer.core.events import (
    AccountRestricted,
    CallReceived,
    Event,
    Kind,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    OptOutRequested,
    OptOutSource,
    QualityChanged,
)
from julia_warmer.core.fold import Tally
from julia_warmer.core.model import Snapshot
from julia_warmer.core.policy import Policy
from julia_warmer.core.record import snapshot_from_json
from julia_warmer.engine.replay import Period
from julia_warmer.store import decisions
from julia_warmer.store.db import Connection
from julia_warmer.store.decisions import TakenSend, ToldFact


@dataclass(frozen=True, slots=True, kw_only=True)
class Miscounted:
    """A field of a snapshot of which SQL and the fold say different things."""

    chip: str
    at: datetime
    field: str
    counted: Any
    folded: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """How many snapshots the fold counts as SQL did; the first field that it does not; snapshots of policies that are gone."""

    same: int
    differ: int
    first: Miscounted | None
    not_at_hand: int


async def rebuild(conn: Connection, period: Period, *, at_hand: Mapping[str, Policy]) -> Rebuilt:
    """Count again, chip by chip. A policy says how long messages mature, so it must be at hand. Raises RecordBroken, RecordError."""
    looks: defaultdict[int, list[tuple[Snapshot, Policy]]] = defaultdict(list)
    gone = 0
    async for row in decisions.each_recorded(conn, since=period.since, until=period.until, chip_id=period.chip_id):
        policy = at_hand.get(row.policy)
        if policy is None:
            gone += 1
        else:
            looks[row.chip_id].append((snapshot_from_json(orjson.dumps(row.record.snapshot).decode()), policy))
    same = differ = 0
    first: Miscounted | None = None
    for chip_id, snapshots in looks.items():
        async for found in _count_again(conn, chip_id, snapshots):
            same, differ = same + (found is None), differ + (found is not None)
            first = first or found
    return Rebuilt(same=same, differ=differ, first=first, not_at_hand=gone)


async def _count_again(conn: Connection, chip_id: int, looks: list[tuple[Snapshot, Policy]]) -> AsyncGenerator[Miscounted | None]:
    """For each snapshot None, or the first field that differs."""
    tally = Tally(looks[0][0].zone)
    sends, facts = await decisions.list_taken_sends(conn, chip_id), await decisions.list_told_facts(conn, chip_id)
    for day in await decisions.list_reachable_days(conn, chip_id):
        tally.reachable(day.day, day.reachable)
    coming = _in_order(sends, facts)
    waiting = next(coming, None)
    for snapshot, policy in looks:
        while waiting is not None and _is_known(waiting, snapshot.at):
            _tell(tally, waiting)
            waiting = next(coming, None)
        yield _compare(snapshot, tally.counts(snapshot.at, state=snapshot.state, evidence=policy.evidence))


def _in_order(sends: list[TakenSend], facts: list[ToldFact]) -> Iterator[TakenSend | ToldFact]:
    """As they became known: a send when it was accepted, a fact when it was written down; of one moment the facts first."""
    rows: list[tuple[datetime, int, TakenSend | ToldFact]] = [
        *((send.accepted_at, 1, send) for send in sends),
        *((fact.recorded_at, 0, fact) for fact in facts),
    ]
    return (row for _, _, row in sorted(rows, key=lambda row: row[:2]))


def _is_known(row: TakenSend | ToldFact, at: datetime) -> bool:
    return row.accepted_at < at if isinstance(row, TakenSend) else row.recorded_at <= at


def _tell(tally: Tally, row: TakenSend | ToldFact) -> None:
    if isinstance(row, TakenSend):
        tally.accepted(row.accepted_at, str(row.contact_id), str(row.id), held=row.was_held)
    elif (event := _event_of(row)) is not None:
        tally.apply(event)


def _event_of(row: ToldFact) -> Event | None:
    """The fact as the fold knows it: messages by our own ids, people by their contacts."""
    match row.kind:
        case Kind.MESSAGE_DELIVERED | Kind.MESSAGE_READ | Kind.MESSAGE_FAILED:
            return _status_of(row, str(row.send_id))
        case Kind.MESSAGE_RECEIVED | Kind.OPT_OUT_REQUESTED:
            return _words_of(row, str(row.contact_id) if row.contact_id is not None else f"stranger {row.key}")
        case Kind.CALL_RECEIVED:
            return CallReceived(at=row.at, call_id=row.call_id or row.key, value=row.value or "", answered=row.answered)
        case Kind.QUALITY_CHANGED:
            return QualityChanged(at=row.at, value=row.value or "")
        case Kind.ACCOUNT_RESTRICTED:
            return AccountRestricted(at=row.at, value=row.value or "")
        case _:
            return None


def _status_of(row: ToldFact, message_id: str) -> Event:
    if row.kind is Kind.MESSAGE_FAILED:
        return MessageFailed(at=row.at, message_id=message_id, code=row.code)
    return (MessageRead if row.kind is Kind.MESSAGE_READ else MessageDelivered)(at=row.at, message_id=message_id)


def _words_of(row: ToldFact, person: str) -> Event:
    if row.kind is Kind.OPT_OUT_REQUESTED:
        return OptOutRequested(at=row.at, phone=person, source=OptOutSource(row.value or OptOutSource.WORD), purpose="all")
    return MessageReceived(at=row.at, message_id=row.key, phone=person, message_type=row.value or "")


def _compare(snapshot: Snapshot, folded: Mapping[str, Any]) -> Miscounted | None:
    for name, value in folded.items():
        if (counted := getattr(snapshot, name)) != value:
            return Miscounted(chip=snapshot.chip, at=snapshot.at, field=name, counted=counted, folded=value)
    return None
