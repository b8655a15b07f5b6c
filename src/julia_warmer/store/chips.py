"""Typed calls for decisions: snapshots out of the counts, states and their traces into the tables. It must not know any rule."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from julia_warmer.core.days import hour_of
from julia_warmer.core.model import Checklist, ChipState, ChipStatus, Decision, Pause, Phase, Quality, Snapshot
from julia_warmer.core.month import DAYS_BACK, Edges, Month, count_windows
from julia_warmer.core.policy import EvidenceRules
from julia_warmer.store.db import Connection, Record, load
from julia_warmer.store.records import pack_record

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """A chip with its counts, as SQL gives it; `Due` is what it means."""

    chip_id: int
    chip: str
    portfolio_id: int
    messaging_limit: int | None
    zone: str
    registered_at: datetime
    today: date
    status: str
    phase: str
    phase_since: datetime
    paused_from: str | None
    pauses: list[dict[str, Any]]
    pauses_in_row: int
    speed: float
    slow_until: datetime | None
    risk_cap: int | None
    risk_cap_since: date | None
    rearmed_at: datetime | None
    advanced_on: date | None
    demoted_on: date | None
    harm_at: datetime | None
    ready_at: datetime | None
    name_approved: bool
    profile_filled: bool
    pin_set: bool
    template_approved: bool
    route_set: bool
    quality: str
    quality_at: datetime | None
    phone_status: str
    webhook_at: datetime | None
    stops: list[str] | None
    hours_packed: bytes | None
    hours_since: list[list[int]] | None
    sending_days_in_phase: int
    reachable_in_phase: int
    accepted_in_phase: int
    best_day_7d: int
    accepted_last_day: int
    idle_days: int
    accepted_today: int
    templates_green: int
    templates_paused: int
    health_max_1h: int | None
    health_max_24h: int | None
    portfolio_share: int | None
    spend_left: int | None
    eligible_people: int
    clamp: int | None


@dataclass(frozen=True, slots=True)
class Due:
    """A chip to decide on: its snapshot, and what the writing needs besides."""

    snapshot: Snapshot
    portfolio_id: int
    messaging_limit: int | None  # -1 unlimited, None never read
    today: date  # the chip's calendar day


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharer:
    """A sending chip and what it could use of its portfolio's limit."""

    chip_id: int
    portfolio_id: int
    need: int
    health: int
    share: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a person is told. With a key it stays open until it is over; without one it is told and done."""

    chip_id: int
    rule: str
    level: str  # info, warning, critical
    text: str
    open_key: str | None = None


async def due_snapshots(
    conn: Connection, *, at: datetime, evidence: EvidenceRules, limit: int, only: Sequence[int] | None = None
) -> list[Due]:
    """Lock the chips whose decision is due (of `only` these, when given) and read their snapshots."""
    records = await queries.due_snapshots.fetch(conn, at=at, only=only, limit=limit, month=hour_of(at) - timedelta(days=DAYS_BACK))
    edges = Edges.at(at, evidence)
    return [Due(_snapshot(record, at, edges), record["portfolio_id"], record["messaging_limit"], record["today"]) for record in records]


def _snapshot(row: Record, at: datetime, edges: Edges) -> Snapshot:
    month = Month(row["hours_packed"], row["hours_since"] or ())
    return Snapshot(
        at=at,
        chip_id=row["chip_id"],
        chip=row["chip"],
        zone=row["zone"],
        registered_at=row["registered_at"],
        state=state_of(row),
        checklist=_checklist(
            row["name_approved"],
            row["profile_filled"],
            row["pin_set"],
            row["template_approved"],
            row["webhook_at"] is not None,
            row["route_set"],
        ),
        quality=Quality(row["quality"]),
        quality_at=row["quality_at"],
        phone_status=row["phone_status"],
        webhook_at=row["webhook_at"],
        stops=tuple(row["stops"] or ()),
        **count_windows(month, edges, phase_since=row["phase_since"], rearmed_at=row["rearmed_at"]),
        **{name: row[name] for name in AS_THEY_ARE},
    )


@cache
def _checklist(name: bool, profile: bool, pin: bool, template: bool, webhook: bool, route: bool) -> Checklist:
    """One for each of the 64 that there are."""
    return Checklist(
        name_approved=name, profile_filled=profile, pin_set=pin, template_approved=template, webhook_heard=webhook, route_set=route
    )


AS_THEY_ARE = (
    "sending_days_in_phase",
    "reachable_in_phase",
    "accepted_in_phase",
    "best_day_7d",
    "accepted_last_day",
    "idle_days",
    "accepted_today",
    "templates_green",
    "templates_paused",
    "health_max_1h",
    "health_max_24h",
    "portfolio_share",
    "spend_left",
    "eligible_people",
    "clamp",
)


def state_of(row: Mapping[str, Any] | Record) -> ChipState:
    """A chip's state from the columns of its row."""
    paused_from = row["paused_from"]
    return ChipState(
        status=ChipStatus(row["status"]),
        phase=Phase(row["phase"]),
        phase_since=row["phase_since"],
        paused_from=ChipStatus(paused_from) if paused_from else None,
        pauses=tuple(pause_of(raw) for raw in row["pauses"]),
        pauses_in_row=row["pauses_in_row"],
        speed=row["speed"],
        slow_until=row["slow_until"],
        risk_cap=row["risk_cap"],
        risk_cap_since=row["risk_cap_since"],
        rearmed_at=row["rearmed_at"],
        advanced_on=row["advanced_on"],
        demoted_on=row["demoted_on"],
        harm_at=row["harm_at"],
        ready_at=row["ready_at"],
    )


