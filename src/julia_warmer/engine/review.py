"""Review: snapshots out of the counts, one decision for each chip that is due, and everything that a decision leaves behind.

It decides nothing: `core.decide` does. A review runs inside its caller's transaction; `review_due` opens its own.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from julia_warmer.core.budget import Want, allowance, split
from julia_warmer.core.decide import decide
from julia_warmer.core.model import Action, Budget, Change, ChipStatus, Decision, Snapshot
from julia_warmer.core.pauses import SENDING
from julia_warmer.core.policy import Policy
from julia_warmer.engine.rules import Rules, keep, rules_of
from julia_warmer.engine.shadow import follow
from julia_warmer.engine.wake import Step, wake
from julia_warmer.store import chips, plans
from julia_warmer.store.chips import Alert, Due, Verdict
from julia_warmer.store.db import Connection, Pool, transaction

REVIEW_MAX = 500  # chips of one transaction: their rows are locked for as long as it takes
LANES = 2  # batches at a time: while one is decided here, the database reads or writes another
BATCHES_MAX = 20  # of a lane in one run


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What was decided, in the order of the chips' ids. `snapshots` are those that were decided on, one for each decision."""

    decisions: tuple[Decision, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, slots=True)
class Lap:
    """How many chips were reviewed, and whether there may be more."""

    chips: int
    more: bool


async def review(
    conn: Connection,
    *,
    at: datetime,
    policy: Policy,
    shadow: Policy | None = None,
    limit: int = REVIEW_MAX,
    only: Sequence[int] | None = None,
) -> Reviewed:
    """Decide on the chips that are due (of `only` these, when given), at most `limit` of them, and write down what follows.

    `policy` is the one in force at this moment; a chip's own rules lie over it. A shadow policy decides beside it, and changes nothing but
    its own report.
    """
    dues = await chips.due_snapshots(conn, at=at, evidence=policy.evidence, limit=limit, only=only)
    if not dues:
        return Reviewed()
    rules = await rules_of(conn, policy, [due.snapshot.chip_id for due in dues])
    decisions = [decide(due.snapshot, rules.of(due.snapshot.chip_id)) for due in dues]
    verdicts = await _share_out(conn, dues, decisions, at=at, rules=rules)
    await keep(conn, rules.all(), at=at)
    await chips.write_decisions(conn, verdicts, at=at)
    await _act(conn, verdicts, at=at)
    if shadow is not None:
        await follow(conn, [(verdict.due.snapshot, verdict.decision) for verdict in verdicts], policy=shadow)
    return Reviewed(tuple(verdict.decision for verdict in verdicts), tuple(verdict.due.snapshot for verdict in verdicts))


async def review_due(
    pool: Pool, *, at: datetime, policy: Policy, shadow: Policy | None = None, limit: int = REVIEW_MAX, batches: int = BATCHES_MAX
) -> Lap:
    """Review the chips that are due, a transaction for each batch of `limit`, some batches at a time.

    Any number of workers may beside each other: each takes what no other holds, and a full batch calls one more.
    """
    async with asyncio.TaskGroup() as group:
        lanes = [
            group.create_task(_run_lane(pool, at=at, policy=policy, shadow=shadow, limit=limit, batches=batches)) for _ in range(LANES)
        ]
    laps = [lane.result() for lane in lanes]
    return Lap(sum(lap.chips for lap in laps), any(lap.more for lap in laps))


async def _run_lane(pool: Pool, *, at: datetime, policy: Policy, shadow: Policy | None, limit: int, batches: int) -> Lap:
    """One batch after another, until one is not full: what is left then, the other lanes have."""
    chips_reviewed = 0
    for _ in range(batches):
        async with transaction(pool) as conn:
            reviewed = await review(conn, at=at, policy=policy, shadow=shadow, limit=limit)
            if reviewed.decisions:
                await wake(conn, Step.PLAN)
        chips_reviewed += len(reviewed.decisions)
        if len(reviewed.decisions) < limit:
            return Lap(chips_reviewed, more=False)
        async with transaction(pool) as conn:  # by itself: two lanes' wakes of two steps in one transaction could wait for each other
            await wake(conn, Step.REVIEW)
    return Lap(chips_reviewed, more=True)


# ------------------------------------------------------------------ the portfolio's limit


async def _share_out(conn: Connection, dues: Sequence[Due], decisions: Sequence[Decision], *, at: datetime, rules: Rules) -> list[Verdict]:
    """Split each portfolio's limit anew by what its chips could use now; the budgets of the chips at hand follow at once."""
    needs = [need_of(decision.budget) for decision in decisions]
    wants = await _wants(conn, dues, decisions, needs)
    limits = {due.portfolio_id: due.messaging_limit for due in dues}
    budget = rules.policy.budget
    shares: dict[int, int] = {}
    for portfolio_id, group in wants.items():
        shares |= split(limits[portfolio_id], group, reserve=budget.reserve, limit_unknown=budget.limit_unknown)
    await _write_other_shares(conn, dues, shares, at=at)
    return [
        _verdict(due, decision, need, shares, rules.of(decision.chip_id))
        for due, decision, need in zip(dues, decisions, needs, strict=True)
    ]


