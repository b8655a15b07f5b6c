"""R17 fuzz: broken bytes, huge, deep and endless bodies, all well signed. No 5xx, 413 past the limit, memory flat, others do not wait."""

import asyncio
from collections import Counter
from collections.abc import Iterator

from julia_warmer.config import Settings
from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.memory import watched
from tests.faults.odd import SHAPES, broken, deep, large
from tests.faults.outside import drained
from tests.faults.post import Sender, body, change, text
from tests.faults.row import Draw, Findings, Row, p50_p99_ms, percentile
from tests.faults.stage import Stage
from tests.faults.wire import Drips, post_raw

NAME = "R17"
LIMIT_S = (1200.0, 180.0)
HANDS = 12  # connections over which mutations come, one after the other
DEPTHS = (100, 1_000, 5_000, 20_000)
MB = 1024 * 1024
SIZES = (MB, 3 * MB, 4 * MB, 8 * MB, 20 * MB)
LARGE_EVERY = 500  # mutations
DRIPS = 60
PAST, WITHIN = "past the limit", "within the limit"
CUT = 0  # who goes on sending may find the connection closed before the answer is read: that refuses too, but says less
CUT_SHARE_MAX = 0.25
OTHERS_S = 0.05  # between the deliveries of everybody else, whose wait counts
OTHERS_P99_S = 1.0
MOST_MB = {"api": 250, "worker": 300}
GROWTH_MB = 40


async def run(stage: Stage, draw: Draw) -> Row:
    number = draw.size(100_000, 2_500)
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=1, people=100, sends=False)
    api = await stage.api()
    worker = await stage.worker()
    large_ones: Counter[tuple[str, int]] = Counter()
    drips = Drips(api.webhook)
    async with (
        Sender(api.webhook, stage.secret, connections=HANDS) as sender,
        Sender(api.webhook, stage.secret) as others,
        watched((api.process, worker)) as memory,
    ):
        posted: list[str] = []
        beside = [asyncio.create_task(_post_others(stage, fleet, others, posted))]
        beside += [asyncio.create_task(drips.drip(with_headers=bool(n % 2))) for n in range(DRIPS)]
        await _fuzz(sender, draw, number, large_ones)
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        drain_s = await drained(stage.db.pool, within_s=draw.size(300, 60))
        told = memory.judge(found, most_mb=MOST_MB, growth_mb=GROWTH_MB)
    _judge_answers(sender, others, large_ones, drips, found)
    there = {row["message_id"] for row in await stage.db.pool.fetch("select message_id from received")}
    found.lose("messages of others", len(set(posted) - there))
    found.violate("tracebacks: " + "; ".join(stage.complaints()[:2]), len(stage.complaints()))
    done = (
        f"{number:,} mutations of {len(SHAPES)} shapes, {sum(large_ones.values())} bodies to {max(SIZES) // MB} MB, "
        f"{max(DEPTHS):,} deep, {drips.begun} endless clients"
    )
    note = [
        told,
        f"p50 and p99: the {len(others.seconds):,} well-formed deliveries meanwhile",
        f"{sender.codes[200]:,} mutations kept, {sum(n for code, n in sender.codes.items() if 400 <= code < 500)} refused",
        f"past the limit {large_ones[PAST, 413]} x 413, {large_ones[PAST, CUT]} cut off while they went on sending",
        f"applied {drain_s:.1f} s after the last 200",
    ]
    return found.row(NAME, done, note=note, **p50_p99_ms(others.seconds))


async def _fuzz(sender: Sender, draw: Draw, number: int, large_ones: Counter[tuple[str, int]]) -> None:
    """All mutations over a few connections, each with a deep one or a large one now and then."""
    left: Iterator[int] = iter(range(number))
    most = Settings().webhook_body_max
    big = [(size, chunked) for size in (most, most + 1, *SIZES) for chunked in (False, True)]

    async def hand() -> None:
        for nth in left:
            if nth % LARGE_EVERY == LARGE_EVERY // 2:
                size, chunked = big[nth // LARGE_EVERY % len(big)]
                data = large(size)
                status = await post_raw(sender.url, data, sender.sign(data), chunked=chunked)
                large_ones[PAST if size > most else WITHIN, status] += 1
            elif nth % 100 == 0:
                await sender.post(deep(draw.random.choice(DEPTHS)))
            else:
                await sender.post(broken(draw.random))

    await asyncio.gather(*(hand() for _ in range(HANDS)))


async def _post_others(stage: Stage, fleet: Fleet, others: Sender, posted: list[str]) -> None:
    """Everybody else, at a fixed rate, however long each waits."""
    chip, running = fleet.chips[0], set[asyncio.Task[bool]]()
    try:
        for nth in range(10**9):
            name = f"wamid.other.{nth}"
            item = text(name, "Oi!", stage.clock.now(), sender=phone_of(nth % 100))
            posted.append(name)
            task = asyncio.create_task(others.deliver(body(change(chip, messages=[item]), waba=chip.waba)))
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.sleep(OTHERS_S)
    finally:
        await asyncio.gather(*running)


def _judge_answers(sender: Sender, others: Sender, large_ones: Counter[tuple[str, int]], drips: Drips, found: Findings) -> None:
    found.violate("answers of 5xx", sender.fives + others.fives + sum(n for (_, status), n in large_ones.items() if status >= 500))
    found.violate("mutations without an answer", sender.codes[0])
    for (where, status), n in large_ones.items():
        right = status == 413 or status == CUT if where == PAST else status == 200
        found.violate(f"bodies {where} answered {status or 'by a cut'}", 0 if right else n)
    past = sum(n for (where, _), n in large_ones.items() if where == PAST)
    cut = large_ones[PAST, CUT]
    found.expect(cut <= max(1, past * CUT_SHARE_MAX), f"{cut} of {past} bodies {PAST} were only cut off")
    found.violate("endless bodies answered 5xx", sum(status >= 500 for status in drips.answers))
    found.expect(others.codes.keys() <= {200}, f"others were answered {dict(others.codes)}")
    p99_s = percentile(others.seconds, 0.99) or 0.0
    found.in_time(p99_s <= OTHERS_P99_S, f"others waited {p99_s:.2f} s (p99)")
