"""What statuses do to sends and counts: in any order, however often, in whatever company."""

from datetime import timedelta
from itertools import permutations, product
from typing import Any
from uuid import UUID

import pytest

from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import (
    AT,
    NOW,
    add_fleet,
    add_out,
    add_person,
    apply,
    change,
    cohorts,
    hours,
    quarantined,
    row,
    status,
    statuses,
    webhook,
)

db = scratch.db

MINUTE = timedelta(minutes=1)


async def test_a_read_message_is_delivered_and_its_person_reached(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send = await add_out(db.pool, fleet, person, message_id="wamid.1")
    priced = {"pricing": {"category": "marketing", "type": "regular"}}
    done = await apply(
        db,
        statuses(status("sent", "wamid.1", AT + MINUTE, **priced)),
        statuses(status("delivered", "wamid.1", AT + 2 * MINUTE), status("read", "wamid.1", AT + 3 * MINUTE)),
    )
    assert (done.bodies, done.facts, done.new, done.quarantined) == (2, 3, 3, 0)
    found = await row(db, "sends", send)
    assert (found["state"], found["category"], found["pricing_type"]) == ("read", "marketing", "regular")
    assert [found[f"{what}_at"] - AT for what in ("sent", "delivered", "read")] == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "delivered": 1, "reached": 1, "read": 1}
    events = await db.pool.fetch("select kind, send_id, contact_id, chip_id, account_id from events order by at")
    assert [tuple(event) for event in events] == [
        (f"message_{what}", send, person, fleet.chips[0], fleet.account) for what in ("sent", "delivered", "read")
    ]
    person_row = await row(db, "contacts", person)
    assert person_row["wa_id"] == "553188000000"  # as the platform writes it
    assert (await row(db, "chips", fleet.chips[0]))["webhook_at"] == NOW
    assert (await row(db, "accounts", fleet.account))["webhook_at"] == NOW


FAILURES = """
    code     counts as        reachable
    131026   undeliverable    no
    131049   limited          later
    131048   failed           yes
    131047   failed           yes
    131056   -                yes
    130472   -                yes
    none     failed           yes
"""


@pytest.mark.parametrize("line", [line.split() for line in FAILURES.strip().splitlines()[1:]], ids=lambda line: line[0])
async def test_a_failure_counts_under_its_code(db: Database, line: list[str]):
    code, counted, reachable = line
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send = await add_out(db.pool, fleet, person, message_id="wamid.1")
    await apply(db, statuses(status("failed", "wamid.1", AT + MINUTE, code=int(code) if code != "none" else None)))
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, **({} if counted == "-" else {counted: 1})}
    found, contact = await row(db, "sends", send), await row(db, "contacts", person)
    assert (found["state"], found["failed_at"]) == ("failed", AT + MINUTE)
    assert (contact["undeliverable_at"] is None) == (reachable != "no")
    assert contact["cooldown_until"] == (AT + MINUTE + timedelta(hours=24) if reachable == "later" else None)
    slot = await db.pool.fetchval("select until_at from budget_uses where send_id = $1", send)
    assert slot == AT + MINUTE  # a failed message frees its slot
    assert await hours(db, fleet.chips[0], "spam") == (code == "131048")


ORDERS = [
    order for length in range(1, 5) for order in {tuple(some) for some in permutations(("sent", "delivered", "read", "failed"), length)}
]


@pytest.mark.pg15
async def test_every_order_of_statuses_ends_alike(db: Database):
    """R13 in small: all orders of one to four statuses, one delivery each; ends and counts agree with the set of statuses alone."""
    fleet = await add_fleet(db.pool, chips=2)
    times = {"sent": AT + MINUTE, "delivered": AT + 2 * MINUTE, "read": AT + 3 * MINUTE, "failed": AT + 4 * MINUTE}
    rounds: list[list[dict[str, Any]]] = [[] for _ in range(8)]
    sends: dict[tuple[str, ...], int] = {}
    for nth, order in enumerate(sorted(ORDERS)):
        person = await add_person(db.pool, nth)
        name = f"wamid.{'.'.join(order)}"
        sends[order] = await add_out(db.pool, fleet, person, message_id=name)
        for turn, what in enumerate((*order, *order)):  # and everything a second time
            rounds[turn].append(status(what, name, times[what], nth=nth, code=131026 if what == "failed" else None))
    for items in rounds:
        if items:
            await apply(db, statuses(*items))
    ends: dict[frozenset[str], set[tuple[Any, ...]]] = {}
    for order, send in sends.items():
        found = await row(db, "sends", send)
        contact = await row(db, "contacts", found["contact_id"])
        slot = await db.pool.fetchval("select until_at from budget_uses where send_id = $1", send)
        end = (
            *(found[name] for name in ("state", "sent_at", "delivered_at", "read_at", "failed_at", "code")),
            contact["undeliverable_at"],
            slot,
        )
        ends.setdefault(frozenset(order), set()).add(end)
    assert all(len(end) == 1 for end in ends.values()), ends
    states = {tuple(sorted(said)): next(iter(end))[0] for said, end in ends.items()}
    assert states == {said: expected(said) for said in states}
    wanted = [expected(order) for order in sends]
    assert await cohorts(db, fleet.chips[0]) == {
        "accepted": len(sends),
        "delivered": sum(state in ("delivered", "read") for state in wanted),
        "reached": sum(state in ("delivered", "read") for state in wanted),
        "read": wanted.count("read"),
        "undeliverable": wanted.count("failed"),
    }


