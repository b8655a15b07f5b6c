"""Laws that hold for any chip and any policy numbers: harm, evidence, pauses, missed looks, caps, stale facts, idleness, imports."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.decide import decide
from julia_warmer.core.events import MessageDelivered, MessageFailed, MessageReceived, OptOutRequested, OptOutSource
from julia_warmer.core.fold import Tally
from julia_warmer.core.health import score
from julia_warmer.core.model import PHASES, Action, Change, ChipState, ChipStatus, Counts, Pause, Phase, Quality, Snapshot
from julia_warmer.core.pauses import SENDING, begin, ends_at, settle
from tests.core.some import AT, GOOD, STANDARD, ZONE, chip, counts, pauses, snapshots, states

LAW = settings(max_examples=500, deadline=None)
HOUR = timedelta(hours=1)
WARMING = st.just(ChipStatus.WARMING)

harms = st.sampled_from(
    [
        {"quality": Quality.YELLOW},
        {"quality": Quality.RED},
        {"spam_errors_rearmed": 1},
        {"last_hours": replace(GOOD, held=1)},
        {"recent_fresh": replace(GOOD, opted_out=9)},
        {"phase_matured": replace(GOOD, opted_out=9)},
        {"recent_fresh": replace(GOOD, undeliverable=14)},
        {"recent_fresh": replace(GOOD, limited=16)},
        {"recent_matured": replace(GOOD, replied=1)},
        {"unanswered_run": 60},
    ]
)


@given(snapshots(), harms, st.integers(0, 23))
@LAW
def test_coherence_a_budget_never_grows_and_no_phase_is_won_right_after_harm(
    snapshot: Snapshot, harm: dict[str, object], later_h: int
) -> None:
    """However well everything looks in the hours after it."""
    state = replace(snapshot.state, phase=Phase.EXPANSION if snapshot.state.phase is Phase.SETUP else snapshot.state.phase)
    hurt = replace(snapshot, state=state, **harm)  # type: ignore[arg-type]
    first = decide(hurt, STANDARD)
    at = AT + later_h * HOUR
    well = chip(at=at, quality_at=at, webhook_at=at, accepted_last_day=hurt.accepted_last_day, accepted_today=hurt.accepted_today)
    then = decide(replace(well, state=first.state), STANDARD)
    proved = max(hurt.accepted_last_day, hurt.accepted_today) or int(STANDARD.budget.growth_min * STANDARD.pauses.resume_share)
    for decision in (first, then):
        assert decision.budget.day_max <= proved
        assert not {Change.ADVANCED, Change.BECAME_READY} & set(decision.changes)


@given(snapshots(), st.sampled_from(PHASES[1:4]), counts())
@LAW
def test_nobody_is_promoted_without_matured_evidence(snapshot: Snapshot, phase: Phase, young: Counts) -> None:
    """Fresh sends, however many and however good, are no evidence for a gate; nor are fewer matured people than the least."""
    few = Counts(accepted=19, reached=19, delivered=19, replied=19)
    state = replace(snapshot.state, status=ChipStatus.WARMING, phase=phase)
    for matured in (Counts(), few):
        seen = replace(snapshot, state=state, phase_matured=matured, recent_fresh=young, last_hours=young)
        assert Change.ADVANCED not in decide(seen, STANDARD).changes


@given(states(among=st.sampled_from(sorted(SENDING))), st.lists(pauses, min_size=1, max_size=5), st.randoms(use_true_random=False))
@LAW
def test_of_overlapping_pauses_the_latest_end_wins_and_all_reasons_stay(state: ChipState, open_: list[Pause], draw: object) -> None:
    """In whatever order they begin; one without an end waits for a person."""
    shuffled = sorted(open_, key=lambda _: draw.random())  # type: ignore[attr-defined]
    one, other = begin(state, tuple(open_)), state
    for pause in shuffled:
        other = begin(other, (pause,))
    assert one.status is other.status is ChipStatus.PAUSED
    assert {p.reason for p in one.pauses} == {p.reason for p in other.pauses} == {p.reason for p in open_}
    endless = any(p.hard or p.until is None for p in one.pauses)
    latest = max((p.until for p in one.pauses if p.until is not None), default=None)
    assert ends_at(one) == (None if endless else latest)
    held = settle(replace(chip(), state=one), (), STANDARD)
    assert (held.status is ChipStatus.PAUSED) == (endless or (latest is not None and latest > AT))
    if held.status is ChipStatus.PAUSED:
        assert {p.reason for p in held.pauses} >= {p.reason for p in open_}


@given(snapshots(), st.integers(1, 40), st.integers(1, 6))
@LAW
def test_missed_looks_do_not_jump_stages(snapshot: Snapshot, days: int, looks: int) -> None:
    """After any silence a chip moves one phase at most, its risk cap grows by one clean day, and looking again moves it no further up."""
    at = AT + timedelta(days=days)
    seen = replace(chip(at=at, quality_at=at, webhook_at=at), state=replace(snapshot.state, harm_at=None, rearmed_at=None))
    cap = seen.state.risk_cap
    first = decide(seen, STANDARD)
    assert abs(PHASES.index(first.state.phase) - PHASES.index(seen.state.phase)) <= 1
    if cap is not None and first.state.risk_cap is not None and first.state.status is not ChipStatus.PAUSED:
        assert first.state.risk_cap <= max(cap + 1, int(cap * STANDARD.pauses.clean_day_growth))
    state = first.state
    for nth in range(looks):
        moment = at + timedelta(minutes=nth + 1)
        state = decide(replace(seen, at=moment, quality_at=moment, webhook_at=moment, state=state), STANDARD).state
    assert PHASES.index(state.phase) <= max(PHASES.index(first.state.phase), PHASES.index(seen.state.phase))


@given(snapshots(), st.integers(0, 3), st.floats(0, 1), st.floats(1, 3))
@LAW
def test_fractional_caps_are_never_rounded_up_and_zero_means_none(snapshot: Snapshot, cap: int, speed: float, growth: float) -> None:
    phases = {
        phase: replace(rules, cap_day_max=0 if phase is Phase.SETUP else min(cap, rules.cap_day_max))
        for phase, rules in STANDARD.phases.items()
    }
    small = replace(STANDARD, phases=phases, budget=replace(STANDARD.budget, growth_ratio=growth, operation_growth=1.0))
    seen = replace(snapshot, state=replace(snapshot.state, speed=speed, slow_until=AT + HOUR), best_day_7d=0)
    decision = decide(seen, small)
    assert isinstance(decision.budget.day_max, int)
    assert 0 <= decision.budget.day_max <= cap * decision.state.speed or decision.state.speed > speed
    if not cap:
        assert decision.budget.day_max == 0


@given(counts(), st.booleans(), st.integers(0, 5), states(among=WARMING))
@LAW
def test_our_own_alarms_pauses_and_phases_never_feed_the_score(seen: Counts, slow: bool, in_row: int, other: ChipState) -> None:
    snapshot = chip(recent_matured=seen, recent_fresh=seen)
    marked = replace(snapshot, state=replace(other, speed=0.5 if slow else 1.0, pauses_in_row=in_row, harm_at=AT, demoted_on=AT.date()))
    assert score(snapshot, STANDARD) == score(marked, STANDARD)


facts = st.sampled_from(["opted out", "undeliverable", "limited", "failed", "silent", "answered"])


@given(st.lists(facts, min_size=1, max_size=60), st.integers(1, 30))
@LAW
def test_what_was_sent_before_a_resume_rings_nothing_after_it(stories: list[str], hours_ago: int) -> None:
    """However bad it was, and however late its facts come in."""
    rearmed = AT - hours_ago * HOUR
    tally = Tally(ZONE)
    for nth, story in enumerate(stories):
        sent = rearmed - timedelta(minutes=10 * (len(stories) - nth))
        person, message = f"person {nth}", f"message {nth}"
        tally.accepted(sent, person, message)
        late = AT - timedelta(minutes=1)
        match story:
            case "opted out":
                tally.apply(MessageDelivered(at=late, message_id=message))
                tally.apply(OptOutRequested(at=late, phone=person, source=OptOutSource.BUTTON, purpose="marketing"))
            case "answered":
                tally.apply(MessageReceived(at=late, phone=person, message_id=f"r{nth}", message_type="text"))
            case "silent":
                tally.apply(MessageDelivered(at=late, message_id=message))
            case _:
                code = {"undeliverable": 131026, "limited": 131049}.get(story, 131000)
                tally.apply(MessageFailed(at=late, message_id=message, code=code))
    state = replace(chip().state, rearmed_at=rearmed)
    seen = replace(chip(), state=state, **tally.counts(AT, state=state, evidence=STANDARD.evidence))
    decision = decide(replace(seen, health_max_1h=None, health_max_24h=None), STANDARD)
    assert not [alarm for alarm in decision.alarms if alarm.action is not Action.NOTIFY]
    assert not {Change.SLOWED, Change.PAUSED, Change.DEMOTED} & set(decision.changes)


@given(snapshots(), st.integers(0, 20), st.integers(0, 20))
@LAW
def test_an_idle_chip_decays_day_by_day_to_a_least_and_no_further(snapshot: Snapshot, some: int, more: int) -> None:
    rested, idler = (replace(snapshot, idle_days=days) for days in (some, some + more))
    before, after = score(rested, STANDARD), score(idler, STANDARD)
    assert after.score <= before.score
    assert sum(term.points for term in after.terms if term.name == "idle") >= STANDARD.health.idle_max
    assert decide(idler, STANDARD).budget.day_max <= decide(rested, STANDARD).budget.day_max


@given(st.sampled_from(PHASES[1:]), st.sampled_from(list(Quality)), st.integers(0, 400), st.integers(0, 5000))
@LAW
def test_a_number_imported_as_warm_keeps_its_place_and_begins_like_a_first_day(
    phase: Phase, quality: Quality, age_days: int, people: int
) -> None:
    """Without a single send of ours: nothing is known of it, so nothing is won, lost or grown beyond a first day."""
    imported = Snapshot(
        at=AT,
        chip_id=1,
        chip="imported",
        zone=ZONE,
        registered_at=AT - timedelta(days=age_days),
        state=ChipState(status=ChipStatus.WARMING, phase=phase, phase_since=AT),
        checklist=chip().checklist,
        quality=quality,
        quality_at=AT,
        eligible_people=people,
    )
    decision = decide(imported, STANDARD)
    assert decision.state.phase is phase
    assert decision.budget.day_max <= STANDARD.budget.growth_min
    if quality is Quality.RED:
        assert decision.state.status is ChipStatus.PAUSED
    elif phase is Phase.OPERATION and quality is not Quality.YELLOW:
        assert decision.state.status is ChipStatus.READY
    else:
        assert decision.state.status is ChipStatus.WARMING
        assert Change.ADVANCED not in decision.changes
