"""SQL counts what the fold counts: the one duplication that is allowed, held equal over random lives of a chip."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from julia_warmer.core.days import hour_of, local_day
from julia_warmer.core.events import (
    AccountRestricted,
    CallReceived,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    OptOutRequested,
    OptOutSource,
)
from julia_warmer.core.fold import NAMES, Tally
from julia_warmer.core.model import ChipState, ChipStatus, Phase
from julia_warmer.core.month import DAYS_BACK, hour_number
from julia_warmer.store import chips, months
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import STANDARD, add_fleet

pytestmark = pytest.mark.pg15

NOW = datetime(2026, 6, 20, 13, 37, 11, 250_000, tzinfo=UTC)
DAYS = 35
ZONES = ("America/Sao_Paulo", "America/Noronha", "Asia/Kolkata", "UTC")
CODES = (131026, 131049, 131048, 131000, 130429)


def live(tally: Tally, draw: random.Random) -> None:
    """A random life: sends in any hour, and whatever becomes of them, in the order of time."""
    facts: list[tuple[datetime, Any]] = []
    moments = sorted(NOW - timedelta(hours=draw.uniform(0, DAYS * 24)) for _ in range(draw.choice((0, 3, 40, 400))))
    for nth, at in enumerate(moments):
        person, message = f"p{draw.randrange(60)}", f"m{nth}"
        tally.accepted(at, person, message, held=draw.random() < 0.05)
        facts += [fact for fact in outcome(draw, at, person, message) if fact[0] <= NOW]
    for _, event in sorted(facts, key=lambda fact: fact[0]):
        tally.apply(event)
    for back in range(DAYS):
        if draw.random() < 0.6:
            tally.reachable(local_day(NOW, tally._zone) - timedelta(days=back), draw.randrange(40))
    if draw.random() < 0.5:
        tally.apply(AccountRestricted(at=NOW - timedelta(days=draw.uniform(0, 9)), value="ACCOUNT_VIOLATION"))
        tally.apply(CallReceived(at=NOW - timedelta(days=draw.uniform(0, 9)), call_id="c1", value="connect", answered=True))
        tally.unknown(NOW - timedelta(hours=3))


def outcome(draw: random.Random, at: datetime, person: str, message: str) -> list[tuple[datetime, Any]]:
    later = at + timedelta(minutes=draw.uniform(1, 3000))
    if draw.random() < 0.2:
        return [(later, MessageFailed(at=later, message_id=message, code=draw.choice(CODES)))]
    facts: list[tuple[datetime, Any]] = [(later, MessageDelivered(at=later, message_id=message))]
    if draw.random() < 0.6:
        facts.append((later, MessageRead(at=later + timedelta(minutes=1), message_id=message)))
    if draw.random() < 0.35:
        facts.append(
            (later, MessageReceived(at=later, message_id=f"in-{message}", phone=person, message_type=draw.choice(("text", "image"))))
        )
    if draw.random() < 0.05:
        facts.append((later, OptOutRequested(at=later, phone=person, source=OptOutSource.WORD, purpose="all")))
    return facts


Hours = dict[int, dict[str, int]]


def told_in_parts(draw: random.Random, hours: Hours) -> tuple[Hours, Hours]:
    """What is known of these hours early, and what late: differences, which may be negative (a failure that was none)."""
    early: Hours = {}
    late: Hours = {}
    for hour, counts in hours.items():
        share = draw.random()
        known = {name: n if share < 0.6 else draw.randrange(n + 2) for name, n in counts.items() if name != "media"}
        kinds = counts.get("media", 0) & draw.randrange(64)
        early[hour] = known | ({"media": kinds} if kinds else {})
        more = {name: counts[name] - n for name, n in known.items() if counts[name] != n}
        if counts.get("media", 0) != kinds:
            more["media"] = counts["media"]
        if more:
            late[hour] = more
    return early, late


async def add_hours(conn: Any, chip_id: int, hours: Hours) -> None:
    """Count these, as every writer does."""
    for hour, counts in hours.items():
        names, at = ["chip_id", "hour", *counts], datetime.fromtimestamp(hour * 3600, UTC)
        places = ", ".join(f"${n}" for n in range(1, len(names) + 1))
        sums = ", ".join(f"{name} = chip_counts.{name} {'|' if name == 'media' else '+'} excluded.{name}" for name in counts)
        act = f"update set {sums}" if sums else "nothing"
        into = f"insert into chip_counts ({', '.join(names)}) values ({places})"
        await conn.execute(f"{into} on conflict (chip_id, hour) do {act}", chip_id, at, *counts.values())


async def keep(conn: Any, chip_id: int, tally: Tally) -> Hours:
    """The tally's days as the tables hold them; its hours as they will. Its fields are private: nobody but this test may compare them."""
    hours: Hours = {hour: dict(zip(NAMES, row, strict=True)) for hour, row in zip(tally._hours, tally._rows, strict=True)}
    extra = {
        "received": tally._received,
        "spam": tally._spam,
        "warnings": tally._warnings,
        "calls": tally._calls,
        "conversations": tally._talks,
    }
    for column, found in extra.items():
        for hour in found:
            counts = hours.setdefault(hour, {})
            counts[column] = counts.get(column, 0) + (found[hour] if isinstance(found, dict) else 1)
    for media, hour in tally._media_at.items():
        hours.setdefault(hour, {})["media"] = hours.get(hour, {}).get("media", 0) | int(media)
    for day in sorted(tally._days.keys() | tally._reachable.keys()):
        await conn.execute(
            "insert into chip_days (chip_id, day, reachable, accepted) values ($1, $2, $3, $4)",
            chip_id,
            day,
            tally._reachable.get(day, 0),
            tally._days.get(day, 0),
        )
    return hours