def pause_of(raw: Mapping[str, Any]) -> Pause:
    """One pause as the table keeps it."""
    until = raw.get("until")
    return Pause(
        reason=raw["reason"],
        since=datetime.fromisoformat(raw["since"]),
        until=datetime.fromisoformat(until) if until else None,
        hard=raw.get("hard", False),
        source=raw.get("source", "rule"),
    )


async def read_sharers(conn: Connection, portfolio_ids: Collection[int], *, but: Sequence[int]) -> list[Sharer]:
    """The sending chips of these portfolios, in the order of their ids, but for those at hand."""
    return await queries.read_sharers.fetch_as(Sharer, conn, portfolio_ids=list(portfolio_ids), at_hand=but)


async def set_shares(conn: Connection, shares: Mapping[int, int], *, at: datetime) -> None:
    """Write other shares for chips that are not locked by this review; where a share binds, its chip is due now."""
    if shares:
        await queries.set_shares.execute(conn, chip_ids=list(shares), shares=list(shares.values()), at=at)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with what is written beside it."""

    due: Due
    decision: Decision
    need: int  # people a day that it could use if the portfolio's limit were endless
    share: int | None


async def write_decisions(conn: Connection, verdicts: Sequence[Verdict], *, at: datetime) -> None:
    """The chips' next states, scores and decisions. The snapshots are those that were decided on."""
    decisions = [verdict.decision for verdict in verdicts]
    chip_ids = [decision.chip_id for decision in decisions]
    moved = [verdict for verdict in verdicts if verdict.decision.state is not verdict.due.snapshot.state]
    stayed = [verdict for verdict in verdicts if verdict.decision.state is verdict.due.snapshot.state]
    if moved:
        await queries.write_states.execute(conn, at=at, **_states(moved), **_budgets(moved))
    if stayed:
        await queries.write_budgets.execute(conn, at=at, **_budgets(stayed))
    await queries.add_scores.execute(
        conn,
        at=at,
        chip_ids=chip_ids,
        scores=[decision.health.score for decision in decisions],
    )
    await queries.add_decisions.execute(
        conn,
        at=at,
        chip_ids=chip_ids,
        policies=[decision.policy for decision in decisions],
        statuses=[decision.state.status for decision in decisions],
        changes=[" ".join(decision.changes) for decision in decisions],
        records=[pack_record(verdict.due.snapshot, verdict.decision) for verdict in verdicts],
    )


def _budgets(verdicts: Sequence[Verdict]) -> dict[str, list[Any]]:
    """What is decided anew each time, column by column."""
    decisions = [verdict.decision for verdict in verdicts]
    return {
        "chip_ids": [decision.chip_id for decision in decisions],
        "policies": [decision.policy for decision in decisions],
        "healths": [decision.health.score for decision in decisions],
        "budgets": [decision.budget.day_max for decision in decisions],
        "bindings": [decision.budget.binding for decision in decisions],
        "needs": [verdict.need for verdict in verdicts],
        "shares": [verdict.share for verdict in verdicts],
        "look_again_ats": [decision.look_again_at for decision in decisions],
    }


def _states(verdicts: Sequence[Verdict]) -> dict[str, list[Any]]:
    """The chips' next states, column by column."""
    states = [verdict.decision.state for verdict in verdicts]
    return {
        "statuses": [state.status for state in states],
        "phases": [state.phase for state in states],
        "phase_sinces": [state.phase_since for state in states],
        "paused_froms": [state.paused_from for state in states],
        "pauses": [state.pauses for state in states],
        "pauses_in_rows": [state.pauses_in_row for state in states],
        "speeds": [state.speed for state in states],
        "slow_untils": [state.slow_until for state in states],
        "risk_caps": [state.risk_cap for state in states],
        "risk_cap_sinces": [state.risk_cap_since for state in states],
        "rearmed_ats": [state.rearmed_at for state in states],
        "advanced_ons": [state.advanced_on for state in states],
        "demoted_ons": [state.demoted_on for state in states],
        "harm_ats": [state.harm_at for state in states],
        "ready_ats": [state.ready_at for state in states],
    }


async def grant_days(conn: Connection, granted: Sequence[tuple[int, date, int]]) -> None:
    """Write down (chip, day, budget)."""
    await queries.grant_days.execute(
        conn,
        chip_ids=[chip_id for chip_id, _, _ in granted],
        days=[day for _, day, _ in granted],
        granted=[number for _, _, number in granted],
    )


async def close_days(conn: Connection, silenced: Mapping[int, date]) -> None:
    """These chips do not send any more on their day, so nobody can hold an unused day against them."""
    await queries.close_days.execute(conn, chip_ids=list(silenced), days=list(silenced.values()))


async def tell_people(conn: Connection, alerts: Sequence[Alert], *, reviewed: Collection[int], at: datetime) -> None:
    """Open these alerts, and close what the review of these chips does not see any more."""
    standing = [alert.open_key for alert in alerts if alert.open_key is not None]
    await queries.close_alerts.execute(conn, at=at, chip_ids=list(reviewed), standing=standing)
    if alerts:
        await queries.tell_people.execute(
            conn,
            at=at,
            chip_ids=[alert.chip_id for alert in alerts],
            rules=[alert.rule for alert in alerts],
            levels=[alert.level for alert in alerts],
            texts=[alert.text for alert in alerts],
            open_keys=[alert.open_key for alert in alerts],
        )


async def look_again(conn: Connection, chip_ids: Collection[int], *, at: datetime) -> None:
    """Make these chips due for a decision now."""
    await queries.look_again.execute(conn, chip_ids=list(chip_ids), at=at)
