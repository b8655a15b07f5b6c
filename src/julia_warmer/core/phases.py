"""The warm-up's ladder: what each phase asks for before the next one, and what takes one away. Knows no budget and no pause.

    setup            3 calendar days, health >= 45, checklist done
    first_contacts   4 sending days,  health >= 55, replies >= 20 %
    expansion        7 sending days,  health >= 70, replies >= 18 %
    pre_operation    7 sending days,  health >= 85, replies >= 15 %
    operation        ready

(the numbers are the standard policy's). A gate has three answers. `pass`: all of them together lead one phase up, once a day.
`fail`: one of them leads one phase down, once a day. `inconclusive` does neither: it says what is missing, and time goes on.
Evidence starts when the phase began, so that what took a phase away is not held against the chip a second time.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache

from julia_warmer.core.days import local_day, span
from julia_warmer.core.evidence import Prior, gate_ceiling, gate_floor, percent
from julia_warmer.core.kept import Kept
from julia_warmer.core.model import (
    PHASES,
    Action,
    Alarm,
    Checklist,
    ChipState,
    ChipStatus,
    Counts,
    Gate,
    Health,
    Phase,
    Snapshot,
    Verdict,
)
from julia_warmer.core.policy import EvidenceRules, GateRules, Policy

CACHED = 1 << 14
BOUNDS_MAX = 256  # policies and floors, those of single chips included
CHECKLIST = {
    "name_approved": "display name approved",
    "profile_filled": "profile filled",
    "pin_set": "two-step PIN set",
    "template_approved": "a template approved",
    "webhook_heard": "webhook heard",
    "route_set": "answering route set",
}


def weigh(snapshot: Snapshot, state: ChipState, health: Health, policy: Policy) -> tuple[Gate, ...]:
    """Every gate between the chip and its next phase, or those that keep it where it is once it is ready.

    A paused chip's evidence goes on coming in: it can still lose its phase, and cannot gain one.
    """
    if state.status is ChipStatus.PAUSED:
        return _paused_gates(snapshot, state, policy)
    if state.status is ChipStatus.READY or state.status is ChipStatus.ACTIVE:
        return _evidence_gates(snapshot.recent_matured, policy.phases[state.phase].reply_floor, policy)
    if state.status is not ChipStatus.WARMING:
        return ()
    if state.phase is Phase.OPERATION:  # imported as warm: ready at once, but not right after harm
        return (_calm_gate(snapshot, state, policy),)
    rules = policy.phases[state.phase]
    gates = (
        _days_gate(snapshot, state, rules.days_min),
        _health_gate(health.score, rules.health_min),
        _checklist_gate(snapshot.checklist, state.phase is Phase.SETUP),
        _calm_gate(snapshot, state, policy),
    )
    if state.phase is Phase.SETUP:
        return gates
    return (
        *gates,
        *_evidence_gates(snapshot.phase_matured, rules.reply_floor, policy),
        _used_gate(snapshot.accepted_in_phase, snapshot.reachable_in_phase, policy.gates.used_min),
        sight_gate(snapshot, policy),
    )


def _paused_gates(snapshot: Snapshot, state: ChipState, policy: Policy) -> tuple[Gate, ...]:
    if state.phase is Phase.SETUP:
        return ()
    counts = snapshot.phase_matured if state.paused_from is ChipStatus.WARMING else snapshot.recent_matured
    return _evidence_gates(counts, policy.phases[state.phase].reply_floor, policy)


def move(
    snapshot: Snapshot, state: ChipState, health: Health, gates: tuple[Gate, ...], alarms: tuple[Alarm, ...], policy: Policy
) -> ChipState:
    """The state one phase up, one down, or as it is."""
    failed = {gate.name for gate in gates if gate.verdict is Verdict.FAIL}
    asked = any(alarm.action is Action.DEMOTE for alarm in alarms)
    low = health.score < policy.gates.return_health_below
    match state.status:
        case ChipStatus.WARMING:
            return _step(snapshot, state, gates, failed=failed, asked=asked)
        case ChipStatus.PAUSED if failed:
            return _fall_paused(snapshot, state)
        case ChipStatus.READY if failed or asked or low:
            return _return(snapshot, state)
        case ChipStatus.ACTIVE if asked or low:
            return _return(snapshot, state)
        case _:
            return state


def _step(snapshot: Snapshot, state: ChipState, gates: tuple[Gate, ...], *, failed: set[str], asked: bool) -> ChipState:
    today = local_day(snapshot.at, snapshot.zone)
    if state.phase is Phase.OPERATION:
        return _ready(state, snapshot.at) if all(gate.verdict is Verdict.PASS for gate in gates) else state
    if failed or asked:
        return _demote(state, snapshot.at, today, to_setup="checklist" in failed)
    if all(gate.verdict is Verdict.PASS for gate in gates):
        return _advance(state, snapshot.at, today)
    return state


def _advance(state: ChipState, at: datetime, today: date) -> ChipState:
    """One phase up, at most once a local day, and never on the day of a demotion."""
    if today in (state.advanced_on, state.demoted_on):
        return state
    phase = PHASES[PHASES.index(state.phase) + 1]
    state = replace(state, phase=phase, phase_since=at, advanced_on=today)
    return _ready(state, at) if phase is Phase.OPERATION else state


def _ready(state: ChipState, at: datetime) -> ChipState:
    return replace(state, status=ChipStatus.READY, ready_at=state.ready_at or at)


def _demote(state: ChipState, at: datetime, today: date, *, to_setup: bool) -> ChipState:
    """One phase down, at most once a local day; to setup only for a lost checklist."""
    lowest = PHASES.index(Phase.SETUP if to_setup else Phase.FIRST_CONTACTS)
    rank = max(PHASES.index(state.phase) - 1, lowest)
    if state.demoted_on == today or rank >= PHASES.index(state.phase):
        return state
    return replace(state, phase=PHASES[rank], phase_since=at, demoted_on=today, harm_at=at)


def _return(snapshot: Snapshot, state: ChipState) -> ChipState:
    """A ready or active chip goes back to warm-up, one phase down."""
    today = local_day(snapshot.at, snapshot.zone)
    phase = PHASES[max(PHASES.index(state.phase) - 1, PHASES.index(Phase.FIRST_CONTACTS))]
    back = replace(state, status=ChipStatus.WARMING, ready_at=None, demoted_on=today, harm_at=snapshot.at)
    return replace(back, phase=phase, phase_since=snapshot.at)


def _fall_paused(snapshot: Snapshot, state: ChipState) -> ChipState:
    """What its last messages led to has come in while it was paused: it stays paused, and goes back to a lower place."""
    if state.paused_from is ChipStatus.WARMING:
        return _demote(state, snapshot.at, local_day(snapshot.at, snapshot.zone), to_setup=False)
    if state.paused_from is ChipStatus.READY:
        return replace(_return(snapshot, state), status=ChipStatus.PAUSED, paused_from=ChipStatus.WARMING)
    return state


class _Bounds:
    """The gates on evidence under one floor of replies, each made once for each pair of counts that was seen: (events, people)."""

    def __init__(self, floor: float, gates: GateRules, rules: EvidenceRules) -> None:
        sure = {"people_min": rules.people_min, "pass_at": rules.pass_at, "fail_at": rules.fail_at}
        prior = Prior.skeptical(rules.harm_prior_rate, rules.harm_prior_people)

        def at_most(name: str, ceiling: float) -> Kept[tuple[int, int], Gate]:
            return Kept(lambda seen: gate_ceiling(name, *seen, ceiling, prior=prior, **sure))

        self.replies: Kept[tuple[int, int], Gate] = Kept(lambda seen: gate_floor("replies", *seen, floor, **sure))
        self.opt_outs = at_most("opt-outs", gates.opt_outs_max)
        self.undeliverable = at_most("undeliverable", gates.undeliverable_max)
        self.limited = at_most("limited", gates.limited_max)
        self.held = at_most("held", gates.held_max)


_bounds: dict[tuple[str, float], _Bounds] = {}


def _evidence_gates(counts: Counts, floor: float, policy: Policy) -> tuple[Gate, ...]:
    """Replies from below, each harm from above."""
    bounds = _bounds.get((policy.sha256, floor))
    if bounds is None:
        if len(_bounds) >= BOUNDS_MAX:
            _bounds.clear()
        bounds = _bounds[policy.sha256, floor] = _bounds_of(floor, policy.gates, policy.evidence)
    return (
        bounds.replies[counts.replied, counts.reached],
        bounds.opt_outs[counts.opted_out, counts.reached],
        bounds.undeliverable[counts.undeliverable, counts.accepted],
        bounds.limited[counts.limited, counts.accepted],
        bounds.held[counts.held, counts.accepted],
    )


@lru_cache(64)
def _bounds_of(floor: float, gates: GateRules, rules: EvidenceRules) -> _Bounds:
    """Chips with rules of their own share what these do not touch."""
    return _Bounds(floor, gates, rules)


def _days_gate(snapshot: Snapshot, state: ChipState, days_min: int) -> Gate:
    if state.phase is not Phase.SETUP:
        return _days(snapshot.sending_days_in_phase, days_min, "sending days")
    since = local_day(snapshot.registered_at, snapshot.zone)
    return _days((local_day(snapshot.at, snapshot.zone) - since).days, days_min, "days since registration")


@lru_cache(CACHED)
def _days(done: int, days_min: int, noun: str) -> Gate:
    return Gate("days", Verdict.PASS if done >= days_min else Verdict.INCONCLUSIVE, f"{done} of {days_min} {noun}")


@lru_cache(CACHED)
def _health_gate(score: int, health_min: int) -> Gate:
    if score >= health_min:
        return Gate("health", Verdict.PASS, f"health {score} >= {health_min}")
    return Gate("health", Verdict.INCONCLUSIVE, f"health {score} < {health_min}")


@lru_cache(256)
def _checklist_gate(checklist: Checklist, in_setup: bool) -> Gate:
    """What is not done yet holds a chip in setup; what was done and is lost takes a phase away."""
    missing = [words for key, words in CHECKLIST.items() if not getattr(checklist, key)]
    if not missing:
        return Gate("checklist", Verdict.PASS, "checklist done")
    return Gate("checklist", Verdict.INCONCLUSIVE if in_setup else Verdict.FAIL, "checklist: " + ", ".join(missing) + " is missing")


def _calm_gate(snapshot: Snapshot, state: ChipState, policy: Policy) -> Gate:
    """No slow-down open, and neither harm nor a resume within the calm hours."""
    if state.speed < 1 or state.slow_until is not None:
        return Gate("calm", Verdict.INCONCLUSIVE, f"slowed to {percent(state.speed)}")
    since = is_calm_since(state)
    if since is None or snapshot.at - since >= span(policy.gates.calm_h):
        return CALM
    hours = (snapshot.at - since).total_seconds() / 3600
    return Gate("calm", Verdict.INCONCLUSIVE, f"{hours:.0f} of {policy.gates.calm_h:g} h since harm or resume")


CALM = Gate("calm", Verdict.PASS, "calm")


def is_calm_since(state: ChipState) -> datetime | None:
    """The last harm or resume, whichever is later."""
    moments = [moment for moment in (state.harm_at, state.rearmed_at) if moment is not None]
    return max(moments) if moments else None


@lru_cache(CACHED)
def _used_gate(accepted: int, reachable: int, used_min: float) -> Gate:
    if not reachable:
        return Gate("used", Verdict.INCONCLUSIVE, "nobody could be reached in this phase yet")
    used = accepted / reachable
    sign = ">=" if used >= used_min else "<"
    return Gate(
        "used", Verdict.PASS if used >= used_min else Verdict.INCONCLUSIVE, f"used {percent(used)} of the budget {sign} {percent(used_min)}"
    )


SEEING = Gate("sight", Verdict.PASS, "webhooks heard, quality read")


def sight_gate(snapshot: Snapshot, policy: Policy) -> Gate:
    """Whether the platform is heard at all: without webhooks or quality, no number above means anything.

    Silence tells nothing of a chip that has sent nothing for a week: there was nothing to hear.
    """
    rules = policy.budget
    has_sent = snapshot.best_day_7d or snapshot.accepted_today
    if has_sent and not _within(snapshot.webhook_at, snapshot.at, rules.webhook_silent_h):
        return Gate("sight", Verdict.INCONCLUSIVE, f"no webhook heard for {rules.webhook_silent_h:g} h")
    if not _within(snapshot.quality_at, snapshot.at, rules.quality_stale_h):
        return Gate("sight", Verdict.INCONCLUSIVE, f"quality not read for {rules.quality_stale_h:g} h")
    return SEEING


def _within(moment: datetime | None, at: datetime, hours: float) -> bool:
    return moment is not None and at - moment <= span(hours)


def worst(gates: Iterable[Gate]) -> tuple[str, ...]:
    """The sentences that say why not: of the gates that fail, else of those that do not pass."""
    failed = [gate.sentence for gate in gates if gate.verdict is Verdict.FAIL]
    return tuple(failed or [gate.sentence for gate in gates if gate.verdict is not Verdict.PASS])
