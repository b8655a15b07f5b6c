"""What a person asks of a chip, answered: the chip's next state, or a refusal that says the mend. Writes nothing, asks nobody.

start      pending                       → warming
pause      warming, ready, active        → paused, until a person resumes
resume     paused                        → where it was, at half of what failed
activate   ready                         → active
retire     any but banned and retired    → retired
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import assert_never

from julia_warmer.core import hard, pauses
from julia_warmer.core.commands import ActivateChip, ChipCommand, PauseChip, ResumeChip, RetireChip, StartChip
from julia_warmer.core.model import ChipState, ChipStatus, Pause, Quality
from julia_warmer.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is not carried out, and what to do about it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What must be known of a chip besides its state to answer a command."""

    today: date  # the chip's local day
    route_set: bool = False  # whether somebody answers people who write back
    failed_day: int = 0  # messages a day that were sent when it was paused: the most of today and of the last seven days
    quality: Quality = Quality.UNKNOWN
    phone_status: str = "CONNECTED"


def apply(state: ChipState, command: ChipCommand, *, at: datetime, standing: Standing, policy: Policy) -> ChipState | Refusal:
    """The chip's state after a command, or why not."""
    match command:
        case StartChip():
            return _start(state, at, standing)
        case PauseChip():
            return _pause(state, command, at)
        case ResumeChip():
            return _resume(state, at, standing, policy)
        case ActivateChip():
            return _activate(state)
        case RetireChip():
            return _retire(state)
        case _:
            assert_never(command)


def _start(state: ChipState, at: datetime, standing: Standing) -> ChipState | Refusal:
    if state.status is not ChipStatus.PENDING:
        return Refusal(f"the chip is {state.status.value}: only a pending chip is started")
    if not standing.route_set:
        return Refusal("nobody would answer people who write back: set where inbound messages go, then start it")
    return replace(state, status=ChipStatus.WARMING, phase_since=at)


def _pause(state: ChipState, command: PauseChip, at: datetime) -> ChipState | Refusal:
    if state.status is not ChipStatus.PAUSED and state.status not in pauses.SENDING:
        return Refusal(f"the chip is {state.status.value}: it is not sending")
    reason = Pause(reason=f"{command.by}: {command.why}", since=at, hard=True, source=command.by)
    return pauses.begin(state, (reason,))


def _resume(state: ChipState, at: datetime, standing: Standing, policy: Policy) -> ChipState | Refusal:
    """A resume while the platform's own sign still stands would be paused again at the next review."""
    if state.status is not ChipStatus.PAUSED:
        return Refusal(f"the chip is {state.status.value}, not paused")
    if standing.quality is Quality.RED:
        return Refusal(f"{hard.RED}: wait until Meta rates the number better (it looks at the last seven days)")
    if standing.phone_status != "CONNECTED":
        return Refusal(f"{hard.not_connected(standing.phone_status)}: connect the number in WhatsApp Manager first")
    return pauses.resume(state, at=at, today=standing.today, failed_day=standing.failed_day, policy=policy)


def _activate(state: ChipState) -> ChipState | Refusal:
    if state.status is not ChipStatus.READY:
        return Refusal(f"the chip is {state.status.value}: only a ready chip is handed over")
    return replace(state, status=ChipStatus.ACTIVE)


def _retire(state: ChipState) -> ChipState | Refusal:
    if state.status in (ChipStatus.BANNED, ChipStatus.RETIRED):
        return Refusal(f"the chip is {state.status.value} already")
    return replace(state, status=ChipStatus.RETIRED, paused_from=None, pauses=())
