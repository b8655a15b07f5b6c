"""Says why a chip stands where it does: its score term by term, its way to the next phase, and what a person can do now.

Values with sentences, made from a snapshot and the policy that decided on it; nothing is decided here and nothing read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from julia_warmer.core.budget import allowance
from julia_warmer.core.decide import decide
from julia_warmer.core.evidence import Lag, Prior, Rate, percent, sends_to_ceiling, sends_to_floor
from julia_warmer.core.model import PHASES, ChipStatus, Counts, Decision, Gate, Health, Phase, Snapshot, Verdict
from julia_warmer.core.month import AGES_H
from julia_warmer.core.phases import CHECKLIST
from julia_warmer.core.policy import EvidenceRules, Policy

SCORE_MAX = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One term of the waterfall: its points, where the score stands after it, and what it would be without it."""

    name: str
    points: float
    stands_at: float  # not clamped: what the bars add up to so far
    without: int  # the score if this term were 0
    sentence: str


@dataclass(frozen=True, slots=True)
class Step:
    """One gate on the way to the next phase and what is still missing for it, in words; empty when it passes."""

    gate: str
    verdict: Verdict
    sentence: str
    missing: str = ""
    sends: int | None = None  # matured sends more at the present rate; None: not a matter of sends, or never at this rate


@dataclass(frozen=True, slots=True)
class Todo:
    """What a person can do now: a name that stays the same, and a sentence."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it, for one snapshot."""

    score: int
    base: int
    waterfall: tuple[Bar, ...]
    path: tuple[Step, ...]
    next_phase: Phase | None
    todo: Todo
    so_far: tuple[str, ...] = ()  # rates of the recent sends, those too that have not matured, corrected for what is still to come


def explain(snapshot: Snapshot, policy: Policy, decision: Decision | None = None) -> Explanation:
    """Explain a decision on this snapshot; without one, what the policy decides on it."""
    decision = decision or decide(snapshot, policy)
    phase = decision.state.phase
    is_last = phase is Phase.OPERATION or decision.state.status is not ChipStatus.WARMING
    steps = path(snapshot, decision, policy)
    return Explanation(
        score=decision.health.score,
        base=policy.health.base,
        waterfall=waterfall(decision.health, policy.health.base),
        path=steps,
        next_phase=None if is_last else PHASES[PHASES.index(phase) + 1],
        todo=todo(snapshot, decision, steps, policy),
        so_far=so_far(snapshot, policy.evidence),
    )


# ------------------------------------------------------------------ the score


def waterfall(health: Health, base: int) -> tuple[Bar, ...]:
    """The score's terms in their order, each with its counterfactual."""
    total = base + sum(term.points for term in health.terms)
    bars: list[Bar] = []
    stands_at = float(base)
    for term in health.terms:
        stands_at += term.points
        bars.append(Bar(term.name, term.points, stands_at, _clamped(total - term.points), term.sentence))
    return tuple(bars)


def _clamped(points: float) -> int:
    return int(min(SCORE_MAX, max(0.0, points)) + 0.5)


# ------------------------------------------------------------------ the way up


def path(snapshot: Snapshot, decision: Decision, policy: Policy) -> tuple[Step, ...]:
    """Every gate of the decision with what is missing for it. A failed gate misses what would turn it."""
    is_warming = decision.state.status is ChipStatus.WARMING or decision.state.paused_from is ChipStatus.WARMING
    counts = snapshot.phase_matured if is_warming else snapshot.recent_matured
    return tuple(_step(gate, snapshot, decision, counts, policy) for gate in decision.gates)


def _step(gate: Gate, snapshot: Snapshot, decision: Decision, counts: Counts, policy: Policy) -> Step:
    if gate.verdict is Verdict.PASS:
        return Step(gate.name, gate.verdict, gate.sentence, sends=0 if gate.name in RATES else None)
    if gate.name in RATES:
        return _rate_step(gate, decision, counts, policy)
    return Step(gate.name, gate.verdict, gate.sentence, _missing(gate, snapshot, decision, policy))


RATES = {
    "replies": ("replied", lambda c: (c.replied, c.reached)),
    "opt-outs": ("opted out", lambda c: (c.opted_out, c.reached)),
    "undeliverable": ("could not be delivered", lambda c: (c.undeliverable, c.accepted)),
    "limited": ("were limited", lambda c: (c.limited, c.accepted)),
    "held": ("were held", lambda c: (c.held, c.accepted)),
}


def _rate_step(gate: Gate, decision: Decision, counts: Counts, policy: Policy) -> Step:
    rules = policy.evidence
    verb, count = RATES[gate.name]
    events, people = count(counts)
    if gate.name == "replies":
        floor = policy.phases[decision.state.phase].reply_floor
        sends = sends_to_floor(events, people, floor, people_min=rules.people_min, pass_at=rules.pass_at)
    else:
        prior = Prior.skeptical(rules.harm_prior_rate, rules.harm_prior_people)
        most = _most(gate.name, policy)
        sends = sends_to_ceiling(events, people, most, prior=prior, people_min=rules.people_min, pass_at=rules.pass_at)
    seen = Rate(events, people).told(verb, rules.interval_level)
    if sends is None:
        missing = f"would not pass at this rate: {seen}"
    else:
        missing = f"needs {sends} more matured sends {'at this rate' if people else 'at least'}: {seen}"
    return Step(gate.name, gate.verdict, gate.sentence, missing, sends)


def _most(gate: str, policy: Policy) -> float:
    """The ceiling that a gate of harm asks for."""
    gates = policy.gates
    ceilings = {
        "opt-outs": gates.opt_outs_max,
        "undeliverable": gates.undeliverable_max,
        "limited": gates.limited_max,
        "held": gates.held_max,
    }
    return ceilings[gate]


