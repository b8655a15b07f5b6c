"""The ladder as a table: what the gates say, and where the chip goes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from julia_warmer.core.model import PHASES, Action, Alarm, ChipStatus, Counts, Gate, Health, Phase, Verdict
from julia_warmer.core.phases import move, weigh
from tests.core.some import AT, DONE, STANDARD, TODAY, chip, of, rows

# health; replies of people; opt-outs of the same; share of the budget used. A chip with the days and the calm it needs.
CASES = """
    phase           health  replies  harm  used  ->  next            because
    setup               44        -     -     -  ->  setup           health 44 < 45
    setup               52        -     -     -  ->  first_contacts  -
    first_contacts      54  14 / 40     0   0.9  ->  first_contacts  health 54 < 55
    first_contacts      83  14 / 40     0   0.9  ->  expansion       P(replies >= 20 %) = 0.99
    first_contacts      83   8 / 40     0   0.9  ->  first_contacts  not sure yet: P(replies >= 20 %) = 0.56
    first_contacts      83   2 /  3     0   0.9  ->  first_contacts  not enough evidence: 3 of 20 people
    first_contacts      83   1 / 60     0   0.9  ->  first_contacts  P(replies >= 20 %) = 0.00
    first_contacts      83  14 / 40     0   0.7  ->  first_contacts  used 70 % of the budget < 80 %
    first_contacts      83  14 / 40     3   0.9  ->  first_contacts  not sure yet: P(opt-outs <= 3 %) = 0.38
    expansion           83  40 /120     1   0.9  ->  pre_operation   P(replies >= 18 %) = 1.00
    expansion           83   9 /120     0   0.9  ->  first_contacts  P(replies >= 18 %) = 0.00
    expansion           83  40 /120    12   0.9  ->  first_contacts  P(opt-outs <= 3 %) = 0.00
    pre_operation       84  99 /300     2   0.9  ->  pre_operation   health 84 < 85
    pre_operation       85  99 /300     2   0.9  ->  operation       P(replies >= 15 %) = 1.00
    pre_operation       85  20 /300     2   0.9  ->  expansion       P(replies >= 15 %) = 0.00
"""


@pytest.mark.parametrize(("phase", "health", "replies", "harm", "used", "following", "because"), rows(CASES))
def test_the_gates_of_a_phase_lead_up_down_or_nowhere(
    phase: str, health: str, replies: str, harm: str, used: str, following: str, because: str
) -> None:
    seen = Counts()
    if replies != "-":
        replied, reached = of(replies)
        seen = Counts(accepted=reached, reached=reached, delivered=reached, replied=replied, opted_out=int(harm))
    snapshot = chip(
        state={"phase": Phase(phase)},
        phase_matured=seen,
        reachable_in_phase=200,
        accepted_in_phase=0 if used == "-" else int(200 * float(used)),
    )
    score = Health(int(health), ())
    gates = weigh(snapshot, snapshot.state, score, STANDARD)
    state = move(snapshot, snapshot.state, score, gates, (), STANDARD)
    assert state.phase == following
    assert because == "-" or because in [gate.sentence for gate in gates]


def _step(gates: tuple[Gate, ...] = (), *, alarms: tuple[Alarm, ...] = (), health: int = 90, **state: object) -> object:
    snapshot = chip(state=dict(state))
    return move(snapshot, snapshot.state, Health(health, ()), gates, alarms, STANDARD)


PASSED = (Gate("replies", Verdict.PASS, "yes"),)
FAILED = (Gate("replies", Verdict.FAIL, "no"), Gate("days", Verdict.PASS, "7 of 7"))
LOST = (Gate("checklist", Verdict.FAIL, "checklist: answering route set is missing"),)
ASKED = (Alarm("mine", Action.DEMOTE, "it rang"),)


def test_a_chip_rises_at_most_once_a_local_day_and_not_on_the_day_of_a_fall() -> None:
    assert _step(PASSED).phase is Phase.PRE_OPERATION
    assert _step(PASSED, advanced_on=TODAY).phase is Phase.EXPANSION
    assert _step(PASSED, demoted_on=TODAY).phase is Phase.EXPANSION
    assert _step(PASSED, advanced_on=TODAY - timedelta(days=1)).phase is Phase.PRE_OPERATION


def test_a_step_starts_the_evidence_anew() -> None:
    up, down = _step(PASSED), _step(FAILED)
    assert (up.phase_since, up.advanced_on) == (AT, TODAY)
    assert (down.phase_since, down.demoted_on, down.harm_at) == (AT, TODAY, AT)


def test_a_chip_falls_at_most_once_a_day_and_never_below_first_contacts() -> None:
    assert _step(FAILED).phase is Phase.FIRST_CONTACTS
    assert _step(FAILED, demoted_on=TODAY).phase is Phase.EXPANSION
    assert _step(FAILED, phase=Phase.FIRST_CONTACTS).phase is Phase.FIRST_CONTACTS
    assert _step(PASSED, alarms=ASKED).phase is Phase.FIRST_CONTACTS


def test_only_a_lost_checklist_leads_back_to_setup() -> None:
    assert _step(LOST, phase=Phase.FIRST_CONTACTS).phase is Phase.SETUP
    assert _step(LOST, phase=Phase.PRE_OPERATION).phase is Phase.EXPANSION


def test_the_last_step_makes_a_chip_ready_and_remembers_when() -> None:
    state = _step(PASSED, phase=Phase.PRE_OPERATION)
    assert (state.status, state.phase, state.ready_at) == (ChipStatus.READY, Phase.OPERATION, AT)


def test_a_number_imported_as_warm_is_ready_at_once() -> None:
    assert _step(phase=Phase.OPERATION).status is ChipStatus.READY


GROWN = """
    status  health  gate  ->  status   phase
    ready       90  pass  ->  ready    operation
    ready       90  fail  ->  warming  pre_operation
    ready       49  pass  ->  warming  pre_operation
    active      90  fail  ->  active   operation
    active      50  pass  ->  active   operation
    active      49  pass  ->  warming  pre_operation
