"""What each command does to a chip in each status, as a table."""

from dataclasses import replace
from datetime import timedelta

import pytest

from julia_warmer.core.commands import ActivateChip, ChipCommand, PauseChip, ResumeChip, RetireChip, StartChip
from julia_warmer.core.control import Refusal, Standing, apply
from julia_warmer.core.model import ChipState, ChipStatus, Pause, Phase, Quality
from tests.core.some import AT, STANDARD, TODAY, rows

COMMANDS: dict[str, ChipCommand] = {
    "start": StartChip(by="ana"),
    "pause": PauseChip(by="ana", why="holiday"),
    "resume": ResumeChip(by="ana", why="back"),
    "activate": ActivateChip(by="ana"),
    "retire": RetireChip(by="ana", why="sold"),
}
FINE = Standing(today=TODAY, route_set=True, failed_day=40)
ANSWERS = """
    status   start    pause   resume   activate  retire
    pending  warming  no      no       no        retired
    warming  no       paused  no       no        retired
    ready    no       paused  no       active    retired
    active   no       paused  no       no        retired
    paused   no       paused  warming  no        retired
    banned   no       no      no       no        no
    retired  no       no      no       no        no
"""


@pytest.mark.parametrize("row", rows(ANSWERS), ids=lambda row: row[0])
def test_each_command_leads_from_where_it_may_and_is_refused_elsewhere(row: list[str]) -> None:
    state = _in(ChipStatus(row[0]))
    for command, expected in zip(COMMANDS.values(), row[1:], strict=True):
        answer = apply(state, command, at=AT, standing=FINE, policy=STANDARD)
        assert (isinstance(answer, Refusal) and "no") or answer.status == expected, command


def _in(status: ChipStatus) -> ChipState:
    state = ChipState(status=status, phase=Phase.EXPANSION, phase_since=AT - timedelta(days=3))
    if status is not ChipStatus.PAUSED:
        return state
    return replace(state, paused_from=ChipStatus.WARMING, pauses=(Pause(reason="spam", since=AT, hard=True),), pauses_in_row=1)


def _refused(command: str, state: ChipState, **standing: object) -> str:
    answer = apply(state, COMMANDS[command], at=AT, standing=replace(FINE, **standing), policy=STANDARD)
    assert isinstance(answer, Refusal)
    return answer.reason


def test_a_chip_does_not_start_without_somebody_who_answers() -> None:
    assert "set where inbound messages go" in _refused("start", _in(ChipStatus.PENDING), route_set=False)


def test_a_start_begins_the_phase_now_and_keeps_an_imported_one() -> None:
    state = apply(_in(ChipStatus.PENDING), COMMANDS["start"], at=AT, standing=FINE, policy=STANDARD)
    assert (state.phase, state.phase_since) == (Phase.EXPANSION, AT)


def test_a_resume_waits_for_the_platform() -> None:
    paused = _in(ChipStatus.PAUSED)
    assert "quality RED" in _refused("resume", paused, quality=Quality.RED)
    assert "phone status FLAGGED" in _refused("resume", paused, phone_status="FLAGGED")


def test_a_person_ends_a_hard_pause_and_the_chip_starts_at_half() -> None:
    state = apply(_in(ChipStatus.PAUSED), COMMANDS["resume"], at=AT, standing=FINE, policy=STANDARD)
    assert (state.status, state.risk_cap, state.rearmed_at, state.pauses) == (ChipStatus.WARMING, 20, AT, ())


def test_a_persons_pause_says_who_and_why_and_lies_on_top_of_others() -> None:
    state = apply(_in(ChipStatus.PAUSED), COMMANDS["pause"], at=AT, standing=FINE, policy=STANDARD)
    assert [pause.reason for pause in state.pauses] == ["spam", "ana: holiday"]
    assert state.pauses[-1].hard