async def _wants(conn: Connection, dues: Sequence[Due], decisions: Sequence[Decision], needs: Sequence[int]) -> dict[int, list[Want]]:
    """By portfolio: what its sending chips could use, those at hand as decided now, the others as decided last."""
    wants: defaultdict[int, list[Want]] = defaultdict(list)
    at_hand = [decision.chip_id for decision in decisions]
    for sharer in await chips.read_sharers(conn, {due.portfolio_id for due in dues}, but=at_hand):
        wants[sharer.portfolio_id].append(Want(sharer.chip_id, sharer.need, sharer.health))
    for due, decision, need in zip(dues, decisions, needs, strict=True):
        if decision.state.status in SENDING:
            wants[due.portfolio_id].append(Want(decision.chip_id, need, decision.health.score))
    return wants


def need_of(budget: Budget) -> int:
    """What a chip could use today if its portfolio's limit were endless."""
    return max(0, min((number for name, number in budget.parts if name != "share"), default=0))


async def _write_other_shares(conn: Connection, dues: Sequence[Due], shares: Mapping[int, int], *, at: datetime) -> None:
    at_hand = {due.snapshot.chip_id for due in dues}
    await chips.set_shares(conn, {chip_id: share for chip_id, share in shares.items() if chip_id not in at_hand}, at=at)


def _verdict(due: Due, decision: Decision, need: int, shares: Mapping[int, int], policy: Policy) -> Verdict:
    """The decision under the chip's new share. The share touches nothing but the budget, so this equals deciding again."""
    snapshot = due.snapshot
    share = shares.get(decision.chip_id, snapshot.portfolio_share)
    if share == snapshot.portfolio_share:
        return Verdict(due, decision, need, share)
    snapshot = replace(snapshot, portfolio_share=share)
    decision = replace(decision, budget=allowance(snapshot, decision.state, decision.health, policy))
    return Verdict(replace(due, snapshot=snapshot), decision, need, share)


# ------------------------------------------------------------------ what follows


async def _act(conn: Connection, verdicts: Sequence[Verdict], *, at: datetime) -> None:
    """Grant the day, silence who may not send any more, tell people."""
    granted = [(v.decision.chip_id, v.due.today, v.decision.budget.day_max) for v in verdicts if v.decision.budget.day_max]
    await chips.grant_days(conn, granted)
    for status in (ChipStatus.PAUSED, ChipStatus.BANNED):
        silenced = {v.decision.chip_id: v.due.today for v in verdicts if v.decision.state.status is status}
        if silenced:
            await plans.cancel_sends(conn, silenced, reason=f"chip {status.value}")
            await chips.close_days(conn, silenced)
    alerts = [alert for verdict in verdicts for alert in alerts_of(verdict.due.snapshot, verdict.decision)]
    await chips.tell_people(conn, alerts, reviewed=[verdict.decision.chip_id for verdict in verdicts], at=at)


def alerts_of(snapshot: Snapshot, decision: Decision) -> list[Alert]:
    """What a person is told of a decision: what rings, how the chip stands, and what happened to it."""
    state = decision.state
    alerts = [_standing(snapshot, alarm.rule, level_of(alarm.action), alarm.sentence) for alarm in decision.alarms]
    if state.status is ChipStatus.PAUSED:
        alerts.append(_standing(snapshot, "paused", "critical", "; ".join(pause.reason for pause in state.pauses)))
    if state.status is ChipStatus.BANNED:
        alerts.append(_standing(snapshot, "banned", "critical", "the platform banned this number"))
    if state.speed < 1 and state.status in SENDING:
        alerts.append(_standing(snapshot, "slowed", "warning", f"sends at {state.speed:.0%} of its cap"))
    return alerts + [_happened(snapshot, decision, change) for change in decision.changes if change in TOLD]


def level_of(action: Action) -> str:
    """How loud an alarm is."""
    match action:
        case Action.NOTIFY:
            return "info"
        case Action.SLOW:
            return "warning"
        case Action.PAUSE | Action.DEMOTE:
            return "critical"
        case _:
            assert_never(action)


# What happened at one moment; pauses, bans and slow-downs last, and are told as what stands.
TOLD = {
    Change.ADVANCED: "info",
    Change.DEMOTED: "warning",
    Change.RESUMED: "info",
    Change.BECAME_READY: "info",
    Change.RETURNED_TO_WARMING: "warning",
}


def _standing(snapshot: Snapshot, rule: str, level: str, text: str) -> Alert:
    key = f"review:{rule}:{snapshot.chip_id}"
    return Alert(chip_id=snapshot.chip_id, rule=rule, level=level, text=f"{snapshot.chip}: {text}", open_key=key)


def _happened(snapshot: Snapshot, decision: Decision, change: Change) -> Alert:
    told = f"{snapshot.chip}: {change.value.replace('_', ' ')}, now {decision.state.phase.value}"
    why = "; ".join(decision.reasons)
    return Alert(chip_id=snapshot.chip_id, rule=change.value, level=TOLD[change], text=f"{told} ({why})" if why else told)
