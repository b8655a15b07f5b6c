"""Why not now: the binding constraint and the earliest allowed moment; and how a chip came to stand as it does."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from julia_warmer.core.model import Change, Phase
from julia_warmer.engine.explain import WhyNot, explain_chip, why_not_now
from julia_warmer.engine.review import review
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import STANDARD, Fleet, add_campaign, add_fleet, add_people, add_template
from tests.engine.outgoing import add

pytestmark = pytest.mark.pg15

AT = datetime(2026, 6, 1, 14, 0, tzinfo=UTC)  # a Monday, 11:00 in São Paulo
PHONE = "+55 11 98000-0000"
DAY = timedelta(days=1)


async def why(db: Database, *, at: datetime = AT, phone: str = PHONE, holidays: frozenset[date] = frozenset()) -> WhyNot:
    async with transaction(db.pool) as conn:
        return await why_not_now(conn, phone, at=at, policy=STANDARD, holidays=holidays)


@pytest.fixture
async def fleet(db: Database) -> Fleet:
    """One chip with a budget, one campaign, one person who may be written to now."""
    async with db.pool.acquire() as conn:
        made = await add_fleet(conn, at=AT)
        await add_template(conn, made)
        await add_campaign(conn, made)
        await add_people(conn, 1)
    return made


async def test_nothing_stands_in_the_way(db: Database, fleet: Fleet) -> None:
    answer = await why(db)
    assert (answer.binding, answer.earliest_at, answer.chip, answer.campaign) == (None, AT, "one-1", "shifts")


async def test_nobody_is_known_by_this_number(db: Database, fleet: Fleet) -> None:
    answer = await why(db, phone="+55 31 98765-4321")
    assert answer.contact_id is None
    assert answer.binding is not None
    assert answer.binding.name == "consent"


async def test_the_number_is_found_however_it_is_written(db: Database, fleet: Fleet) -> None:
    assert (await why(db, phone="551180000000")).contact_id == (await why(db)).contact_id


NEVER = {
    "stopped": "update contacts set stopped_at = $1",
    "suppression": "insert into suppressions (phone_key, purpose, source, at) select phone_key, 'marketing', 'word', $1 from contacts",
    "consent": "update contacts set may_marketing = false, updated_at = $1",
    "switch": "update contacts set platform_stopped_at = $1",
    "undeliverable": "update contacts set undeliverable_at = $1",
    "campaign": "update campaigns set status = 'paused', created_at = $1",
    "template": "update templates set status = 'PAUSED', synced_at = $1",
    "chip": "update chips set status = 'retired', decided_at = $1",
    "stop": "insert into stops (scope, reason, by, at) values ('everything', 'enough', 'ana', $1)",
}


@pytest.mark.parametrize("name", NEVER)
async def test_what_does_not_end_by_itself_binds_and_no_moment_is_promised(db: Database, fleet: Fleet, name: str) -> None:
    await db.pool.execute(NEVER[name], AT)
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == (name, None)


async def test_no_campaign_draws_from_this_audience(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update contacts set audience = 'others'")
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == ("campaign", None)


TOMORROW_9 = datetime(2026, 6, 2, 12, 0, tzinfo=UTC)
LATER = {
    "cooldown": ("update contacts set cooldown_until = $1::timestamptz + interval '3 days'", AT + 3 * DAY),
    "cap": ("update contacts set next_marketing_at = $1::timestamptz + interval '30 hours'", AT + timedelta(hours=30)),
    "throttle": (
        "insert into throttles (scope, target_id, until_at, code, since) values ('app', 0, $1::timestamptz + interval '1 hour', 4, $1)",
        AT + timedelta(hours=1),
    ),
    "budget": ("update chips set budget_day_max = 0, decided_at = $1", TOMORROW_9),
    "chip": (
        "update chips set status = 'paused', paused_from = 'warming', pauses = jsonb_build_array(jsonb_build_object("
        "'reason', 'errors', 'since', $1::timestamptz, 'until', $1::timestamptz + interval '2 days', 'hard', false, 'source', 'rule'))",
        AT + 2 * DAY,
    ),
}


@pytest.mark.parametrize("name", LATER)
async def test_what_ends_by_itself_names_the_earliest_moment(db: Database, fleet: Fleet, name: str) -> None:
    sql, earliest_at = LATER[name]
    await db.pool.execute(sql, AT)
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == (name, earliest_at)


@pytest.mark.parametrize(
    ("at", "earliest_at", "holidays"),
    [
        (datetime(2026, 6, 1, 11, 0, tzinfo=UTC), datetime(2026, 6, 1, 12, 0, tzinfo=UTC), frozenset()),  # eight in the morning
        (datetime(2026, 6, 6, 20, 0, tzinfo=UTC), datetime(2026, 6, 8, 12, 0, tzinfo=UTC), frozenset()),  # Saturday evening
        (AT, TOMORROW_9, frozenset({date(2026, 6, 1)})),
    ],
)
async def test_closed_hours_name_the_next_open_moment(
    db: Database, fleet: Fleet, at: datetime, earliest_at: datetime, holidays: frozenset[date]
) -> None:
    answer = await why(db, at=at, holidays=holidays)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == ("hours", earliest_at)


async def test_of_several_the_last_to_end_binds_and_the_moment_is_an_open_one(db: Database, fleet: Fleet) -> None:
    midnight = datetime(2026, 6, 3, 3, 0, tzinfo=UTC)
    await db.pool.execute("update contacts set cooldown_until = $1, next_marketing_at = $2", AT + timedelta(hours=1), midnight)
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == ("cap", midnight + timedelta(hours=9))
    assert [one.name for one in answer.obstacles] == ["cooldown", "cap"]


async def test_a_planned_message_is_named_with_its_moment(db: Database, fleet: Fleet) -> None:
    await send(db, fleet, state="planned", due_at=AT + timedelta(hours=2))
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == ("underway", AT + timedelta(hours=2))


@pytest.mark.parametrize(("repeat_after_d", "earliest_at"), [(None, None), (10, AT + 2 * DAY)])
async def test_a_campaign_that_has_reached_the_person(
    db: Database, fleet: Fleet, repeat_after_d: int | None, earliest_at: datetime | None
) -> None:
    await db.pool.execute("update campaigns set repeat_after_d = $1", repeat_after_d)
    await send(db, fleet, state="read", accepted_at=AT - 8 * DAY, due_at=AT - 8 * DAY)
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == ("reached", earliest_at)


async def test_another_campaign_may_still_write(db: Database, fleet: Fleet) -> None:
    await send(db, fleet, state="read", accepted_at=AT - 8 * DAY, due_at=AT - 8 * DAY)
    async with db.pool.acquire() as conn:
        await add_campaign(conn, fleet, "news", priority=200)
    answer = await why(db)
    assert (answer.campaign, answer.binding) == ("news", None)


async def test_a_full_portfolio_waits_for_the_first_slot(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update portfolios set messaging_limit = 1")
    async with db.pool.acquire() as conn:
        [other] = await add_people(conn, 1, first=5)
    sent = await send(db, fleet, person=other, state="delivered", accepted_at=AT, due_at=AT)
    await db.pool.execute("insert into budget_uses values ($1, $2, $3, $4, $5)", sent, fleet.portfolio, other, AT, AT + timedelta(hours=24))
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == ("portfolio", AT + timedelta(hours=24))


async def test_utility_has_a_cap_of_its_own(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, at=AT)
        await add_template(conn, fleet, category="UTILITY")
        await add_campaign(conn, fleet, purpose="utility", repeat_after_d=0)
        await add_people(conn, 1, may_marketing=False, may_utility=True, next_marketing_at=AT + 5 * DAY)
    assert (await why(db)).binding is None
    for hours in (20, 3):
        await send(db, fleet, purpose="utility", state="read", accepted_at=AT - timedelta(hours=hours), due_at=AT)
    answer = await why(db)
    assert answer.binding is not None
    assert (answer.binding.name, answer.earliest_at) == ("cap", AT + timedelta(hours=4))  # a day after the first of the two


async def send(db: Database, fleet: Fleet, *, person: int | None = None, state: str, due_at: datetime, **more: Any) -> int:
    async with db.pool.acquire() as conn:
        person = person or await conn.fetchval("select id from contacts order by id limit 1")
        values = {"purpose": "marketing", "plan_day": due_at.date(), "planned_at": due_at, "expires_at": due_at + DAY, **more}
        campaign = await conn.fetchval("select id from campaigns order by id limit 1")
        return await add(
            conn,
            "sends",
            chip_id=fleet.chips[0],
            portfolio_id=fleet.portfolio,
            contact_id=person,
            campaign_id=campaign,
            kind="campaign",
            state=state,
            due_at=due_at,
            **values,
        )


# ------------------------------------------------------------------ chips


async def test_a_chip_is_explained_by_its_last_decision_and_what_changed_before(db: Database, fleet: Fleet) -> None:
    chip = fleet.chips[0]
    async with transaction(db.pool) as conn:
        assert await explain_chip(conn, chip, at=AT, policy=STANDARD) is None
        await review(conn, at=AT, policy=STANDARD)
        await conn.execute("update chips set quality = 'RED', look_again_at = $1", AT + DAY)
        await review(conn, at=AT + DAY, policy=STANDARD)
        then = await explain_chip(conn, chip, at=AT + timedelta(hours=1), policy=STANDARD)
        now = await explain_chip(conn, chip, at=AT + 2 * DAY, policy=STANDARD)
    assert then is not None
    assert now is not None
    assert then.changes == ()
    assert then.decision.budget.binding
    assert now.decision.changes == (Change.PAUSED,)
    assert [(change.at, change.changes, change.phase) for change in now.changes] == [(AT + DAY, ("paused",), Phase.EXPANSION)]
    assert "platform quality RED" in now.changes[0].reasons
    total = now.why.base + sum(term.points for term in now.decision.health.terms)
    assert now.decision.health.score == int(min(100.0, max(0.0, total)) + 0.5)
    assert now.snapshot.chip == "one-1"
