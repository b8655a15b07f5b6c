"""Pauses and slow-downs: down fast, up slow."""

from dataclasses import replace
from datetime import timedelta

import pytest

from julia_warmer.core.model import Action, Alarm, ChipState, ChipStatus, Pause, Phase, Quality
from julia_warmer.core.pauses import begin, ends_at, place_of, resume, settle
from tests.core.some import AT, STANDARD, TODAY, chip

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SLOW = Alarm("replies", Action.SLOW, "too few", 24.0)
PAUSE = Alarm("opt_outs_high", Action.PAUSE, "too many", 48.0)
OWN_PLACE = STANDARD.pauses.release_spread_h * HOUR * place_of("chip")
PAUSED = {"status": ChipStatus.PAUSED, "paused_from": ChipStatus.WARMING, "pauses_in_row": 1}


def soft(hours: float, reason: str = "rule") -> Pause:
    return Pause(reason=reason, since=AT - DAY, until=AT + hours * HOUR)


def hard(reason: str = "ana: holiday") -> Pause:
    return Pause(reason=reason, since=AT - DAY, hard=True)


def after(*alarms: Alarm, **state: object) -> ChipState:
    return settle(chip(state=dict(state)), alarms, STANDARD)


def test_slow_halves_the_speed_for_a_day_and_is_restored_by_itself() -> None:
    slow = after(SLOW)
    assert (slow.speed, slow.slow_until, slow.status) == (0.5, AT + DAY, ChipStatus.WARMING)
    assert after(speed=0.5, slow_until=AT).speed == 1.0
    assert after(speed=0.5, slow_until=AT + HOUR).speed == 0.5


def test_an_alarm_that_still_rings_prolongs_the_slow_down_and_never_shortens_it() -> None:
    assert after(SLOW, speed=0.5, slow_until=AT + 3 * HOUR).slow_until == AT + DAY
    assert after(SLOW, speed=0.5, slow_until=AT + 30 * HOUR).slow_until == AT + 30 * HOUR


def test_a_pause_remembers_where_the_chip_was_and_doubles_when_it_comes_again() -> None:
    first = after(PAUSE, status=ChipStatus.READY, phase=Phase.OPERATION)
    assert (first.status, first.paused_from, first.pauses_in_row) == (ChipStatus.PAUSED, ChipStatus.READY, 1)
    assert ends_at(first) == AT + 48 * HOUR + OWN_PLACE
    assert ends_at(after(PAUSE, pauses_in_row=1)) == AT + 96 * HOUR + OWN_PLACE
    assert ends_at(after(PAUSE, pauses_in_row=9)) == AT + STANDARD.pauses.hours_max * HOUR + OWN_PLACE


def test_many_chips_that_stopped_together_come_back_one_after_another() -> None:
    """Spread evenly over the hours of the policy, the same chip always at the same place; load protection, no disguise."""
    ends = [ends_at(settle(replace(chip(), chip=f"chip {n}"), (PAUSE,), STANDARD)) for n in range(200)]
    assert ends == [ends_at(settle(replace(chip(), chip=f"chip {n}"), (PAUSE,), STANDARD)) for n in range(200)]
    late = sorted((end - AT - 48 * HOUR) / HOUR for end in ends if end is not None)
    assert late[0] >= 0
    assert late[-1] < STANDARD.pauses.release_spread_h
    by_hour = [sum(int(hours) == hour for hours in late) for hour in range(4)]
    assert max(by_hour) <= 75  # a quarter is 50


def test_of_overlapping_pauses_the_latest_end_wins_and_all_reasons_stay() -> None:
    both = after(**PAUSED, pauses=(soft(-1, "one"), soft(+5, "other")))
    assert both.status is ChipStatus.PAUSED
    assert [pause.reason for pause in both.pauses] == ["one", "other"]
    assert ends_at(both) == AT + 5 * HOUR


def test_what_a_person_or_the_platform_paused_never_ends_by_itself() -> None:
    state = after(**PAUSED, pauses=(soft(-1), hard()))
    assert state.status is ChipStatus.PAUSED
    assert ends_at(state) is None


def test_a_resume_starts_at_half_of_what_failed_and_arms_the_detectors_anew() -> None:
    state = after(**PAUSED, pauses=(soft(0),))
    assert (state.status, state.paused_from, state.pauses) == (ChipStatus.WARMING, None, ())
    assert (state.risk_cap, state.risk_cap_since, state.rearmed_at) == (15, TODAY, AT)
    assert state.pauses_in_row == 1
    assert state.phase is Phase.EXPANSION


