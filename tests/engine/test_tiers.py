"""What the plan for the next limit is told of a live portfolio: who was reached, who may be, what stands in a chip's way."""

from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.core.model import ChipStatus, Phase
from julia_warmer.core.tiers import Advice
from julia_warmer.engine import control
from julia_warmer.engine.errors import NotFound
from julia_warmer.engine.review import review
from julia_warmer.engine.tiers import PortfolioTier, open_shares, propose_tier
from julia_warmer.store import draws, tiers
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, ZONE, Fleet, add_campaign, add_fleet, add_past, add_people, add_template

pytestmark = pytest.mark.pg15

DAY = timedelta(days=1)
NOBODY = frozenset[Any]()


async def ask(conn: Any, fleet: Fleet, **given: Any) -> PortfolioTier:
    return await propose_tier(conn, fleet.portfolio, at=AT, policy=STANDARD, holidays=NOBODY, **given)


async def settled(conn: Any, chips: int, *, people: int = 3000, **more: Any) -> tuple[Fleet, int]:
    """Chips in operation that sent 100 a day last week, with a pool, decided on now."""
    values: dict[str, Any] = {"status": "active", "phase": "operation", "eligible_people": 3000, "portfolio_share": 1000, **more}
    fleet = await add_fleet(conn, chips=chips, **values)
    await add_template(conn, fleet)
    campaign = await add_campaign(conn, fleet)
    await add_people(conn, people)
    await conn.execute(
        """insert into chip_days (chip_id, day, accepted)
           select id, $2::date - n, 100 from unnest($1::bigint[]) as id, generate_series(2, 7) as n""",
        list(fleet.chips),
        AT.date(),
    )
    await review(conn, at=AT, policy=STANDARD)
    return fleet, campaign


