"""The quality of consents: how people of each source take messages, by the age of their grant; and the sources that are held for it.

A source is judged by the policy's own gates of harm, with its skeptical prior: a few bad answers hold nobody. Only a person releases.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from julia_warmer.core import fold
from julia_warmer.core.evidence import Prior, gate_ceiling
from julia_warmer.core.model import Gate, Verdict
from julia_warmer.core.policy import Policy
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.store import platform
from julia_warmer.store import quality as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.platform import Alert
from julia_warmer.store.quality import NUMBERS, DayCounts, HeldSource, SourceCounts

SPAN = timedelta(days=90)  # of messages that are looked at, to the day
# So long after its end a day is counted again: opt-outs may still have come in. Then no more.
LOOKS = (timedelta(days=1), timedelta(days=3), fold.OPT_OUT_WITHIN + timedelta(days=1))
RULE = "source"
HOLDS_MAX = 1000
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
NEVER = timedelta(days=36_500)
BANDS = (
    ("under a week", timedelta(0), timedelta(days=7)),
    ("under a month", timedelta(days=7), timedelta(days=30)),
    ("under three months", timedelta(days=30), timedelta(days=90)),
    ("under a year", timedelta(days=90), timedelta(days=365)),
    ("older", timedelta(days=365), NEVER),
)
ALL_AGES = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuality:
    """One source, as a whole (`age` all) or of one age. `verdict`: PASS it does well, FAIL badly, INCONCLUSIVE not enough is known."""

    counts: SourceCounts
    verdict: Verdict
    sentences: tuple[str, ...]  # of each gate
    held: HeldSource | None


async def judge_sources(conn: Connection, *, policy: Policy, at: datetime) -> list[SourceQuality]:
    """Every source of the last 90 days, each as a whole and then by age; the worst first. Reads messages of uncounted days."""
    fresh = await _count(conn, since=await _counted_until(conn, at=at), until=at - timedelta(hours=policy.evidence.fresh_h))
    rows = _summed([*await store.list_days(conn, since=_first_day(at)), *(row.counts for row in fresh)])
    holds = {held.source: held for held in await store.list_holds(conn, open_only=True, limit=HOLDS_MAX)}
    judged = [
        _judged(counts, policy, holds.get(source))
        for source in sorted({row.source for row in rows})
        for counts in _with_total(source, [row for row in rows if row.source == source])
    ]
    worst = {one.counts.source: _badness(one) for one in judged if one.counts.age == ALL_AGES}
    return sorted(judged, key=lambda one: worst[one.counts.source])


async def count_days(conn: Connection, *, policy: Policy, at: datetime) -> int:
    """Count the days that are over and due, and keep what they came to; returns how many had messages. As often as one likes."""
    over = (at - timedelta(hours=policy.evidence.fresh_h)).astimezone(UTC).date()
    due, found = await _due_days(conn, over=over, at=at), set[date]()
    for first, last in _spans(due):
        rows = await _count(conn, since=_midnight(first), until=_midnight(last + DAY) - TICK)
        await store.put_days(conn, [day for day in due if first <= day <= last], rows, at=at)
        found |= {row.day for row in rows}
    await store.forget_days(conn, before=_first_day(at))
    return len(found)


async def _due_days(conn: Connection, *, over: date, at: datetime) -> list[date]:
    """Days before `over` that nobody has counted, and those whose time has come to be counted again."""
    counted = await store.list_counted(conn, since=_first_day(at))
    first = max(_first_day(at), max(counted) - LOOKS[-1] - DAY) if counted else _first_day(at)
    days = (first + nth * DAY for nth in range((over - first).days))
    return [day for day in days if day not in counted or _is_due(day, counted[day], at)]


def _is_due(day: date, counted_at: datetime, at: datetime) -> bool:
    end = _midnight(day + DAY)
    return any(counted_at < end + look <= at for look in LOOKS)


def _spans(days: Sequence[date]) -> Iterable[tuple[date, date]]:
    """Days in a row, as first and last: each span is one question."""
    first: date | None = None
    for nth, day in enumerate(days, start=1):
        first = first or day
        if nth == len(days) or days[nth] != day + DAY:
            yield first, day
            first = None


async def _counted_until(conn: Connection, *, at: datetime) -> datetime:
    """The first moment of the days that nobody has counted yet."""
    counted = await store.list_counted(conn, since=_first_day(at))
    return _midnight(max(counted) + DAY if counted else _first_day(at))


async def _count(conn: Connection, *, since: datetime, until: datetime) -> list[DayCounts]:
    """From `since` on; messages of that very moment included."""
    return await store.count_sources(
        conn, BANDS, undeliverable=[fold.UNDELIVERABLE], limited=[fold.LIMITED], since=since - TICK, until=until
    )


def _first_day(at: datetime) -> date:
    return (at - SPAN).astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _summed(rows: Iterable[SourceCounts]) -> list[SourceCounts]:
    """One row for each source and age, in the order of both."""
    sums: dict[tuple[str, str], SourceCounts] = {}
    for row in rows:
        key = row.source, row.age
        sums[key] = sums[key] + row if key in sums else row
    ages = [name for name, _, _ in BANDS]
    return sorted(sums.values(), key=lambda row: (row.source, ages.index(row.age)))


def _with_total(source: str, rows: Sequence[SourceCounts]) -> list[SourceCounts]:
    """The source as a whole, then its ages."""
    total = SourceCounts(source=source, age=ALL_AGES, **{name: sum(getattr(row, name) for row in rows) for name in NUMBERS})
    return [total, *rows]


def _badness(one: SourceQuality) -> tuple[int, float]:
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return order.index(one.verdict), -one.counts.opted_out / max(one.counts.reached, 1)


def _judged(counts: SourceCounts, policy: Policy, held: HeldSource | None) -> SourceQuality:
    gates = _gates(counts, policy)
    verdicts = {gate.verdict for gate in gates}
    verdict = Verdict.FAIL if Verdict.FAIL in verdicts else Verdict.PASS if verdicts == {Verdict.PASS} else Verdict.INCONCLUSIVE
    return SourceQuality(counts=counts, verdict=verdict, sentences=tuple(gate.sentence for gate in gates), held=held)


def _gates(counts: SourceCounts, policy: Policy) -> list[Gate]:
    rules, most = policy.evidence, policy.gates
    prior = Prior.skeptical(rules.harm_prior_rate, rules.harm_prior_people)
    return [
        gate_ceiling(name, events, people, ceiling, prior=prior, people_min=rules.people_min, pass_at=rules.pass_at, fail_at=rules.fail_at)
        for name, events, people, ceiling in (
            ("opt-outs", counts.opted_out, counts.reached, most.opt_outs_max),
            ("undeliverable", counts.undeliverable, counts.accepted, most.undeliverable_max),
            ("limited", counts.limited, counts.accepted, most.limited_max),
        )
    ]


# ------------------------------------------------------------------ holds


async def hold_bad_sources(conn: Connection, *, policy: Policy, at: datetime) -> list[str]:
    """Hold the sources that do badly, with an alert each; returns those that are held since now. Counts the days that are due first."""
    await count_days(conn, policy=policy, at=at)
    new: list[str] = []
    for one in await judge_sources(conn, policy=policy, at=at):
        if one.counts.age != ALL_AGES or one.verdict is not Verdict.FAIL or one.held is not None:
            continue
        source = one.counts.source
        reason = "; ".join(gate.sentence for gate in _gates(one.counts, policy) if gate.verdict is Verdict.FAIL)
        if await store.hold_source(conn, source, reason=reason, by="policy", at=at):
            new.append(source)
            await _tell(conn, source, f"Nobody of the source {source!r} is planned for any more: {reason}", at=at)
            await record_act(conn, at=at, who="policy", what="source held", target=f"source:{source}", why=reason)
    return new


async def _tell(conn: Connection, source: str, text: str, *, at: datetime) -> None:
    mend = f"{text}. Look where its people agreed; `warmer consents release SOURCE --why …` lets it go on"
    await platform.add_alerts(conn, [Alert(rule=RULE, level="warning", text=mend, open_key=_key(source), at=at)])


def _key(source: str) -> str:
    return f"{RULE}:{source}"[:200]


async def hold_by_hand(conn: Connection, source: str, *, by: str, why: str, at: datetime) -> None:
    """A person holds a source. Raises Conflict when it is held already."""
    if not await store.hold_source(conn, source, reason=why, by=by, at=at):
        raise Conflict(f"the source {source!r} is held already", mend="`warmer consents quality` shows why")
    await record_act(conn, at=at, who=by, what="source held", target=f"source:{source}", why=why)


async def release_source(conn: Connection, source: str, *, by: str, why: str, at: datetime) -> int:
    """A person lets a source go on: what it did until now does not count again. Returns how many people it is about. Raises NotFound."""
    if not await store.release_source(conn, source, by=by, why=why, at=at):
        raise NotFound(f"no source {source!r} is held", mend="`warmer consents quality` lists those that are")
    await platform.close_alerts(conn, [_key(source)], by=by, at=at)
    await record_act(conn, at=at, who=by, what="source released", target=f"source:{source}", why=why)
    return await store.count_people(conn, source)