"""


@pytest.mark.parametrize(("status", "health", "gate", "then", "phase"), rows(GROWN))
def test_what_takes_a_grown_chip_back_to_warming(status: str, health: str, gate: str, then: str, phase: str) -> None:
    gates = FAILED if gate == "fail" else PASSED
    state = _step(gates, health=int(health), status=ChipStatus(status), phase=Phase.OPERATION, ready_at=AT - timedelta(days=9))
    assert (state.status, state.phase) == (then, phase)
    assert (state.ready_at is None) == (then == "warming")


HOLDS = """
    what                  because
    slowed                slowed to 50 %
    harm 9 h ago          9 of 24 h since harm or resume
    resumed 3 h ago       3 of 24 h since harm or resume
    webhooks silent       no webhook heard for 48 h
    quality stale         quality not read for 6 h
    six sending days      6 of 7 sending days
    nobody reachable      nobody could be reached in this phase yet
    profile lost          checklist: profile filled is missing
    held                  not sure yet: P(held <= 10 %) = 0.20
"""
SPOILED = {
    "slowed": chip(state={"speed": 0.5, "slow_until": AT + timedelta(hours=3)}),
    "harm 9 h ago": chip(state={"harm_at": AT - timedelta(hours=9)}),
    "resumed 3 h ago": chip(state={"rearmed_at": AT - timedelta(hours=3)}),
    "webhooks silent": chip(webhook_at=AT - timedelta(hours=49)),
    "quality stale": chip(quality_at=None),
    "six sending days": chip(sending_days_in_phase=6),
    "nobody reachable": chip(reachable_in_phase=0, accepted_in_phase=0),
    "profile lost": chip(checklist=replace(DONE, profile_filled=False)),
    "held": chip(phase_matured=Counts(accepted=100, reached=97, delivered=97, replied=35, held=18)),
}


@pytest.mark.parametrize(("what", "because"), rows(HOLDS))
def test_one_thing_amiss_holds_a_chip_that_would_rise(what: str, because: str) -> None:
    snapshot = SPOILED[what]
    gates = weigh(snapshot, snapshot.state, Health(95, ()), STANDARD)
    assert [gate.sentence for gate in gates if gate.verdict is not Verdict.PASS] == [because]
    state = move(snapshot, snapshot.state, Health(95, ()), gates, (), STANDARD)
    assert PHASES.index(state.phase) <= PHASES.index(snapshot.state.phase)


def test_setup_counts_calendar_days_in_the_zone_of_the_chip() -> None:
    """Registered at 23:30 on a Monday in São Paulo: Thursday begins 48.5 hours later, and is three days on."""
    registered = AT.replace(day=17, hour=2, minute=30)
    snapshot = chip(state={"phase": Phase.SETUP}, registered_at=registered, at=registered + timedelta(hours=48, minutes=31))
    assert _days(snapshot.at - timedelta(minutes=2), snapshot) is Verdict.INCONCLUSIVE
    assert _days(snapshot.at, snapshot) is Verdict.PASS


def _days(at: object, snapshot: object) -> Verdict:
    moved = replace(snapshot, at=at)
    return next(gate.verdict for gate in weigh(moved, moved.state, Health(90, ()), STANDARD) if gate.name == "days")


PAUSED_CASES = """
    from     phase           replies  ->  next            goes back to
    warming  expansion        9 /120  ->  first_contacts  warming
    warming  expansion       40 /120  ->  expansion       warming
    warming  first_contacts   1 / 60  ->  first_contacts  warming
    ready    operation        9 /120  ->  pre_operation   warming
    active   operation        9 /120  ->  operation       active
"""


@pytest.mark.parametrize(("before", "phase", "replies", "following", "back"), rows(PAUSED_CASES))
def test_what_comes_in_during_a_pause_can_take_a_phase_and_never_gives_one(
    before: str, phase: str, replies: str, following: str, back: str
) -> None:
    replied, reached = of(replies)
    seen = Counts(accepted=reached, reached=reached, delivered=reached, replied=replied)
    paused = {"status": ChipStatus.PAUSED, "paused_from": ChipStatus(before), "phase": Phase(phase)}
    snapshot = chip(state=paused, phase_matured=seen, recent_matured=seen, reachable_in_phase=200, accepted_in_phase=200)
    gates = weigh(snapshot, snapshot.state, Health(99, ()), STANDARD)
    state = move(snapshot, snapshot.state, Health(99, ()), gates, (), STANDARD)
    assert (state.status, state.phase, state.paused_from) == (ChipStatus.PAUSED, following, back)
