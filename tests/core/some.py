"""Values for tests of the rules: a chip that is well, the standard policy, tables as text, and hypothesis strategies."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from julia_warmer import policies
from julia_warmer.core.model import Checklist, ChipState, ChipStatus, Counts, Media, Pause, Phase, Quality, Snapshot

STANDARD = policies.load("standard")
AT = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)  # a Friday, noon in São Paulo
TODAY = datetime(2026, 3, 20, tzinfo=UTC).date()
ZONE = "America/Sao_Paulo"
DONE = Checklist(name_approved=True, profile_filled=True, pin_set=True, template_approved=True, webhook_heard=True, route_set=True)
GOOD = Counts(accepted=100, reached=97, delivered=97, read=70, replied=35)

WELL = Snapshot(
    at=AT,
    chip_id=1,
    chip="chip",
    zone=ZONE,
    registered_at=AT - timedelta(days=20),
    state=ChipState(status=ChipStatus.WARMING, phase=Phase.EXPANSION, phase_since=AT - timedelta(days=9)),
    checklist=DONE,
    quality=Quality.GREEN,
    quality_at=AT,
    webhook_at=AT,
    phase_matured=GOOD,
    recent_matured=GOOD,
    recent_fresh=GOOD,
    last_hours=Counts(accepted=6, reached=6, delivered=6),
    sending_days_in_phase=7,
    reachable_in_phase=200,
    accepted_in_phase=190,
    best_day_7d=30,
    accepted_last_day=28,
    accepted_today=10,
    accepted_30d=240,
    received_30d=80,
    conversations_7d=30,
    media_7d=Media.TEXT | Media.IMAGE,
    templates_green=1,
    health_max_1h=100,
    health_max_24h=100,
    portfolio_share=200,
    eligible_people=1000,
)


def chip(snapshot: Snapshot = WELL, *, state: dict[str, Any] | None = None, **fields: Any) -> Snapshot:
    """The chip that is well, with some fields and some of its state changed."""
    return replace(snapshot, state=replace(snapshot.state, **(state or {})), **fields)


def rows(table: str) -> list[list[str]]:
    """A table as text: columns apart by two spaces or more, the header and empty lines left out; `8 / 40` is one cell."""
    lines = [re.sub(r"\s*/\s*", "/", line.strip()) for line in table.strip().splitlines()]
    return [[cell.strip() for cell in line.replace("->", "  ").split("  ") if cell.strip()] for line in lines[1:] if line]


def of(cell: str) -> tuple[int, int]:
    """`8 / 40` as (8, 40)."""
    events, people = cell.split("/")
    return int(events), int(people)


small = st.integers(0, 60)
statuses = st.sampled_from(list(ChipStatus))
moments = st.integers(-60 * 24, 0).map(lambda hours: AT + timedelta(hours=hours))
maybe_moments = st.none() | moments


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    """Counts that can be: no more delivered than accepted, no more read or reached than delivered, no more replied than reached."""
    accepted = draw(st.integers(0, 130))
    delivered = draw(st.integers(0, accepted))
    reached = draw(st.integers(0, delivered))
    left = accepted - delivered
    undeliverable = draw(st.integers(0, left))
    limited = draw(st.integers(0, left - undeliverable))
    return Counts(
        accepted=accepted,
        reached=reached,
        delivered=delivered,
        read=draw(st.integers(0, delivered)),
        replied=draw(st.integers(0, reached)),
        opted_out=draw(st.integers(0, min(reached, 12))),
        undeliverable=undeliverable,
        limited=limited,
        held=draw(st.integers(0, min(accepted, 5))),
        failed=draw(st.integers(0, left - undeliverable - limited)),
        unknown=draw(st.integers(0, 3)),
    )


pauses = st.builds(
    Pause,
    reason=st.sampled_from(["health_crash: fell", "platform quality RED", "ana: holiday"]),
    since=moments,
    until=st.none() | st.integers(-48, 48).map(lambda hours: AT + timedelta(hours=hours)),
    hard=st.booleans(),
)


@st.composite
def states(draw: st.DrawFn, *, among: st.SearchStrategy[ChipStatus] = statuses) -> ChipState:
    """Any state that a chip can be in: paused ones have reasons and remember where they were."""
    status = draw(among)
    is_paused = status is ChipStatus.PAUSED
    grown = draw(st.sampled_from([ChipStatus.READY, ChipStatus.ACTIVE]))
    phase = draw(st.sampled_from(list(Phase)))
    phase = Phase.OPERATION if status in (ChipStatus.READY, ChipStatus.ACTIVE) else phase
    is_slow = draw(st.booleans())
    return ChipState(
        status=status,
        phase=phase,
        phase_since=draw(moments),
        paused_from=(grown if phase is Phase.OPERATION else ChipStatus.WARMING) if is_paused else None,
        pauses=tuple(draw(st.lists(pauses, min_size=1, max_size=3))) if is_paused else (),
        pauses_in_row=draw(st.integers(1 if is_paused else 0, 3)),
        speed=0.5 if is_slow else 1.0,
        slow_until=draw(st.integers(-24, 48).map(lambda hours: AT + timedelta(hours=hours))) if is_slow else None,
        risk_cap=draw(st.none() | st.integers(1, 200)),
        risk_cap_since=draw(st.none() | st.integers(0, 10).map(lambda days: TODAY - timedelta(days=days))),
        rearmed_at=draw(maybe_moments),
        advanced_on=draw(st.none() | st.integers(0, 10).map(lambda days: TODAY - timedelta(days=days))),
        demoted_on=draw(st.none() | st.integers(0, 10).map(lambda days: TODAY - timedelta(days=days))),
        harm_at=draw(maybe_moments),
        ready_at=draw(maybe_moments),
    )


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "state": states(),
    "zone": st.sampled_from([ZONE, "America/Manaus", "Asia/Kathmandu", "UTC"]),
    "registered_at": moments,
    "checklist": st.builds(Checklist, name_approved=st.booleans(), route_set=st.booleans()),
    "quality": st.sampled_from(list(Quality)),
    "quality_at": maybe_moments,
    "phone_status": st.sampled_from(["FLAGGED", "BANNED"]),
    "webhook_at": maybe_moments,
    "stops": st.just(("portfolio: 135000",)),
    "phase_matured": counts(),
    "recent_matured": counts(),
    "recent_fresh": counts(),
    "last_hours": counts(),
    "unanswered_run": small,
    "sending_days_in_phase": st.integers(0, 12),
    "reachable_in_phase": st.integers(0, 400),
    "accepted_in_phase": st.integers(0, 200),
    "best_day_7d": st.integers(30, 300),
    "accepted_last_day": st.integers(1, 30),
    "idle_days": st.integers(0, 6),
    "accepted_today": small,
    "accepted_30d": st.integers(0, 900),
    "received_30d": st.integers(0, 300),
    "conversations_7d": st.integers(0, 8),
    "media_7d": st.sampled_from([Media.NONE, Media.TEXT, Media.TEXT | Media.AUDIO]),
    "templates_green": st.integers(0, 4),
    "templates_paused": st.integers(0, 2),
    "calls_answered_7d": st.integers(0, 2),
    "spam_errors_7d": st.integers(0, 2),
    "spam_errors_rearmed": st.integers(0, 1),
    "platform_warnings_7d": st.integers(0, 2),
    "health_max_1h": st.none() | st.integers(0, 100),
    "health_max_24h": st.none() | st.integers(0, 100),
    "portfolio_share": st.none() | st.integers(0, 300),
    "spend_left": st.none() | st.integers(0, 300),
    "eligible_people": st.integers(0, 400),
    "clamp": st.none() | st.integers(0, 300),
}
some_fields = st.lists(st.one_of([st.tuples(st.just(name), values) for name, values in FIELDS.items()]), max_size=9).map(dict)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """The chip that is well in any sending state, with some fields anything they can be: half of them may still send."""
    state = draw(states(among=st.sampled_from([ChipStatus.WARMING, ChipStatus.WARMING, ChipStatus.READY, ChipStatus.ACTIVE])))
    return replace(WELL, **{"state": state, **draw(some_fields)})
