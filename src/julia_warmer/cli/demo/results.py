"""What a run of the demo came to: the chips' lives from our own database, and the judgement on the sandbox's ledger."""

from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson

from julia_warmer.cli.demo.stage import Stage
from julia_warmer.core.model import Decision
from julia_warmer.core.policy import Policy
from julia_warmer.core.record import decision_from_json, decisions_sha256
from julia_warmer.engine.rebuild import rebuild
from julia_warmer.engine.replay import Period, replay
from julia_warmer.sandbox.auditor import Decided, Limits, audit
from julia_warmer.sim.constants import world_hash
from julia_warmer.store import lives
from julia_warmer.store.db import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipLife:
    """One chip's life. `list` and `true_rate` are the world's secret; the engine never saw them."""

    name: str
    list: str
    status: str
    phase: str
    health: int | None
    ready_on_day: int | None  # days since its registration, the first day being 1; the first time it became ready
    sent: int
    delivered: int
    read: int
    replied: int
    opted_out: int
    failed: int
    unknown: int
    paused_times: int
    resumed_times: int
    demoted_times: int
    true_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A whole run."""

    seed: int
    days: int
    policy: str
    world: str  # sha256 of the world's constants
    wall_s: float
    decisions: int
    decisions_sha256: str
    replayed_same: int  # decisions that came out the same, byte for byte, when made again from their recorded snapshots: all of them
    rebuilt_same: int  # snapshots whose counts came out the same when the stored sends and events were folded again: all of them
    chips: tuple[ChipLife, ...]
    ledger: dict[str, int]
    webhooks: dict[str, int]
    limits: tuple[int, ...]  # of each portfolio, at the end: people in a moving 24 h
    violations: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The `--json` of the demo."""
        return {**asdict(self), "wall_s": round(self.wall_s, 1)}


async def gather(stage: Stage, *, wall_s: float) -> Result:
    """Read the lives, judge the ledger."""
    async with transaction(stage.parts.pool) as conn:
        rows = await lives.list_lives(conn)
        ready = await lives.first_ready(conn)
        exported: list[Decided] = []
        pairs: list[tuple[str, Decision]] = []
        async for row in lives.each_decided(conn):
            pairs.append((row.name, decision_from_json(orjson.dumps(row.record.decision).decode())))
            day = row.at.astimezone(ZoneInfo(row.zone)).date()
            exported.append(Decided(row.at, row.name, day, int(row.record.decision["budget"]["day_max"])))
        at_hand = {stage.parts.policy.version: stage.parts.policy}
        replayed, rebuilt = await replay(conn, Period(), at_hand=at_hand), await rebuild(conn, Period(), at_hand=at_hand)
        quarantined = await lives.count_quarantined(conn)
        limits = await lives.list_limits(conn)
    judged = audit(stage.spec, stage.sandbox.bench.ledger.rows(), exported, limits_of(stage.parts.policy))
    counts = stage.sandbox.bench.mailer.counts
    return Result(
        seed=stage.spec.seed,
        days=stage.days,
        policy=stage.parts.policy.version,
        world=world_hash(),
        wall_s=wall_s,
        decisions=len(pairs),
        decisions_sha256=decisions_sha256(pairs),
        replayed_same=replayed.same,
        rebuilt_same=rebuilt.same,
        chips=tuple(_life(row, ready.get(row.chip_id), stage) for row in rows),
        ledger=judged.counts(),
        webhooks={"delivered": counts.updates, "duplicates_sent": counts.duplicates, "quarantined": quarantined},
        limits=tuple(limits),
        violations=tuple(f"{violation.rule}: {violation.sentence}" for violation in judged.violations),
    )


def limits_of(policy: Policy) -> Limits:
    """The policy's numbers that the auditor judges by."""
    hours, people = policy.hours, policy.people
    return Limits(
        open_h=hours.open_h,
        close_h=hours.close_h,
        saturday_open_h=hours.saturday_open_h,
        saturday_close_h=hours.saturday_close_h,
        sunday=hours.sunday,
        holidays=hours.holidays,
        person_7d_max=people.marketing_7d_max,
        person_30d_max=people.marketing_30d_max,
    )


def _life(row: lives.Life, ready_at: datetime | None, stage: Stage) -> ChipLife:
    secret = next(chip for chip in stage.spec.chips if chip.name == row.name)
    return ChipLife(
        name=row.name,
        list=secret.list,
        status=row.status,
        phase=row.phase,
        health=row.health,
        ready_on_day=None if ready_at is None else (ready_at - row.registered_at).days + 1,
        sent=row.sent,
        delivered=row.delivered,
        read=row.read,
        replied=row.replied,
        opted_out=row.opted_out,
        failed=row.failed,
        unknown=row.unknown,
        paused_times=row.paused_times,
        resumed_times=row.resumed_times,
        demoted_times=row.demoted_times,
        true_rate=secret.reply_rate or 0.0,
    )