def expected(said: Any) -> str:
    return next(state for state in ("read", "delivered", "failed", "sent") if state in said)


async def test_the_same_statuses_in_one_batch_and_in_many_count_once(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.1")
    delivered = status("delivered", "wamid.1", AT + MINUTE)
    body = statuses(*[delivered] * 50)
    done = await apply(db, body, body, statuses(delivered))
    assert (done.bodies, done.facts, done.new) == (2, 51, 1)
    assert await db.pool.fetchval("select deliveries from inbox order by id limit 1") == 2
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "delivered": 1, "reached": 1}


async def test_people_are_reached_once_in_a_week(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.1", first_in_week=False)
    await apply(db, statuses(status("read", "wamid.1", AT + MINUTE)))
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "delivered": 1, "read": 1}


async def test_a_reply_of_ours_is_in_no_cohort(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send = await add_out(db.pool, fleet, person, message_id="wamid.1", kind="reply", campaign_id=None, template_row=None)
    await apply(db, statuses(status("delivered", "wamid.1", AT + MINUTE)))
    assert (await row(db, "sends", send))["state"] == "delivered"
    assert await cohorts(db, fleet.chips[0]) == {}


async def test_a_slot_is_held_until_a_day_after_a_late_delivery(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send = await add_out(db.pool, fleet, person, message_id="wamid.1")
    late = AT + timedelta(hours=11)
    await apply(db, statuses(status("delivered", "wamid.1", late)), at=late + MINUTE)
    assert await db.pool.fetchval("select until_at from budget_uses where send_id = $1", send) == late + timedelta(hours=24)
    assert await db.pool.fetchval("select count(*) from slots_reopened") == 0


async def test_a_slot_that_was_over_and_is_held_again_has_its_portfolio_counted_anew(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.1")
    await apply(db, statuses(status("failed", "wamid.1", AT + MINUTE, code=131026)), at=AT + MINUTE)
    await apply(db, statuses(status("delivered", "wamid.1", AT + MINUTE)), at=AT + 2 * MINUTE)
    assert await db.pool.fetch("select portfolio_id from slots_reopened") == [(fleet.portfolio,)]


async def test_each_per_user_limit_doubles_the_wait_until_something_arrives(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    waits: list[float | None] = []
    for nth, what in enumerate(("failed", "failed", "failed", "delivered", "failed")):
        at = AT + timedelta(days=7 * nth)
        await add_out(db.pool, fleet, person, message_id=f"wamid.{nth}", at=at)
        await apply(db, statuses(status(what, f"wamid.{nth}", at, code=131049 if what == "failed" else None)), at=at + MINUTE)
        until = (await row(db, "contacts", person))["cooldown_until"]
        waits.append((until - at).total_seconds() / 3600 if until and until > at else None)
    assert waits == [24, 48, 96, None, 24]


async def test_a_delivery_after_all_ends_the_wait_that_its_failure_began(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.1")
    await apply(db, statuses(status("failed", "wamid.1", AT + MINUTE, code=131049)))
    await apply(db, statuses(status("delivered", "wamid.1", AT + 2 * MINUTE)))
    contact = await row(db, "contacts", person)
    assert (contact["cooldowns"], contact["cooldown_until"]) == (0, None)
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "delivered": 1, "reached": 1}


# ------------------------------------------------------------------ before the answer, and in its place


@pytest.mark.parametrize("state", ["calling", "unknown"])
async def test_a_status_with_our_id_settles_a_send_without_an_answer(db: Database, state: str):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send, attempt = await add_called(db, fleet, person, state)
    if state == "unknown":
        await db.pool.execute("insert into chip_counts (chip_id, hour, unknown) values ($1, $2, 1)", fleet.chips[0], AT)
    delivered = status("delivered", "wamid.1", AT + MINUTE, biz_opaque_callback_data=str(attempt))
    await apply(db, statuses(delivered))
    found = await row(db, "sends", send)
    assert (found["state"], found["message_id"], found["accepted_at"]) == ("delivered", "wamid.1", AT + MINUTE)
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "delivered": 1, "reached": 1}
    assert await db.pool.fetchval("select send_id from events") == send
    assert (await row(db, "contacts", person))["chip_id"] == fleet.chips[0]


@pytest.mark.parametrize("state", ["planned", "failed", "cancelled"])
async def test_a_status_with_our_id_is_believed_more_than_we_are(db: Database, state: str):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send, attempt = await add_called(db, fleet, person, state)
    await apply(db, statuses(status("sent", "wamid.1", AT + MINUTE, biz_opaque_callback_data=str(attempt))))
    assert (await row(db, "sends", send))["state"] == "sent"


@pytest.mark.parametrize("state", ["calling", "unknown"])
async def test_a_status_without_our_id_waits_until_its_send_is_known(db: Database, state: str):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send, _ = await add_called(db, fleet, person, state)
    early = statuses(status("failed", "wamid.1", AT + MINUTE, code=131026), status("sent", "wamid.1", AT))
    assert (await apply(db, early)).new == 2
    assert await db.pool.fetch("select send_id, value from events") == [(None, "wamid.1")] * 2
    await db.pool.execute("update sends set state = 'accepted', accepted_at = $2, message_id = 'wamid.1' where id = $1", send, AT)
    await apply(db)
    found = await row(db, "sends", send)
    assert (found["state"], found["code"], found["sent_at"]) == ("failed", 131026, AT)
    assert await db.pool.fetch("select send_id, value from events") == [(send, None)] * 2
    assert await cohorts(db, fleet.chips[0]) == {"undeliverable": 1}
    await apply(db)
    assert await cohorts(db, fleet.chips[0]) == {"undeliverable": 1}


async def test_a_status_of_somebody_elses_message_is_kept_and_moves_nothing(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.1")
    done = await apply(
        db, statuses(status("read", "wamid.other", biz_opaque_callback_data="order-77"), status("read", "wamid.more", nth=5))
    )
    assert (done.new, done.quarantined) == (2, 0)
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1}
    assert await db.pool.fetch("select contact_id, send_id, value from events order by key") == [(None, None, None), (person, None, None)]


async def add_called(db: Database, fleet: Any, person: int, state: str) -> tuple[int, UUID]:
    """A send whose request was begun and never clearly answered."""
    send = await add_out(db.pool, fleet, person, message_id=None, state=state, accepted_at=None)
    attempt = await db.pool.fetchval(
        "insert into attempts (send_id, number, worker, began_at) values ($1, 1, 'one', $2) returning id", send, AT
    )
    return send, attempt


# ------------------------------------------------------------------ batches


@pytest.mark.parametrize(("position", "bad"), list(product((0, 149, 299), ("number", "time", "id"))))
async def test_one_bad_item_among_many_costs_only_itself(db: Database, position: int, bad: str):
    fleet = await add_fleet(db.pool)
    items: list[dict[str, Any]] = []
    async with db.pool.acquire() as conn, conn.transaction():
        for nth in range(299):
            person = await add_person(conn, nth, purposes=())
            await add_out(conn, fleet, person, message_id=f"wamid.{nth}")
            items.append(status("delivered", f"wamid.{nth}", AT + MINUTE, nth=nth))
    items.insert(position, BAD[bad])
    done = await apply(db, statuses(*items))
    assert (done.facts, done.new, done.quarantined) == (300, 299, 1)
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 299, "delivered": 299, "reached": 299}
    ((_, path, _),) = await quarantined(db)
    assert path == f"entry[0].changes[0].value.statuses[{position}]"


BAD = {
    "number": {"id": "wamid.bad", "status": 7},
    "time": status("delivered", "wamid.bad", AT - timedelta(days=9)),
    "id": {"status": "read", "timestamp": "1780322400"},
}


async def test_two_chips_in_one_delivery_are_kept_apart(db: Database):
    fleet = await add_fleet(db.pool, chips=2)
    for nth in (0, 1):
        person = await add_person(db.pool, nth)
        await add_out(db.pool, fleet, person, message_id=f"wamid.{nth}", chip=nth)
    body = webhook(
        change(chip=0, statuses=[status("read", "wamid.0", AT + MINUTE)]),
        change(chip=1, statuses=[status("failed", "wamid.1", AT + MINUTE, nth=1, code=131047)]),
    )
    assert (await apply(db, body)).new == 2
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "delivered": 1, "reached": 1, "read": 1}
    assert await cohorts(db, fleet.chips[1]) == {"accepted": 1, "failed": 1}


async def test_statuses_of_a_number_that_is_not_ours_are_kept(db: Database):
    await add_fleet(db.pool)
    body = webhook(change("foreign", statuses=[status("read", "wamid.0")]), waba="waba-foreign")
    done = await apply(db, body)
    assert (done.new, done.quarantined) == (1, 0)
    assert await db.pool.fetchval("select chip_id from events") is None
    assert await db.pool.fetchval("select count(*) from chip_counts") == 0


async def test_what_came_too_late_or_lies_ahead_is_set_aside(db: Database):
    await add_fleet(db.pool)
    late, ahead = status("read", "wamid.1", NOW - timedelta(days=8, hours=1)), status("read", "wamid.2", NOW + timedelta(days=2))
    done = await apply(db, statuses(late, ahead))
    assert (done.new, done.quarantined) == (0, 2)
    assert [reason for _, _, reason in await quarantined(db)] == ["came 8 days late", "lies in the future"]
