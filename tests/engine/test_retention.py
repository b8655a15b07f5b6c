"""Old rows are forgotten after the days that the settings say; what still matters is kept however old it is."""

from datetime import timedelta

import pytest

from julia_warmer.config import Settings
from julia_warmer.engine.retention import forget_old
from julia_warmer.store.db import transaction
from julia_warmer.store.facts import ensure_months
from julia_warmer.store.records import deflated
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.crowd import AT, add_fleet
from tests.engine.outgoing import add

pytestmark = pytest.mark.pg15

SETTINGS = Settings()
DAY = timedelta(days=1)


async def count(db: Database, table: str) -> int:
    return await db.pool.fetchval(f"select count(*) from {table}")


async def test_old_decisions_go_but_changes_and_how_a_chip_stands(db: Database):
    old = AT - DAY * (SETTINGS.keep_decisions_d + 1)
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, chips=2)
        for chip, at, changes in (
            (0, old, []),  # goes
            (0, old + timedelta(hours=4), ["advanced"]),
            (0, AT - DAY, []),
            (1, old, []),  # the last one about this chip
        ):
            values = {"policy": "standard@1", "status": "warming", "changes": changes, "record": deflated({"snapshot": {}, "decision": {}})}
            await add(conn, "decisions", chip_id=fleet.chips[chip], at=at, **values)
    assert (await forget_old(db.pool, at=AT, settings=SETTINGS)).rows["forget_decisions"] == 1
    assert await count(db, "decisions") == 3


async def test_scores_and_deliveries_go_by_their_age_and_an_unapplied_delivery_stays(db: Database):
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn)
        for days in (1, SETTINGS.keep_scores_d + 1):
            await conn.execute("insert into health_log (chip_id, at, score) values ($1, $2, 80)", fleet.chips[0], AT - DAY * days)
        old = AT - DAY * (SETTINGS.keep_deliveries_d + 1)
        for digest, received_at, applied_at in ((b"1", old, old), (b"2", old, None), (b"3", AT, AT)):
            await add(conn, "inbox", digest=digest, body=b"sealed", received_at=received_at, applied_at=applied_at)
    assert not (await forget_old(db.pool, at=AT, settings=SETTINGS)).more
    assert (await count(db, "health_log"), await count(db, "inbox")) == (1, 2)


async def test_days_of_chips_and_hours_of_the_fleet_go_by_their_age(db: Database):
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn)
        for days in (1, 31, SETTINGS.keep_days_d + 1):
            at = AT - DAY * days
            await conn.execute("insert into chip_days (chip_id, day, accepted) values ($1, $2, 1)", fleet.chips[0], at.date())
            await conn.execute("insert into fleet_counts select $1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1", at)
    forgotten = await forget_old(db.pool, at=AT, settings=SETTINGS)
    assert (forgotten.rows["forget_days"], forgotten.rows["forget_hours"]) == (1, 1)
    assert (await count(db, "chip_days"), await count(db, "fleet_counts")) == (2, 2)


async def test_words_go_before_what_they_led_to(db: Database):
    fleet = await given.add_fleet(db.pool)
    person = await given.add_person(db.pool, 1)
    for days in (SETTINGS.keep_messages_d - 1, SETTINGS.keep_messages_d + 1):
        at = AT - DAY * days
        await given.add_reply(db.pool, fleet, person, text="Bom dia", due_at=at, state="delivered")
        for nth, next_at in enumerate((None, at)):  # the second still waits for its webhook
            name = f"wamid.{days}.{nth}"
            await db.pool.execute(
                """insert into received (message_id, chip_id, contact_id, at, type, text, route_next_at)
                   values ($1, $2, $3, $4, 'text', $5, $6)""",
                name, fleet.chips[0], person, at, b"sealed", next_at,
            )  # fmt: skip
        await add(db.pool, "quarantine", at=AT - DAY * (SETTINGS.keep_deliveries_d + days - 180), kind="x", path="y", reason="z", item=b"s")
    rows = (await forget_old(db.pool, at=AT, settings=SETTINGS)).rows
    assert (rows["forget_received"], rows["forget_said"], rows["forget_quarantined"]) == (1, 1, 1)
    assert await count(db, "received") == 3
    bodies = [one["body"] for one in await db.pool.fetch("select body from sends order by due_at")]
    assert bodies == [{}, {"type": "text", "text": "Bom dia"}]


async def test_only_what_is_closed_goes(db: Database):
    old = AT - DAY * 2000
    for closed_at in (None, old):
        outcome = "done" if closed_at else None
        await add(
            db.pool,
            "requests",
            kind="access",
            person="h:1",
            received_at=old,
            due_at=old,
            recorded_by="ana",
            closed_at=closed_at,
            outcome=outcome,
        )
        await add(db.pool, "alerts", at=old, rule="request", level="warning", text="late", closed_at=closed_at)
    rows = (await forget_old(db.pool, at=AT, settings=SETTINGS)).rows
    assert (rows["forget_requests"], rows["forget_alerts"]) == (1, 1)


async def test_months_of_events_are_dropped_whole_once_all_of_them_is_old(db: Database):
    ended = AT - DAY * SETTINGS.keep_events_d
    async with transaction(db.pool) as conn:
        await ensure_months(conn, [ended - DAY * 62, ended - DAY * 31, ended, AT])
    assert (await forget_old(db.pool, at=AT, settings=SETTINGS)).months == 2
    assert (await forget_old(db.pool, at=AT, settings=SETTINGS)).months == 0
