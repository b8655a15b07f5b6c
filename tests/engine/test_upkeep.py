"""What the platform does not push is asked by the clock, of the sandbox over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from julia_warmer.cloud.client import Limits
from julia_warmer.engine.upkeep import Polled, Synced, ensure_partitions, poll, sync_templates, tidy_up
from julia_warmer.sandbox.spec import TemplateSpec
from julia_warmer.store.db import transaction
from julia_warmer.store.seal import Seal
from tests.conftest import Database
from tests.engine.outgoing import AT, add, add_person, add_send
from tests.engine.sending import Line, opened

pytestmark = pytest.mark.pg15

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def line(db: Database) -> AsyncIterator[Line]:
    """Two chips in expansion, their account and its template in the sandbox."""
    async with opened(db, chips=2) as opened_line:
        await db.pool.execute("update chips set look_again_at = $1, decided_at = $2, quality_at = $2", AT + timedelta(hours=4), AT)
        yield opened_line


async def chip(db: Database, nth: int = 0) -> Any:
    return (await db.pool.fetch("select * from chips order by id"))[nth]


async def alerts(db: Database) -> dict[str, str]:
    """Open alerts: rule and text."""
    return {row["rule"]: row["text"] for row in await db.pool.fetch("select rule, text from alerts where closed_at is null")}


async def test_a_poll_reads_quality_status_name_limit_health_pin_and_profile(db: Database, line: Line) -> None:
    await db.pool.execute("update portfolios set messaging_limit = null")
    line.sandbox.bench.world.set_quality("pn-one-0", "GREEN", at=AT)
    assert await poll(line.parts, at=AT) == Polled(accounts=1, changed=2)
    row = await chip(db)
    assert (row["quality"], row["quality_at"], row["phone_status"], row["name_status"]) == ("GREEN", AT, "CONNECTED", "APPROVED")
    assert row["pin_set"] is True
    assert row["profile_read_at"] == AT
    assert row["look_again_at"] == AT
    assert await db.pool.fetchval("select messaging_limit from portfolios") == 2000
    account = await db.pool.fetchrow("select health, polled_at from accounts")
    assert (account["health"], account["polled_at"]) == ("AVAILABLE", AT)


async def test_an_account_is_read_again_only_after_its_time(db: Database, line: Line) -> None:
    assert (await poll(line.parts, at=AT)).accounts == 1
    assert (await poll(line.parts, at=AT + MINUTE)).accounts == 0
    assert await poll(line.parts, at=AT + 2 * MINUTE) == Polled(accounts=1)


async def test_a_fall_to_red_pauses_the_chip_in_the_same_step(db: Database, line: Line) -> None:
    await poll(line.parts, at=AT)
    await add_send(db.pool, line.fleet, await add_person(db.pool, 1), due_at=AT + timedelta(hours=1))
    line.sandbox.bench.world.set_quality("pn-one-0", "RED", at=AT)
    polled = await poll(line.parts, at=AT + 3 * MINUTE)
    assert (polled.changed, polled.paused) == (1, 1)
    row = await chip(db)
    assert (row["status"], row["paused_from"], row["budget_day_max"]) == ("paused", "warming", 0)
    assert [pause["reason"] for pause in row["pauses"]] == ["platform quality RED"]
    assert await line.states() == {"cancelled": 1}
    assert "platform quality RED" in (await alerts(db))["paused"]
    assert (await chip(db, 1))["status"] == "warming"


async def test_a_number_that_is_not_connected_pauses_and_one_that_is_banned_is_over(db: Database, line: Line) -> None:
    await poll(line.parts, at=AT)
    line.sandbox.bench.world.chips["pn-one-0"].status = "FLAGGED"
    line.sandbox.bench.world.chips["pn-one-1"].status = "BANNED"
    assert (await poll(line.parts, at=AT + 3 * MINUTE)).paused == 2
    assert [(await chip(db, n))["status"] for n in (0, 1)] == ["paused", "banned"]


async def test_a_number_that_is_not_listed_any_more_pauses(db: Database, line: Line) -> None:
    await poll(line.parts, at=AT)
    await db.pool.execute("update chips set phone_number_id = 'pn-elsewhere' where id = $1", line.fleet.chips[0])
    assert (await poll(line.parts, at=AT + 3 * MINUTE)).paused == 1
    row = await chip(db)
    assert (row["phone_status"], row["status"]) == ("MISSING", "paused")


async def test_yellow_is_seen_by_the_next_review_and_pauses_nothing_by_itself(db: Database, line: Line) -> None:
    await poll(line.parts, at=AT)
    await db.pool.execute("update chips set look_again_at = $1", AT + timedelta(hours=4))
    line.sandbox.bench.world.set_quality("pn-one-0", "YELLOW", at=AT)
    assert (await poll(line.parts, at=AT + 3 * MINUTE)).paused == 0
    row = await chip(db)
    assert (row["quality"], row["status"], row["look_again_at"]) == ("YELLOW", "warming", AT + 3 * MINUTE)
    assert (await chip(db, 1))["look_again_at"] == AT + timedelta(hours=4)


async def test_a_word_of_a_webhook_that_came_later_stays(db: Database, line: Line) -> None:
    await db.pool.execute("update chips set quality = 'RED', quality_at = $1", AT + MINUTE)
    await poll(line.parts, at=AT)
    assert (await chip(db))["quality"] == "RED"


async def test_profiles_are_read_more_rarely_and_empty_ones_sooner(db: Database, line: Line) -> None:
    await poll(line.parts, at=AT)
    first, second = line.fleet.chips
    await db.pool.execute("update chips set profile_filled = true where id = $1", first)
    await db.pool.execute("update chips set profile_filled = false where id = $1", second)
    await poll(line.parts, at=AT + timedelta(hours=2))
    assert [(await chip(db, n))["profile_read_at"] for n in (0, 1)] == [AT, AT + timedelta(hours=2)]
    await poll(line.parts, at=AT + timedelta(hours=25))
    assert (await chip(db))["profile_read_at"] == AT + timedelta(hours=25)


async def test_an_invalid_token_stops_the_account_and_is_told(db: Database, line: Line) -> None:
    line.sandbox.bench.tokens.clear()
    assert await poll(line.parts, at=AT) == Polled(accounts=1, failed=1)
    stop = await db.pool.fetchrow("select scope, target_id, by from stops")
    assert (stop["scope"], stop["target_id"], stop["by"]) == ("account", line.fleet.account, "platform")
    assert set(await alerts(db)) == {"account poll", "account stopped"}
    assert await db.pool.fetchval("select polled_at from accounts") is None


async def test_a_platform_in_trouble_changes_nothing_and_the_alert_closes_when_it_is_well(db: Database, line: Line) -> None:
    line.faults({"what": "refuse", "route": "other", "code": 2, "http": 503})
    assert (await poll(line.parts, at=AT)).failed == 1
    assert "account poll" in await alerts(db)
    assert await db.pool.fetchval("select count(*) from stops") == 0
    line.faults()
    assert (await poll(line.parts, at=AT + MINUTE)).failed == 0
    assert await alerts(db) == {}


async def test_a_token_that_cannot_be_opened_is_told_and_nobody_is_asked(db: Database, line: Line) -> None:
    parts = replace(line.parts, seal=Seal(b"x" * 32))
    assert (await poll(parts, at=AT)).failed == 1
    assert "cannot be opened" in (await alerts(db))["account poll"]


async def test_an_account_that_may_send_nothing_is_told_with_the_reason(db: Database, line: Line) -> None:
    line.sandbox.bench.world.accounts["waba-one"].paid = False
    await poll(line.parts, at=AT)
    assert await db.pool.fetchval("select health from accounts") == "BLOCKED"
    assert "account blocked" in await alerts(db)
    line.sandbox.bench.world.accounts["waba-one"].paid = True
    await poll(line.parts, at=AT + 3 * MINUTE)
    assert await alerts(db) == {}


async def test_a_chip_that_was_never_started_is_read_and_not_reviewed(db: Database, line: Line) -> None:
    await db.pool.execute("update chips set status = 'pending', phase = 'setup', look_again_at = null")
    await poll(line.parts, at=AT)
    assert (await chip(db))["pin_set"] is True
    assert (await chip(db))["look_again_at"] is None


# ------------------------------------------------------------------ templates


async def templates(db: Database) -> dict[str, str]:
    return {row["name"]: row["status"] for row in await db.pool.fetch("select name, status from templates order by name")}


async def test_a_sync_brings_new_templates_and_lets_those_go_that_are_not_listed(db: Database, line: Line) -> None:
    await add(
        db.pool, "templates", account_id=line.fleet.account, template_id="t-gone", name="gone", language="pt_BR", category="UTILITY",
        status="APPROVED", synced_at=AT,
    )  # fmt: skip
    bench = line.sandbox.bench
    bench.add_template(
        TemplateSpec(id="t-new", account="waba-one", name="new", category="UTILITY", components=({"type": "BODY", "text": "Oi"},))
    )
    assert await sync_templates(line.parts, at=AT) == Synced(accounts=1, changed=2)
    assert await templates(db) == {"gone": "DELETED", "new": "APPROVED", "shift_invite": "APPROVED"}
    assert await sync_templates(line.parts, at=AT + MINUTE) == Synced(accounts=1)
    assert (await sync_templates(line.parts, at=AT + 2 * MINUTE, max_age_s=600)).accounts == 0


async def test_a_paused_template_is_told_until_it_is_approved_again(db: Database, line: Line) -> None:
    await sync_templates(line.parts, at=AT)
    line.sandbox.bench.world.pause_template("t-one", at=AT, until=None)
    assert (await sync_templates(line.parts, at=AT + MINUTE)).changed == 1
    assert await templates(db) == {"shift_invite": "PAUSED"}
    assert await db.pool.fetchval("select paused_at from templates") == AT + MINUTE
    assert "shift_invite" in (await alerts(db))["template"]
    assert (await chip(db))["look_again_at"] == AT + MINUTE
    line.sandbox.bench.world.templates["t-one"].status = "APPROVED"
    await sync_templates(line.parts, at=AT + 2 * MINUTE)
    assert await alerts(db) == {}


async def test_every_page_of_a_long_listing_is_read(db: Database, line: Line) -> None:
    for n in range(250):
        line.sandbox.bench.add_template(
            TemplateSpec(id=f"t-{n}", account="waba-one", name=f"form_{n}", components=({"type": "BODY", "text": "Oi"},))
        )
    assert (await sync_templates(line.parts, at=AT)).changed == 250
    assert await db.pool.fetchval("select count(*) from templates where status = 'APPROVED'") == 251


async def test_a_listing_that_is_not_complete_changes_nothing(db: Database) -> None:
    async with opened(db, limits=Limits(pages=1)) as line:
        for n in range(150):
            line.sandbox.bench.add_template(
                TemplateSpec(id=f"t-{n}", account="waba-one", name=f"form_{n}", components=({"type": "BODY", "text": "Oi"},))
            )
        assert await sync_templates(line.parts, at=AT) == Synced(accounts=1, failed=1)
        assert await templates(db) == {"shift_invite": "APPROVED"}


# ------------------------------------------------------------------ the house


async def test_the_months_around_a_moment_are_made_by_a_role_that_owns_no_table(db: Database) -> None:
    async with transaction(db.pool) as conn:
        await ensure_partitions(conn, at=datetime(2026, 1, 31, 23, 0, tzinfo=UTC))
        await ensure_partitions(conn, at=datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    names = await db.pool.fetchval(
        "select array_agg(inhrelid::regclass::text order by 1) from pg_inherits where inhparent = 'events'::regclass"
    )
    assert names == ["events_202512", "events_202601", "events_202602"]


async def test_old_traces_of_jobs_are_forgotten(db: Database) -> None:
    for days, status in ((8, "failed"), (8, "queued"), (1, "failed")):
        await db.pool.execute(
            "insert into pgqueuer (priority, status, entrypoint, updated) values (0, $1::pgqueuer_status, 'plan', $2)",
            status,
            AT - timedelta(days=days),
        )
        await db.pool.execute(
            "insert into pgqueuer_log (job_id, status, priority, entrypoint, created) values (1, 'successful', 0, 'plan', $1)",
            AT - timedelta(days=days),
        )
    async with transaction(db.pool) as conn:
        await tidy_up(conn, at=AT)
    assert await db.pool.fetchval("select count(*) from pgqueuer") == 2
    assert await db.pool.fetchval("select count(*) from pgqueuer_log") == 1