@pytest.mark.parametrize(("failed_day", "risk_cap", "expected"), [(100, None, 50), (9, None, 4), (1, None, 1), (0, None, 5), (100, 40, 20)])
def test_a_second_failure_is_measured_by_the_cap_that_failed(failed_day: int, risk_cap: int | None, expected: int) -> None:
    state = ChipState(status=ChipStatus.PAUSED, phase=Phase.EXPANSION, phase_since=AT, pauses=(hard(),), risk_cap=risk_cap)
    assert resume(state, at=AT, today=TODAY, failed_day=failed_day, policy=STANDARD).risk_cap == expected


def test_the_risk_cap_grows_by_a_quarter_after_each_clean_day_and_only_then() -> None:
    assert after(risk_cap=20, risk_cap_since=TODAY).risk_cap == 20
    grown = after(risk_cap=20, risk_cap_since=TODAY - DAY)
    assert (grown.risk_cap, grown.risk_cap_since) == (25, TODAY)
    assert after(risk_cap=20, risk_cap_since=TODAY - 5 * DAY).risk_cap == 25  # missed looks do not jump
    assert after(risk_cap=1, risk_cap_since=TODAY - DAY).risk_cap == 2
    assert after(risk_cap=20, risk_cap_since=TODAY - DAY, harm_at=AT - DAY).risk_cap == 20
    assert after(SLOW, risk_cap=20, risk_cap_since=TODAY - DAY).risk_cap == 20


def test_a_risk_cap_that_binds_no_more_is_forgotten() -> None:
    assert after(risk_cap=50, risk_cap_since=TODAY - DAY).risk_cap is None


def test_pauses_are_forgotten_after_two_quiet_weeks() -> None:
    assert after(pauses_in_row=2, rearmed_at=AT - 13 * DAY).pauses_in_row == 2
    assert after(pauses_in_row=2, rearmed_at=AT - 14 * DAY).pauses_in_row == 0


MISSED = {
    "131048: spam rate limit on this number": {"spam_errors_rearmed": 1},
    "platform quality RED": {"quality": Quality.RED},
    "phone status RESTRICTED": {"phone_status": "RESTRICTED"},
}


@pytest.mark.parametrize("reason", MISSED)
def test_what_a_webhook_would_have_stopped_is_stopped_by_the_review_too(reason: str) -> None:
    state = settle(chip(**MISSED[reason]), (), STANDARD)
    (pause,) = state.pauses
    assert (pause.reason, pause.hard, pause.source) == (reason, True, "platform")


def test_the_same_reason_is_not_added_twice() -> None:
    snapshot = chip(state={**PAUSED, "pauses": (hard("platform quality RED"),)}, quality=Quality.RED)
    assert settle(snapshot, (), STANDARD).pauses == snapshot.state.pauses
    state = replace(snapshot.state, status=ChipStatus.WARMING, pauses=(), paused_from=None, pauses_in_row=0)
    assert begin(begin(state, (hard(),)), (hard(),)).pauses_in_row == 1


def test_a_soft_pause_that_ends_while_the_platform_is_angry_becomes_a_hard_one() -> None:
    state = settle(chip(state={**PAUSED, "pauses": (soft(-1),)}, quality=Quality.RED), (), STANDARD)
    assert (state.status, ends_at(state)) == (ChipStatus.PAUSED, None)


def test_a_banned_number_is_banned_for_good() -> None:
    assert settle(chip(phone_status="BANNED"), (), STANDARD).status is ChipStatus.BANNED


def test_harm_is_remembered_and_a_mere_note_is_not_harm() -> None:
    assert after(SLOW).harm_at == AT
    assert after(replace(SLOW, action=Action.NOTIFY)).harm_at is None
    assert settle(chip(quality=Quality.YELLOW), (), STANDARD).harm_at == AT


@pytest.mark.parametrize("status", [ChipStatus.PENDING, ChipStatus.BANNED, ChipStatus.RETIRED])
def test_a_chip_that_is_not_in_play_is_left_alone(status: ChipStatus) -> None:
    snapshot = chip(state={"status": status}, quality=Quality.RED, phone_status="BANNED")
    assert settle(snapshot, (SLOW, PAUSE), STANDARD) is snapshot.state
