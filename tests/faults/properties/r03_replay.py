"""R3 replay: one delivery a thousand times from 64 connections is one row and one effect; so are its items in other batches."""

from datetime import timedelta

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import Counts, counts_of, deadlocks, drained, out
from tests.faults.post import Sender, body, change, status, text
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R3"
LIMIT_S = (900.0, 180.0)
PEOPLE = 40


async def run(stage: Stage, draw: Draw) -> Row:
    posts, rebatched = draw.size((1000, 400), (200, 60))
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=1, people=PEOPLE)
    await out(stage.db.owner, fleet, accepted_at=fleet.at - timedelta(minutes=5))
    items = _items(fleet)
    one = body(change(fleet.chips[0], **items), waba=fleet.chips[0].waba)
    api = await stage.api()
    await stage.workers(2)
    async with Sender(api.webhook, stage.secret, connections=64) as sender:
        given_up = await sender.deliver_all([one] * posts)
        given_up += await sender.deliver_all(_other_batches(fleet, items, rebatched, draw))
        await drained(stage.db.pool)
    found.violate("deliveries not answered 200", given_up)
    found.violate("answers other than 200", sum(n for code, n in sender.codes.items() if code != 200))
    await _judge(stage, fleet, one_times=posts, found=found)
    done = f"1 delivery x {posts} over 64 connections, its {PEOPLE * 3} items again in {rebatched} other batches, 2 workers"
    return found.row(NAME, done, **p50_p99_ms(sender.seconds))


def _items(fleet: Fleet) -> dict[str, list[dict]]:
    """For each person: their message was delivered, they answer; every tenth asks to stop."""
    at = fleet.at - timedelta(minutes=4)
    return {
        "statuses": [
            status(what, f"wamid.out.{n}", at + timedelta(seconds=nth), to=phone_of(n))
            for n in range(PEOPLE)
            for nth, what in enumerate(("sent", "delivered"))
        ],
        "messages": [
            text(f"wamid.in.{n}", "PARAR" if n % 10 == 0 else "Oi!", at + timedelta(seconds=9), sender=phone_of(n)) for n in range(PEOPLE)
        ],
    }


def _other_batches(fleet: Fleet, items: dict[str, list[dict]], number: int, draw: Draw) -> list[bytes]:
    """Random parts of the same items, as retries in other batches bring them."""
    every = [(kind, item) for kind, list_ in items.items() for item in list_]
    bodies: list[bytes] = []
    for _ in range(number):
        part = draw.random.sample(every, draw.random.randint(1, 40))
        changes = [change(fleet.chips[0], **{kind: [item]}) for kind, item in part]
        bodies.append(body(*changes, waba=fleet.chips[0].waba))
    return bodies


async def _judge(stage: Stage, fleet: Fleet, *, one_times: int, found: Findings) -> None:
    pool = stage.db.pool
    first = await pool.fetchrow("select deliveries from inbox order by id limit 1")
    found.expect(first["deliveries"] == one_times, f"the delivery's row counts {first['deliveries']} of {one_times}")
    stopped = len(range(0, PEOPLE, 10))
    expected = Counts(accepted=PEOPLE, reached=PEOPLE, delivered=PEOPLE, replied=PEOPLE, opted_out=stopped, received=PEOPLE)
    real = await counts_of(pool)
    found.expect(real.matches(expected), f"counts are {real}, not {expected}")
    events = {row["kind"]: row["n"] for row in await pool.fetch("select kind, count(*)::int as n from events group by kind")}
    wanted = {"message_sent": PEOPLE, "message_delivered": PEOPLE, "message_received": PEOPLE, "opt_out_requested": stopped}
    for kind, n in wanted.items():
        got = events.get(kind, 0)
        found.duplicate(f"facts {kind}", max(0, got - n))
        found.lose(f"facts {kind}", max(0, n - got))
    for table in ("received", "suppressions", "quarantine"):
        rows = await pool.fetchval(f"select count(*)::int from {table}")
        wanted_rows = {"received": PEOPLE, "suppressions": stopped, "quarantine": 0}[table]
        found.expect(rows == wanted_rows, f"{table} has {rows} rows, not {wanted_rows}")
    found.violate("deadlocks", await deadlocks(pool))