async def fold(conn: Any, draw: random.Random) -> None:
    """As upkeep does, at another moment and with another age."""
    await months.add_months(conn)
    at = NOW - timedelta(hours=draw.uniform(0, 200))
    before = hour_of(at - timedelta(hours=draw.choice((0, 24, 100))))
    since = hour_number(at) - DAYS_BACK * 24
    await months.fold_months(conn, at=NOW, before=before, folded_before=NOW + timedelta(days=1), since=since, limit=100)


@pytest.mark.parametrize("folds", [0, 1, 3])
@pytest.mark.parametrize("seed", range(16))
async def test_a_snapshot_from_sql_is_the_one_that_the_fold_makes(db: Database, seed: int, folds: int) -> None:
    draw = random.Random(seed)
    evidence = replace(STANDARD.evidence, recent_sends=draw.choice((5, 50, 1000)), mature_h=draw.choice((24.0, 6.5)), fresh_h=2.0)
    async with transaction(db.pool) as conn:
        lives: dict[int, tuple[Tally, ChipState]] = {}
        told: dict[int, Hours] = {}
        for nth in range(6):
            state = ChipState(
                status=ChipStatus.WARMING,
                phase=Phase.EXPANSION,
                phase_since=NOW - timedelta(hours=draw.choice((1.0, 30.0, 200.0, 700.0))),
                rearmed_at=draw.choice((None, NOW - timedelta(hours=draw.uniform(0, 100)), NOW.replace(minute=0, second=0, microsecond=0))),
            )
            zone = draw.choice(ZONES)
            fleet = await add_fleet(conn, name=f"f{nth}", zone=zone, at=NOW, phase_since=state.phase_since, rearmed_at=state.rearmed_at)
            tally = Tally(zone)
            live(tally, draw)
            told[fleet.chips[0]] = await keep(conn, fleet.chips[0], tally)
            lives[fleet.chips[0]] = (tally, state)
        for _ in range(folds):
            for chip_id, hours in told.items():
                early, told[chip_id] = told_in_parts(draw, hours)
                await add_hours(conn, chip_id, early)
            await fold(conn, draw)
        for chip_id, hours in told.items():
            await add_hours(conn, chip_id, hours)
        dues = await chips.due_snapshots(conn, at=NOW, evidence=evidence, limit=100)
    assert [due.snapshot.chip_id for due in dues] == sorted(lives)
    for due in dues:
        tally, state = lives[due.snapshot.chip_id]
        expected = tally.counts(NOW, state=state, evidence=evidence)
        assert {name: getattr(due.snapshot, name) for name in expected} == dict(expected)
