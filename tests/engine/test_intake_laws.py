"""Laws of what comes in: counts agree with the simulator's for any history, in any order, in any batches, by any number of workers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from julia_warmer.cloud.decode import decode
from julia_warmer.core.fold import Tally
from julia_warmer.core.model import ChipState, ChipStatus, Counts, Phase
from julia_warmer.engine.intake import apply_inbox, take_delivery
from julia_warmer.store.db import transaction
from julia_warmer.store.settlements import AcceptedSend, accept_sends, lock_people_of
from tests.conftest import Database
from tests.core.some import STANDARD
from tests.engine.incoming import (
    AT,
    COUNTS,
    SEAL,
    ZONE,
    Fleet,
    add_fleet,
    add_out,
    add_person,
    apply,
    change,
    deliver,
    message,
    phone_of,
    status,
    webhook,
)

PEOPLE = 3
HOURS = 24 * 6
END = AT + timedelta(hours=HOURS + 2)
CODES = (131026, 131049, 131048, 131047, 131056, None)
TEXTS = ("Sim!", "Quanto paga?", "SAIR")

Item = tuple[str, dict[str, Any]]  # the list of the webhook that it stands in, and what it says

_names = count()


@dataclass(frozen=True)
class Sent:
    """A message that the platform takes, so many hours after the beginning, and what it says of it then."""

    after_h: int
    person: int
    held: bool
    statuses: tuple[tuple[str, int], ...]  # what, minutes after the acceptance
    code: int | None


@dataclass(frozen=True)
class Wrote:
    """Something that a person writes."""

    after_h: int
    person: int
    text: str


told_ = st.tuples(st.sampled_from(("sent", "delivered", "read", "failed")), st.integers(0, 600))
statuses_ = st.lists(told_, max_size=4, unique_by=lambda one: one[0])
sent_ = st.builds(Sent, st.integers(0, HOURS - 24), st.integers(0, PEOPLE - 1), st.booleans(), statuses_.map(tuple), st.sampled_from(CODES))
wrote_ = st.builds(Wrote, st.integers(0, HOURS), st.integers(0, PEOPLE - 1), st.sampled_from(TEXTS))


@pytest.mark.pg15
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sent_, max_size=8), st.lists(wrote_, max_size=6), st.randoms(use_true_random=False))
async def test_sql_counts_as_the_simulator_does(db: Database, sent: list[Sent], wrote: list[Wrote], random: Any):
    name = f"law{next(_names)}"
    fleet = await add_fleet(db.pool, name=name)
    await db.pool.execute("delete from suppressions")
    tally = Tally(ZONE)
    items = await play(db, fleet, name, sent, wrote, tally)
    once = [webhook(change(name, **{kind: [item]}), waba=f"waba-{name}") for kind, item in items]
    for body in once:
        for event in decode(body, received_at=END):
            tally.apply(event)
    shuffled = [*items, *random.sample(items, len(items) // 2)]
    random.shuffle(shuffled)
    bodies = list(batches(shuffled, name, random))
    for start in range(0, len(bodies), 2):
        assert (await apply(db, *bodies[start : start + 2], at=END)).quarantined == 0
    assert await in_sql(db, fleet) == in_memory(tally)


async def play(db: Database, fleet: Fleet, name: str, sent: Sequence[Sent], wrote: Sequence[Wrote], tally: Tally) -> list[Item]:
    """Let the platform take the messages, in order of time; returns the items of the webhooks that follow."""
    base = 1000 * next(_names)
    people = [await add_person(db.pool, base + nth) for nth in range(PEOPLE)]
    items: list[Item] = []
    for nth, one in enumerate(sorted(sent, key=lambda one: one.after_h)):
        at = AT + timedelta(hours=one.after_h, seconds=nth)
        message_id = f"wamid.{name}.{nth}"
        async with transaction(db.pool) as conn:
            send = await add_out(conn, fleet, people[one.person], message_id=None, at=at, state="calling", accepted_at=None)
            await lock_people_of(conn, [send])
            await accept_sends(conn, [AcceptedSend(send_id=send, message_id=message_id, held=one.held)], at=at)
        tally.accepted(at, phone_of(base + one.person), message_id, held=one.held)
        for what, minutes in one.statuses:
            code = one.code if what == "failed" else None
            items.append(("statuses", status(what, message_id, at + timedelta(minutes=minutes), nth=base + one.person, code=code)))
    for nth, one in enumerate(wrote):
        at = AT + timedelta(hours=one.after_h, minutes=30, seconds=nth)
        items.append(("messages", message(f"wamid.{name}.in{nth}", one.text, at, nth=base + one.person)))
    return items


def batches(items: Sequence[Item], name: str, random: Any) -> Any:
    """The items in deliveries of a few, each item where it came to stand."""
    start = 0
    while start < len(items):
        some = items[start : (start := start + random.randint(1, 5))]
        changes = [change(name, **{kind: [item]}) for kind, item in some]
        yield webhook(*changes, waba=f"waba-{name}", nonce=next(_names))


async def in_sql(db: Database, fleet: Fleet) -> dict[str, int]:
    sums = ", ".join(f"coalesce(sum({column}), 0)::int as {column}" for column in (*COUNTS, "received", "spam"))
    found = await db.pool.fetchrow(
        f"select {sums}, coalesce(bit_or(media), 0) as media from chip_counts where chip_id = $1", fleet.chips[0]
    )
    return dict(found)


def in_memory(tally: Tally) -> dict[str, int]:
    state = ChipState(status=ChipStatus.WARMING, phase=Phase.EXPANSION, phase_since=AT)
    rules = replace(STANDARD.evidence, mature_h=0.0, fresh_h=0.0, recent_sends=1000)  # everything is old enough
    counted = tally.counts(END, state=state, evidence=rules)
    cohort: Counts = counted["phase_matured"]
    media = int(counted["media_7d"])
    return {name: getattr(cohort, name) for name in COUNTS} | {
        "received": counted["received_30d"],
        "spam": counted["spam_errors_7d"],
        "media": media,
    }


@pytest.mark.pg15
async def test_workers_side_by_side_apply_each_fact_once(db: Database):
    """Facts of the same people in many bodies, with repeats, applied by four workers at once."""
    fleet = await add_fleet(db.pool, chips=3)
    items: list[tuple[int, dict[str, Any]]] = []
    async with transaction(db.pool) as conn:
        for nth in range(60):
            person = await add_person(conn, nth, purposes=())
            await add_out(conn, fleet, person, message_id=f"wamid.{nth}", chip=nth % 3)
            items += [
                (nth % 3, status(what, f"wamid.{nth}", AT + timedelta(minutes=nth), nth=nth)) for what in ("sent", "delivered", "read")
            ]
    bodies = [
        webhook(*(change(chip=chip, statuses=[item]) for chip, item in items[turn::9]), nonce=turn) for turn in (*range(9), *range(9))
    ]
    bodies += [webhook(*(change(chip=chip, statuses=[item]) for chip, item in reversed(items[turn::7])), nonce=turn) for turn in range(7)]
    await deliver(db, *bodies)

    async def work() -> int:
        new = 0
        for _ in range(8):
            async with transaction(db.pool) as conn:
                new += (await apply_inbox(conn, at=END, seal=SEAL, limit=1)).new
        return new

    assert sum(await asyncio.gather(*(work() for _ in range(4)))) == 180
    assert await db.pool.fetchval("select count(*) from inbox where applied_at is null") == 0
    found = await db.pool.fetchrow("select sum(delivered) as d, sum(reached) as e, sum(read) as r from chip_counts")
    assert tuple(found) == (60, 60, 60)


async def test_opt_outs_stops_and_appliers_do_not_wait_for_each_other_for_ever(db: Database):
    """The same people write, ask to stop and are answered for in many bodies at once, while their number is paused again and again."""
    fleet = await add_fleet(db.pool, chips=2)
    people: list[int] = []
    async with transaction(db.pool) as conn:
        for nth in range(12):
            people.append(await add_person(conn, nth))
            await add_out(conn, fleet, people[nth], message_id=f"wamid.{nth}", chip=nth % 2)
    bodies = [webhook(*mixed(turn), nonce=turn) for turn in range(24)]

    async def post(some: Sequence[bytes]) -> None:
        for body in some:
            await take_delivery(db.pool, body, at=END, seal=SEAL)

    async def work() -> None:
        while await db.pool.fetchval("select count(*) from inbox where applied_at is not null") < len(bodies):
            async with transaction(db.pool) as conn:
                await apply_inbox(conn, at=END, seal=SEAL, limit=3)

    await asyncio.gather(*(post(bodies[turn::6]) for turn in range(6)), work(), work(), work())
    assert await db.pool.fetchval("select count(*) from contacts where stopped_at is not null") == 12
    assert await db.pool.fetchval("select count(*) from consents where act = 'withdrawn'") == 24
    found = await db.pool.fetchrow("select sum(replied) as a, sum(opted_out) as b, sum(spam) as c, sum(received) as d from chip_counts")
    assert tuple(found) == (12, 12, 8, 12)
    assert {row["status"] for row in await db.pool.fetch("select status from chips")} == {"paused"}


def mixed(turn: int) -> list[dict[str, Any]]:
    """Four people ask to stop, four messages are delivered, one fails as spam; each turn others, each many times over the turns."""
    people = [(turn * 5 + step) % 12 for step in range(4)]
    asked = [change(chip=nth % 2, messages=[message(f"wamid.in{nth}", "SAIR", AT + timedelta(hours=1), nth=nth)]) for nth in people]
    told = [change(chip=nth % 2, statuses=[status("delivered", f"wamid.{nth}", AT, nth=nth)]) for nth in reversed(people)]
    spam = change(chip=turn % 2, statuses=[status("failed", f"wamid.spam{turn % 8}", AT, code=131048)])
    return [*asked, *told, spam]
