"""Who is to blame, from the live tables: what became of messages by list, template and source, as the snapshot counted them."""

from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.engine.blame import blame_chip
from julia_warmer.engine.explain import explain_chip
from julia_warmer.engine.review import review
from julia_warmer.store import blame as store
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, Fleet, add_campaign, add_fleet, add_people, add_template
from tests.engine.outgoing import add

pytestmark = pytest.mark.pg15

HOUR = timedelta(hours=1)

# what was sent: chip, list, template, source; messages, replies, opt-outs, undeliverable; hours ago, one a minute
SENT: tuple[tuple[int, str, str, str, int, int, int, int, int], ...] = (
    (0, "fresh", "shifts", "form", 60, 24, 0, 0, 50),
    (0, "fresh", "promo_7", "form", 40, 2, 8, 1, 45),
    (0, "old", "shifts", "fair", 30, 9, 1, 2, 6),
    (1, "fresh", "shifts", "form", 60, 22, 1, 0, 40),
)


async def fill(conn: Any) -> Fleet:
    """Sends of two chips, and the counts that an intake makes of them."""
    fleet = await add_fleet(conn, chips=2, phase_since=AT - 90 * HOUR, eligible_people=100)
    templates = {name: await add_template(conn, fleet, name) for name in ("shifts", "promo_7")}
    campaign = await add_campaign(conn, fleet, template="shifts")
    first = 0
    for chip, audience, template, source, messages, replies, opt_outs, gone, ago in SENT:
        people = await add_people(conn, messages, first=first, audience=audience)
        first += messages
        sent_at = AT - ago * HOUR
        rows = [
            (
                fleet.chips[chip],
                fleet.portfolio,
                person,
                campaign,
                templates[template],
                "failed" if n >= messages - gone else "delivered",
                131026 if n >= messages - gone else None,
                sent_at + timedelta(minutes=n),
                sent_at + HOUR if n < replies else None,
                sent_at + HOUR if replies <= n < replies + opt_outs else None,
            )
            for n, person in enumerate(people)
        ]
        await conn.executemany(
            """insert into sends (chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, state, code, plan_day,
                                  cap_day, planned_at, due_at, expires_at, accepted_at, replied_at, opted_out_at)
               select $1, $2, $3, $4, $5, 'campaign', 'marketing', $6, $7, ($8::timestamptz)::date, ($8::timestamptz)::date,
                      $8, $8, $8, $8, $9, $10""",
            rows,
        )
        for person in people:
            await add(
                conn,
                "consents",
                contact_id=person,
                purpose="marketing",
                act="granted",
                source=source,
                private=b"sealed",
                at=sent_at - HOUR,
                recorded_at=sent_at - HOUR,
                recorded_by="test",
            )
    await conn.execute(
        """insert into chip_counts (chip_id, hour, accepted, reached, delivered, replied, opted_out, undeliverable)
           select chip_id, date_trunc('hour', accepted_at, 'UTC'), count(*), count(*) filter (where state = 'delivered'),
                  count(*) filter (where state = 'delivered'), count(replied_at), count(opted_out_at), count(code)
           from sends group by 1, 2"""
    )
    await conn.execute("insert into chip_days (chip_id, day, accepted) select id, $1, 50 from chips", AT.date() - timedelta(days=2))
    return fleet


async def test_cells_add_up_to_what_the_snapshot_counted(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet = await fill(conn)
        (snapshot, _) = (await review(conn, at=AT, policy=STANDARD)).snapshots
        cells = await store.list_cells(conn, fleet.chips[:1], since=AT - 90 * HOUR)
        found = await blame_chip(conn, snapshot, STANDARD)
    old = [cell for cell in cells if cell.hour < int((AT - 24 * HOUR).timestamp()) // 3600]
    for name in ("accepted", "reached", "replied", "opted_out", "undeliverable"):
        assert sum(getattr(cell, name) for cell in old) == getattr(snapshot.phase_matured, name), name
    by_template = {one.name: one.sends for one in found.without if one.kind == "template"}
    assert by_template["promo_7"] == 40
    assert sum(cell.accepted for cell in cells) == 130


async def test_the_score_without_the_bad_template_is_told_and_it_is_the_suspect(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet = await fill(conn)
        await review(conn, at=AT, policy=STANDARD)
        told = await explain_chip(conn, fleet.chips[0], at=AT, policy=STANDARD)
    assert told is not None
    best = told.blamed.without[0]
    assert (best.kind, best.name) == ("template", "promo_7")
    assert best.score > told.decision.health.score
    assert best.sentence.startswith(f"without template promo_7 it would be {best.score} (8 of 39 opted out")
    for split in told.blamed.splits:
        assert (split.suspects[0].kind, split.suspects[0].name) == ("template", "promo_7"), split.signal
    assert {one.kind for one in told.blamed.splits[0].suspects} >= {"template"}


async def test_a_chip_that_sent_nothing_blames_nobody(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn)
        await review(conn, at=AT, policy=STANDARD)
        told = await explain_chip(conn, fleet.chips[0], at=AT, policy=STANDARD)
    assert told is not None
    assert (told.blamed.without, told.blamed.splits[0].suspects) == ((), ())
