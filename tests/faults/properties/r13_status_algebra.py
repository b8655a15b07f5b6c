"""R13 status algebra: every order and repetition of sent, delivered, read and failed, to length 6, ends alike; the counts are exact.

Each sequence is played on three sends: status by status, all in one body, and shuffled among those of everybody, while two workers apply.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import Counts, counts_of, drained, out
from tests.faults.post import Sender, batches, status
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R13"
LIMIT_S = (900.0, 180.0)
STATUSES = ("sent", "delivered", "read", "failed")
CODES = (131026, 131049, 131000)  # counted as undeliverable, limited, failed
ROADS = ("one by one", "one body", "shuffled")
Sequence_ = tuple[str, ...]


async def run(stage: Stage, draw: Draw) -> Row:
    sequences = [one for length in range(1, draw.size(6, 4) + 1) for one in product(STATUSES, repeat=length)]
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=3, people=3 * len(sequences))
    await out(stage.db.owner, fleet, accepted_at=fleet.at - timedelta(minutes=30))
    api = await stage.api()
    await stage.workers(2)
    posted = 0
    async with Sender(api.webhook, stage.secret, connections=8) as sender:
        for bodies in _waves(fleet, sequences, draw):
            posted += len(bodies)
            found.lose("deliveries given up", await sender.deliver_all(bodies))
            await drained(stage.db.pool)
    await _judge_ends(stage, fleet, sequences, found)
    for road, chip in enumerate(fleet.chips):
        real, expected = await counts_of(stage.db.pool, chip.id), _expected(sequences)
        found.expect(real.matches(expected), f"counts of {ROADS[road]} are {real}, not {expected}")
    found.violate("tracebacks: " + "; ".join(stage.complaints()[:2]), len(stage.complaints()))
    items = 3 * sum(map(len, sequences))
    done = f"{len(sequences):,} sequences to length {max(map(len, sequences))} x {len(ROADS)} roads: {items:,} statuses in {posted} bodies"
    return found.row(NAME, done, **p50_p99_ms(sender.seconds))


def _send_of(sequence: int, road: int) -> int:
    """The number of the person: messages are dealt out over the chips, so each road has a chip of its own."""
    return sequence * len(ROADS) + road


def _code_of(sequence: int) -> int:
    return CODES[sequence % len(CODES)]


def _items(fleet: Fleet, sequence: int, road: int, said: Iterable[str]) -> list[dict[str, Any]]:
    """The statuses of one send; each kind has its own time, whenever it comes."""
    n = _send_of(sequence, road)
    at = {what: fleet.at - timedelta(minutes=20 - 2 * nth) for nth, what in enumerate(STATUSES)}
    code = _code_of(sequence)
    return [status(what, f"wamid.out.{n}", at[what], to=phone_of(n), code=code if what == "failed" else None) for what in said]


def _waves(fleet: Fleet, sequences: Sequence[Sequence_], draw: Draw) -> Iterable[list[bytes]]:
    """What is posted together; the next wave comes when the last is applied."""
    one_by_one, one_body, shuffled = fleet.chips
    for nth in range(max(map(len, sequences))):
        now = [item for s, one in enumerate(sequences) if nth < len(one) for item in _items(fleet, s, 0, one[nth : nth + 1])]
        yield batches(one_by_one, "statuses", now)
    together = [item for s, one in enumerate(sequences) for item in _items(fleet, s, 1, one)]
    yield batches(one_body, "statuses", together, most=999)
    mixed = [item for s, one in enumerate(sequences) for item in _items(fleet, s, 2, one)]
    draw.random.shuffle(mixed)
    yield batches(shuffled, "statuses", mixed, most=97)


async def _judge_ends(stage: Stage, fleet: Fleet, sequences: Sequence[Sequence_], found: Findings) -> None:
    """What was said decides, not its order: the same set (and code) ends in the same row."""
    rows = await stage.db.pool.fetch(
        "select state, sent_at, delivered_at, read_at, failed_at, code from sends where id = any($1::bigint[]) order by id",
        list(fleet.sends),
    )
    ends: defaultdict[tuple[frozenset[str], int], set[tuple[Any, ...]]] = defaultdict(set)
    for s, one in enumerate(sequences):
        for road in range(len(ROADS)):
            row = rows[_send_of(s, road)]
            ends[frozenset(one), _code_of(s) if "failed" in one else 0].add(_end(row, fleet.at))
    for (said, code), different in ends.items():
        found.expect(
            len(different) == 1, f"{sorted(said)} with code {code} ends in {len(different)} ways: {sorted(map(str, different))[:3]}"
        )
        for end in different:
            found.expect(end[0] == _state(said), f"{sorted(said)} ends in {end[0]}")


def _end(row: Any, at: datetime) -> tuple[Any, ...]:
    moments = (row["sent_at"], row["delivered_at"], row["read_at"], row["failed_at"])
    return (row["state"], *(None if moment is None else round((moment - at).total_seconds()) for moment in moments), row["code"])


def _state(said: Iterable[str]) -> str:
    """read > delivered > failed > sent."""
    return next(state for state in ("read", "delivered", "failed", "sent") if state in said)


def _expected(sequences: Sequence[Sequence_]) -> Counts:
    states = [_state(one) for one in sequences]
    failed = {code: sum(state == "failed" and _code_of(s) == code for s, state in enumerate(states)) for code in CODES}
    delivered = sum(state in ("delivered", "read") for state in states)
    return Counts(
        accepted=len(states),
        reached=delivered,
        delivered=delivered,
        read=states.count("read"),
        undeliverable=failed[131026],
        limited=failed[131049],
        failed=failed[131000],
    )
