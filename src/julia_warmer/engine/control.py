"""The owner's hand: start, pause, resume, activate and retire a chip; the big stop and its release. Each act with who and why.

`core.control` answers the commands; here the answers are written, with the audit row, in the caller's transaction. A command that
cannot be carried out raises Conflict with the mend, a target that does not exist NotFound.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from julia_warmer.core import control, pauses
from julia_warmer.core.commands import ActivateChip, ChipCommand, PauseChip, ResumeChip, RetireChip, StartChip, StopScope
from julia_warmer.core.control import Refusal
from julia_warmer.core.model import ChipState, ChipStatus, Phase
from julia_warmer.core.policy import Policy
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.store import attempts, plans, settlements, sweeps
from julia_warmer.store import control as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.control import LockedChip
from julia_warmer.store.db import Connection
from julia_warmer.store.settlements import AcceptedSend

CALL_BEGINS_WITHIN_S = 1.0  # a request that has not begun so long after its call was written never begins: engine/dispatch
LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Stopped:
    """An open stop. `new`: it was opened by this call. `calls`: requests that were on their way, and may have reached the platform."""

    stop_id: int
    new: bool
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Released:
    """A stop that ended, and the chips that go on at half of what they last sent."""

    stop_id: int
    chips: tuple[int, ...] = ()


# ------------------------------------------------------------------ one chip


async def start_chip(conn: Connection, chip_id: int, *, by: str, why: str = "", at: datetime, policy: Policy) -> ChipState:
    """Begin its warm-up. Refused without a route for the answers."""
    return await _command(conn, chip_id, StartChip(by=by, why=why), "chip started", at=at, policy=policy)


async def pause_chip(conn: Connection, chip_id: int, *, by: str, why: str, at: datetime, policy: Policy) -> ChipState:
    """Pause it until a person resumes it. No request of it begins after the commit, but for those that were on their way."""
    state = await _command(conn, chip_id, PauseChip(by=by, why=why), "chip paused", at=at, policy=policy)
    await plans.cancel_sends(conn, [chip_id], reason="chip paused")
    return state


async def resume_chip(conn: Connection, chip_id: int, *, by: str, why: str, at: datetime, policy: Policy) -> ChipState:
    """End every pause: half of what failed, detectors re-armed."""
    return await _command(conn, chip_id, ResumeChip(by=by, why=why), "chip resumed", at=at, policy=policy)


async def activate_chip(conn: Connection, chip_id: int, *, by: str, why: str = "", at: datetime, policy: Policy) -> ChipState:
    """Hand a ready chip over."""
    return await _command(conn, chip_id, ActivateChip(by=by, why=why), "chip activated", at=at, policy=policy)


async def retire_chip(conn: Connection, chip_id: int, *, by: str, why: str, at: datetime, policy: Policy) -> ChipState:
    """Take it out of service for good; its people stay its own until a person gives them back to the pool."""
    state = await _command(conn, chip_id, RetireChip(by=by, why=why), "chip retired", at=at, policy=policy)
    await plans.cancel_sends(conn, [chip_id], reason="chip retired")
    return state


async def _command(conn: Connection, chip_id: int, command: ChipCommand, what: str, *, at: datetime, policy: Policy) -> ChipState:
    chip = await _lock_chip(conn, chip_id, at=at)
    answer = control.apply(chip.state, command, at=at, standing=chip.standing, policy=policy)
    if isinstance(answer, Refusal):
        raise Conflict(f"{chip.name}: {answer.reason}")
    await store.write_state(conn, chip.id, answer, started=isinstance(command, StartChip), at=at)
    body = {"from": chip.state.status, "to": answer.status}
    await record_act(conn, at=at, who=command.by, what=what, target=f"chip:{chip.id}", why=command.why or None, body=body)
    return answer


async def _lock_chip(conn: Connection, chip_id: int, *, at: datetime) -> LockedChip:
    chips = await store.lock_chips(conn, StopScope.CHIP, chip_id, at=at)
    if not chips:
        raise NotFound(f"there is no chip {chip_id}", mend="`warmer chips list` shows them")
    return chips[0]


# ------------------------------------------------------------------ the big stop


async def stop(conn: Connection, scope: StopScope, target_id: int | None, *, by: str, why: str, at: datetime) -> Stopped:
    """Stop a scope until it is released. After the commit no request of that scope begins.

    The portfolios' locks keep new calls out; those already written are given the second within which they begin or never do.
    """
    await _lock_scope(conn, scope, target_id)
    stop_id = await store.open_stop(conn, scope, target_id, reason=why, by=by, at=at)
    if stop_id is None:
        return await _standing_stop(conn, scope, target_id)
    await store.wake_chips(conn, scope, target_id, at=at)
    await record_act(conn, at=at, who=by, what="stopped", target=_target(scope, target_id), why=why, body={"stop_id": stop_id})
    return Stopped(stop_id, True, await _wait_for_calls(conn, scope, target_id))


async def release(
    conn: Connection,
    scope: StopScope | None = None,
    target_id: int | None = None,
    *,
    stop_id: int | None = None,
    by: str,
    why: str,
    at: datetime,
    policy: Policy,
) -> Released:
    """End a stop, named by its id or by what it covers. The chips under it go on at half of what they last sent, detectors re-armed."""
    found = await store.find_stop(conn, stop_id=stop_id, scope=scope, target_id=target_id)
    if found is None:
        raise NotFound(
            f"no open stop {stop_id if stop_id is not None else _target(scope, target_id)}", mend="the stops that hold are listed"
        )
    await store.close_stop(conn, found.id, by=by, why=why, at=at)
    locked = await store.lock_chips(conn, found.scope, found.target_id, at=at)
    chips = [chip for chip in locked if chip.state.status in pauses.SENDING]
    for chip in chips:
        await store.write_state(conn, chip.id, rearmed(chip, at=at, policy=policy), at=at)
    target = _target(found.scope, found.target_id)
    await record_act(conn, at=at, who=by, what="released", target=target, why=why, body={"stop_id": found.id, "was": found.reason})
    return Released(found.id, tuple(chip.id for chip in chips))


def rearmed(chip: LockedChip, *, at: datetime, policy: Policy) -> ChipState:
    """The state of a sending chip after a stop above it: as after a resume. One that is paused on its own account stays so."""
    state = chip.state
    if state.phase is Phase.SETUP:
        return replace(state, rearmed_at=at)
    as_paused = replace(state, status=ChipStatus.PAUSED, paused_from=state.status)
    return pauses.resume(as_paused, at=at, today=chip.standing.today, failed_day=chip.standing.failed_day, policy=policy)


async def _lock_scope(conn: Connection, scope: StopScope, target_id: int | None) -> None:
    if (scope is StopScope.EVERYTHING) != (target_id is None):
        needs = "has no" if target_id is not None else "needs a"
        raise Wrong(f"a stop of scope {scope.value} {needs} target", mend="name a target, or stop everything")
    if not await store.lock_portfolios(conn, scope, target_id) and target_id is not None:
        raise NotFound(f"there is no {_target(scope, target_id)}", mend=f"list what there is of {scope.value}s, and name its id")


async def _standing_stop(conn: Connection, scope: StopScope, target_id: int | None) -> Stopped:
    standing = await store.find_stop(conn, scope=scope, target_id=target_id)
    if standing is None:
        raise Conflict(f"{_target(scope, target_id)} was released at this moment", mend="stop it again")
    return Stopped(standing.id, False)


async def _wait_for_calls(conn: Connection, scope: StopScope, target_id: int | None) -> int:
    """How many requests were on their way when the stop came. Waits until they are answered, a second at most."""
    calls = left = await attempts.count_calls(conn, scope=scope, target_id=target_id)
    loop = asyncio.get_running_loop()
    end = loop.time() + CALL_BEGINS_WITHIN_S
    while left and loop.time() < end:
        await asyncio.sleep(LOOK_EVERY_S)
        left = await attempts.count_calls(conn, scope=scope, target_id=target_id)
    return calls


def _target(scope: StopScope | None, target_id: int | None) -> str:
    return "everything" if target_id is None else f"{scope.value if scope else '?'}:{target_id}"


# ------------------------------------------------------------------ what nobody knows


async def resolve_unknown(conn: Connection, send_id: int, was_sent: bool, *, by: str, why: str, at: datetime) -> None:
    """A person says whether an unknown send was sent. It is never sent again either way; a new one may be planned."""
    await settlements.lock_people_of(conn, [send_id])
    send = await sweeps.find_unknown(conn, send_id)
    if send is None:
        raise Conflict(f"send {send_id} is not unknown", mend="a status may have settled it meanwhile")
    if was_sent:
        await settlements.accept_sends(conn, [AcceptedSend(send_id=send.id, message_id=send.message_id)], at=at)
    else:
        await sweeps.cancel_unknown(conn, send.id, reason=f"was not sent: {by}: {why}", at=at)
    what = "unknown send resolved: was sent" if was_sent else "unknown send resolved: was not sent"
    await record_act(conn, at=at, who=by, what=what, target=f"send:{send.id}", why=why)