def _missing(gate: Gate, snapshot: Snapshot, decision: Decision, policy: Policy) -> str:
    """What a gate that is no rate still misses, in the unit that a person counts in."""
    rules = policy.phases[decision.state.phase]
    match gate.name:
        case "days" if decision.state.phase is Phase.SETUP:
            return f"needs time: {gate.sentence}"
        case "days":
            return f"needs {rules.days_min - snapshot.sending_days_in_phase} more sending days"
        case "health":
            return f"needs {rules.health_min - decision.health.score} more points of health"
        case "used":
            return _unused(snapshot, policy)
        case _:
            return gate.sentence


def _unused(snapshot: Snapshot, policy: Policy) -> str:
    if not snapshot.reachable_in_phase:
        return "needs people who can be reached"
    more = int(policy.gates.used_min * snapshot.reachable_in_phase + 0.999) - snapshot.accepted_in_phase
    return f"needs {max(more, 1)} more sends within the days so far, or fuller days to come"


# ------------------------------------------------------------------ what is still to come


def so_far(snapshot: Snapshot, rules: EvidenceRules) -> tuple[str, ...]:
    """Replies and opt-outs of the recent sends before all of them have matured: people count by the share of their answers that is in."""
    seen = snapshot.recent_fresh
    rows = (
        ("replied", seen.replied, Lag(rules.reply_lag_shape, rules.reply_lag_h)),
        ("opted out", seen.opted_out, Lag(rules.opt_out_lag_shape, rules.opt_out_lag_h)),
    )
    return tuple(_so_far(verb, events, seen.reached, snapshot.young_reached, lag, rules) for verb, events, lag in rows if seen.reached)


def _so_far(verb: str, events: int, reached: int, young: tuple[int, ...], lag: Lag, rules: EvidenceRules) -> str:
    """One rate: as counted, what share of the answers is in, and the rate that this makes."""
    edges = (rules.fresh_h, *AGES_H, rules.mature_h)
    ages = [((newer + older) / 2, people) for (newer, older), people in zip(pairwise(edges), young, strict=False)]
    left = reached
    told_in = 0.0
    for hours, people in ages:  # the window holds the newest sends; what it has no room for is not in it
        told_in += min(people, left) * lag.share_in(hours)
        left -= min(people, left)
    told_in += left * lag.share_in(2 * rules.mature_h)
    rate = min(1.0, events / told_in) if told_in else 0.0
    return f"{events} of {reached} {verb} so far; {percent(round(told_in / reached, 2))} of such answers are in: {percent(round(rate, 3))}"


# ------------------------------------------------------------------ what to do


def todo(snapshot: Snapshot, decision: Decision, steps: tuple[Step, ...], policy: Policy) -> Todo:
    """The one thing that helps most now; `wait` when nothing does but time."""
    first = next(chain(_of_state(snapshot, decision), _of_evidence(snapshot, decision, steps)), None)
    return first or Todo("wait", _wait(steps, snapshot, decision, policy))


def _of_state(snapshot: Snapshot, decision: Decision) -> Iterator[Todo]:
    """What keeps it from sending at all."""
    state = decision.state
    match state.status:
        case ChipStatus.BANNED:
            yield Todo("retire", "the platform banned this number: retire it, and decide by hand who writes to its people")
        case ChipStatus.RETIRED:
            yield Todo("none", "retired: nothing is to be done")
        case ChipStatus.PENDING:
            yield Todo("start", "start its warm-up: `warmer chips start`")
        case _:
            pass
    for stop in snapshot.stops:
        yield Todo("release_stop", f"release the stop when its cause is gone: {stop}")
    for pause in state.pauses:
        if pause.hard or pause.until is None:
            yield Todo("resume", f"mend what paused it, then resume it by hand: {pause.reason}")
    missing = [words for key, words in CHECKLIST.items() if not getattr(snapshot.checklist, key)]
    if missing:
        yield Todo("complete_checklist", f"complete: {', '.join(missing)}")


def _of_evidence(snapshot: Snapshot, decision: Decision, steps: tuple[Step, ...]) -> Iterator[Todo]:
    """What time alone will not mend."""
    for step in steps:
        if step.gate in RATES and step.verdict is not Verdict.PASS and step.sends is None:
            what = "write to people who want it" if step.gate == "replies" else "clean the list"
            yield Todo("change_message", f"{what}, or change the template: {step.gate} {step.missing}")
    if not snapshot.eligible_people:
        yield Todo("add_people", "nobody may be written to: import people with the proof of their consent")
    if any(step.gate == "sight" and step.verdict is not Verdict.PASS for step in steps):
        yield Todo("look", "check webhooks and the poll of quality: without them nothing may grow")
    for pause in decision.state.pauses:
        yield Todo("wait", f"wait for the pause to end by itself, and look at list and template meanwhile: {pause.reason}")
    for alarm in decision.alarms:
        yield Todo("look", f"look at list and template: {alarm.sentence}")


def _wait(steps: tuple[Step, ...], snapshot: Snapshot, decision: Decision, policy: Policy) -> str:
    """Nothing but time: how many sends and days, where they can be told."""
    sends = max((step.sends or 0 for step in steps), default=0)
    a_day = allowance(snapshot, decision.state, decision.health, policy).day_max
    if sends and a_day:
        return f"wait: {sends} more matured sends, about {-(-sends // a_day)} sending days at {a_day} a day"
    open_ = [step.missing for step in steps if step.missing]
    return f"wait: {open_[0]}" if open_ else "nothing: it grows by itself"
