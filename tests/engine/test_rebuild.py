"""Snapshots counted again from stored sends and events: the fold makes of them what the database counted, and what is not so is named."""

from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.core.days import local_day
from julia_warmer.engine.rebuild import rebuild
from julia_warmer.engine.replay import Period
from julia_warmer.engine.review import review
from julia_warmer.store.db import transaction
from julia_warmer.store.facts import ensure_months
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, ZONE, Fleet, add_campaign, add_fleet, add_past, add_people, add_template

pytestmark = pytest.mark.pg15

AT_HAND = {STANDARD.version: STANDARD}
HOUR = timedelta(hours=1)


async def tell(conn: Any, fleet: Fleet, kind: str, at: Any, **more: Any) -> None:
    values = {"at": at, "kind": kind, "key": f"{kind} {more}", "chip_id": fleet.chips[0], "recorded_at": at, **more}
    columns, places = ", ".join(values), ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await conn.execute(f"insert into events ({columns}) values ({places})", *values.values())


async def lived(conn: Any) -> Fleet:
    """Two messages of the day before yesterday: one delivered, read and answered, one that nobody could take; and the review after it."""
    fleet = await add_fleet(conn, phase_since=AT - 90 * HOUR)
    await add_template(conn, fleet)
    campaign, people = await add_campaign(conn, fleet), await add_people(conn, 2)
    sent_at = AT - 45 * HOUR
    await add_past(conn, fleet, campaign, people, sent_at)
    sends = [row["id"] for row in await conn.fetch("select id from sends order by contact_id")]
    await ensure_months(conn, [sent_at])
    await tell(conn, fleet, "message_delivered", sent_at + HOUR, send_id=sends[0], contact_id=people[0])
    await tell(conn, fleet, "message_read", sent_at + 2 * HOUR, send_id=sends[0], contact_id=people[0])
    await tell(conn, fleet, "message_received", sent_at + 3 * HOUR, contact_id=people[0], value="text")
    await tell(conn, fleet, "message_failed", sent_at + HOUR, send_id=sends[1], contact_id=people[1], code=131026)
    await conn.execute(
        """insert into chip_counts (chip_id, hour, accepted, reached, delivered, read, replied, undeliverable, media)
           values ($1, $2, 2, 1, 1, 1, 1, 1, 1)""",
        fleet.chips[0],
        sent_at,
    )
    await conn.execute(
        "insert into chip_counts (chip_id, hour, received, conversations, media) values ($1, $2, 1, 1, 1)",
        fleet.chips[0],
        sent_at + 3 * HOUR,
    )
    await conn.execute(
        "insert into chip_days (chip_id, day, accepted, reachable) values ($1, $2, 2, 9)",
        fleet.chips[0],
        local_day(sent_at, ZONE),
    )
    return fleet


async def test_what_was_counted_is_what_the_fold_makes_of_the_events(db: Database) -> None:
    async with transaction(db.pool) as conn:
        await lived(conn)
        (snapshot,) = (await review(conn, at=AT, policy=STANDARD)).snapshots
        found = await rebuild(conn, Period(), at_hand=AT_HAND)
    assert (snapshot.phase_matured.replied, snapshot.phase_matured.undeliverable, snapshot.received_30d) == (1, 1, 1)
    assert (found.same, found.differ, found.first, found.not_at_hand) == (1, 0, None, 0)


async def test_a_count_that_no_event_explains_is_named(db: Database) -> None:
    async with transaction(db.pool) as conn:
        await lived(conn)
        await conn.execute("update chip_counts set replied = replied + 1 where accepted > 0")
        await review(conn, at=AT, policy=STANDARD)
        found = await rebuild(conn, Period(), at_hand=AT_HAND)
        gone = await rebuild(conn, Period(), at_hand={})
    assert found.differ == 1
    assert found.first is not None
    assert (found.first.chip, found.first.field, found.first.counted.replied, found.first.folded.replied) == (
        "one-1",
        "phase_matured",
        2,
        1,
    )
    assert (gone.same, gone.not_at_hand) == (0, 1)


async def test_what_was_written_down_after_a_decision_is_not_known_to_it(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet = await lived(conn)
        await review(conn, at=AT, policy=STANDARD)
        await tell(conn, fleet, "message_received", AT - 40 * HOUR, contact_id=None, value="image", recorded_at=AT + HOUR)
        found = await rebuild(conn, Period(), at_hand=AT_HAND)
    assert (found.same, found.differ) == (1, 0)
