"""People's requests: fifteen days from the day they came in, told in time, closed once, and emptied with their person."""

from datetime import datetime, timedelta

import pytest

from julia_warmer.engine.erasure import erase_person
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.engine.requests import Asked, Outcome, Request, close_request, list_requests, open_request, tell_pressing
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import NOW, SEAL, add_person, phone_of

db = scratch.db
DAY = timedelta(days=1)
PHONE = f"+55319{phone_of(0)[4:]}"


async def ask(db: Database, kind: Asked = Asked.ACCESS, *, received_at: datetime = NOW) -> int:
    async with transaction(db.pool) as conn:
        return await open_request(conn, PHONE, kind, said="write to ana@example.com", received_at=received_at, seal=SEAL, at=NOW, by="bia")


async def close(db: Database, request_id: int, *, at: datetime = NOW) -> None:
    async with transaction(db.pool) as conn:
        await close_request(conn, request_id, Outcome.DONE, answer="sent by mail", seal=SEAL, at=at, by="bia")


async def listed(db: Database, *, open_only: bool = True) -> list[Request]:
    async with transaction(db.pool) as conn:
        return await list_requests(conn, seal=SEAL, phone=PHONE, open_only=open_only, limit=9)


async def alerts(db: Database, at: datetime) -> list[str]:
    async with transaction(db.pool) as conn:
        await tell_pressing(conn, at=at)
    return [one["level"] for one in await db.pool.fetch("select level from alerts where closed_at is null order by id")]


async def test_the_clock_runs_from_the_day_the_request_came_in(db: Database):
    await add_person(db.pool)
    await ask(db, received_at=NOW - 2 * DAY)
    (one,) = await listed(db)
    assert (one.due_at, one.phone, one.said, one.recorded_by) == (NOW + 13 * DAY, PHONE, "write to ana@example.com", "bia")
    assert (one.is_late(NOW + 13 * DAY), one.is_late(NOW + 14 * DAY)) == (False, True)
    stored = await db.pool.fetchrow("select said, person from requests")
    assert b"ana@example.com" not in stored["said"]
    assert PHONE[-8:] not in stored["person"]


TOLD = """
    11  -
    13  warning
    15  critical
    40  critical
"""


async def test_a_request_is_told_before_it_is_late_and_when_it_is(db: Database):
    request_id = await ask(db)
    for line in TOLD.strip().splitlines():
        day, level = line.split()
        assert await alerts(db, NOW + int(day) * DAY) == ([] if level == "-" else [level]), line
    await close(db, request_id, at=NOW + 41 * DAY)
    assert await alerts(db, NOW + 42 * DAY) == []


@pytest.mark.parametrize("days", [-400, 1])
async def test_a_request_came_in_within_the_last_year(db: Database, days: int):
    with pytest.raises(Wrong, match="last year"):
        await ask(db, received_at=NOW + days * DAY)


async def test_a_request_is_closed_once_and_keeps_what_was_answered(db: Database):
    request_id = await ask(db)
    await close(db, request_id)
    (one,) = await listed(db, open_only=False)
    assert (one.outcome, one.answer, one.closed_by) == (Outcome.DONE, "sent by mail", "bia")
    with pytest.raises(Conflict, match="was closed"):
        await close(db, request_id)
    with pytest.raises(NotFound):
        await close(db, request_id + 1)


async def test_erasing_closes_the_request_for_it_and_empties_all_others(db: Database):
    await add_person(db.pool)
    await ask(db, Asked.ERASURE)
    await ask(db, Asked.ACCESS)
    assert await alerts(db, NOW + 16 * DAY) == ["critical", "critical"]
    async with transaction(db.pool) as conn:
        await erase_person(conn, PHONE, seal=SEAL, at=NOW + 16 * DAY, by="bia", why="asked")
    first, second = sorted(await listed(db, open_only=False), key=lambda one: one.id)
    assert (first.outcome, second.outcome) == (Outcome.DONE, None)
    assert (first.phone, first.said, second.phone, second.said) == (None, None, None, None)
    assert await alerts(db, NOW + 16 * DAY) == ["critical"]