async def test_a_fleet_near_its_limit_gets_a_plan_and_one_far_from_it_need_do_nothing(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet, _ = await settled(conn, 12)
        near = (await ask(conn, fleet)).proposal
        assert (near.advice, near.binds, near.limit) == (Advice.CONSIDER, None, 2000)
        assert near.days[-1].people >= 1000
        assert all(not day.messages for day in near.days if day.day.weekday() == 6)
        await conn.execute("update portfolios set messaging_limit = 10000")
        far = (await ask(conn, fleet)).proposal
        assert far.advice is Advice.NOTHING
        assert far.step is not None
        assert (far.step.to, far.step.people) == (100_000, 5000)


async def test_nothing_is_written_by_asking(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet, _ = await settled(conn, 2)
        before = [await conn.fetchval(f"select count(*) from {table}") for table in ("sends", "decisions", "audit_log", "alerts")]
        budgets = await conn.fetch("select id, budget_day_max, portfolio_share, look_again_at from chips order by id")
        await ask(conn, fleet)
        assert [await conn.fetchval(f"select count(*) from {table}") for table in ("sends", "decisions", "audit_log", "alerts")] == before
        assert await conn.fetch("select id, budget_day_max, portfolio_share, look_again_at from chips order by id") == budgets


async def test_each_person_reached_counts_once_on_the_day_of_the_last_delivery(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet, campaign = await settled(conn, 2, people=10)
        people = [row["id"] for row in await conn.fetch("select id from contacts order by id")]
        await add_past(conn, fleet, campaign, people[:4], AT - 3 * DAY)
        await add_past(conn, fleet, campaign, people[2:6], AT - 1 * DAY, chip=1)
        await add_past(conn, fleet, campaign, people[6:7], AT - 1 * DAY, state="failed", code=131026)
        await add_past(conn, fleet, campaign, people[7:8], AT - 8 * DAY)
        await conn.execute("update sends set cap_day = plan_day, delivered_at = case when state = 'delivered' then accepted_at end")
        since = AT - 7 * DAY
        rows = await tiers.list_reached(conn, fleet.portfolio, since=since, zone=ZONE)
        assert [(row.day, row.people) for row in rows] == [((AT - 3 * DAY).date(), 2), ((AT - 1 * DAY).date(), 4)]
        assert (await ask(conn, fleet)).proposal.reached_now == 6


PEOPLE = [
    pytest.param({}, 0, id="never written to"),
    pytest.param({"next_marketing_at": AT + 3 * DAY}, 3, id="free in three days"),
    pytest.param({"cooldown_until": AT + 2 * DAY, "next_marketing_at": AT + DAY}, 2, id="spared for two days"),
    pytest.param({"last_accepted_at": AT - 2 * DAY}, 5, id="counted until five days from now"),
    pytest.param({"last_accepted_at": AT - 20 * DAY}, 0, id="not counted any more"),
    pytest.param({"next_marketing_at": AT + 90 * DAY}, None, id="not within the horizon"),
    pytest.param({"stopped_at": AT}, None, id="asked to stop"),
    pytest.param({"questioned_at": AT}, None, id="may have asked to stop"),
    pytest.param({"undeliverable_at": AT}, None, id="cannot be reached"),
    pytest.param({"may_marketing": False}, None, id="without consent"),
    pytest.param({"audience": "others"}, None, id="of no campaign's audience"),
]


@pytest.mark.parametrize("mine", [False, True], ids=["of the pool", "of the chip"])
@pytest.mark.parametrize(("person", "ahead"), PEOPLE)
async def test_people_count_from_the_day_on_which_they_may_be_written_to_and_count_anew(
    db: Database, person: dict[str, Any], ahead: int | None, mine: bool
) -> None:
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn)
        await add_template(conn, fleet)
        await add_campaign(conn, fleet)
        values: dict[str, Any] = {"chip_id": fleet.chips[0]} if mine else {}
        await add_people(conn, 1, **person, **values)
        wells = await draws.list_wells(conn, fleet.chips)
        rows = await tiers.count_ahead(conn, wells, at=AT, today=AT.date(), zone=ZONE, days=7, horizon=60, most=100)
        told = [(row.chip_id, row.ahead, row.people) for row in rows]
        assert told == ([] if ahead is None else [(fleet.chips[0] if mine else None, ahead, 1)])


async def test_a_person_whom_the_campaign_has_reached_or_who_is_suppressed_is_not_counted(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn)
        await add_template(conn, fleet)
        campaign = await add_campaign(conn, fleet)
        people = await add_people(conn, 3)
        await add_past(conn, fleet, campaign, people[:1], AT - 30 * DAY)
        await conn.execute(
            "insert into suppressions (phone_key, purpose, source, at) select phone_key, 'all', 'word', $2 from contacts where id = $1",
            people[1],
            AT,
        )
        wells = await draws.list_wells(conn, fleet.chips)
        rows = await tiers.count_ahead(conn, wells, at=AT, today=AT.date(), zone=ZONE, days=7, horizon=60, most=100)
        assert [row.people for row in rows] == [1]


async def test_what_stands_in_a_chips_way_now_takes_it_out_and_low_quality_ends_the_plan(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet, _ = await settled(conn, 12)
        await control.pause_chip(conn, fleet.chips[0], by="ana", why="people complain", at=AT, policy=STANDARD)
        await conn.execute("update chips set phone_status = 'FLAGGED' where id = $1", fleet.chips[1])
        found = (await ask(conn, fleet)).proposal
        held = {one.chip_id: (sum(one.messages), one.why) for one in found.chips}
        assert held[fleet.chips[0]] == (0, ChipStatus.PAUSED.value)
        assert held[fleet.chips[1]] == (0, "the number is FLAGGED, not CONNECTED")
        assert held[fleet.chips[2]][1] is None
        await conn.execute("update templates set quality = 'YELLOW'")
        low = (await ask(conn, fleet)).proposal
        assert (low.advice, low.binds, low.days) == (Advice.MEND, "quality", ())
        assert "invite" in low.sentence


async def test_money_and_the_first_step_are_known(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet, _ = await settled(conn, 12, limit=250)
        first = (await ask(conn, fleet)).proposal
        assert (first.advice, first.binds) == (Advice.VERIFY, "verification")
        assert first.step is not None
        assert (first.step.people, first.step.days) == (2000, 30)
        await conn.execute("update portfolios set messaging_limit = 2000, spend_day_max = 35")
        await conn.execute("insert into prices (category, amount, currency, since) values ('marketing', 0.35, 'BRL', $1)", AT.date())
        poor = (await ask(conn, fleet)).proposal
        assert (poor.advice, poor.binds) == (Advice.NOTHING, "spend")


async def test_a_chip_without_a_decision_has_no_part_and_a_portfolio_must_be_there(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn, phase=Phase.EXPANSION)
        found = await ask(conn, fleet)
        assert (found.undecided, found.proposal.chips, found.proposal.advice) == (("one-1",), (), Advice.NOTHING)
        with pytest.raises(NotFound):
            await propose_tier(conn, 10_000, at=AT, policy=STANDARD, holidays=NOBODY)


def test_a_day_that_is_closed_or_over_leaves_nothing() -> None:
    early, noon, late = (open_shares(STANDARD.hours, ZONE, at=AT + timedelta(hours=h), holidays=NOBODY) for h in (0, 8.5, 15))
    assert (early[0], noon[0], late[0]) == (1.0, 0.5, 0.0)
    assert early[:7] == (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0)  # from a Monday to its Sunday
    assert open_shares(STANDARD.hours, ZONE, at=AT, holidays={(AT + DAY).date()})[1] == 0.0
