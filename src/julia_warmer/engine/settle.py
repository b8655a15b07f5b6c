"""What the answers of one small batch of calls come to: each send's next state, what must wait, what must stop, who is told.

An answer is a value: accepted, refused with a code, or unclear. Only what was surely not taken is planned again; what nobody knows
becomes `unknown` and is never sent again by itself. It must not know HTTP, nor when a claim is due.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from julia_warmer.cloud.answers import Accepted, Refused, Unclear
from julia_warmer.cloud.codes import NO_CODE, UNREACHABLE, Acceptance, Action, Code, Outcome, Scope, Wait
from julia_warmer.core import hard
from julia_warmer.core.commands import StopScope
from julia_warmer.core.days import hour_of
from julia_warmer.core.events import MessageFailed, OptOutRequested, OptOutSource
from julia_warmer.engine.message import media_in
from julia_warmer.engine.urgent import apply_opt_outs, apply_stops
from julia_warmer.store import attempts, facts, platform, settlements, throttles
from julia_warmer.store.attempts import Call, EndedAttempt
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.facts import HourCounts
from julia_warmer.store.platform import Alert
from julia_warmer.store.settlements import AcceptedSend, RefusedSend

SPAM = 131048
LIMITED_WAIT_H_MAX = 30 * 24.0
REASON_MAX = 300  # characters
SICK_WAIT = Wait(5, 2, 120)  # between probes of a platform that gives no clear answer


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The request never began. `again`: it may, at once; else the message itself is wrong."""

    reason: str
    again: bool


Result = Accepted | Refused | Unclear | NotAsked


@dataclass(frozen=True, slots=True)
class Answer:
    """One call and how it ended."""

    call: Call
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What settling needs of settings and policy."""

    attempts_max: int
    limited_wait_h: float


@dataclass(frozen=True, slots=True)
class Settled:
    """How many sends went which way."""

    accepted: int = 0  # held ones included
    held: int = 0
    again: int = 0  # planned again
    failed: int = 0
    unknown: int = 0
    stopped: tuple[OptOutRequested, ...] = ()  # of whom a code said that they want no more: for the journal, after the commit


@dataclass(slots=True)
class _Piles:
    """The answers of a batch, sorted by what they lead to."""

    accepted: list[AcceptedSend] = field(default_factory=list)
    refused: list[RefusedSend] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    ended: list[EndedAttempt] = field(default_factory=list)
    said_no: list[tuple[Call, Refused]] = field(default_factory=list)
    wrong: list[tuple[Call, str]] = field(default_factory=list)


def is_doubt(result: Result) -> bool:
    """Does this answer look as if the platform were sick: unreachable, in trouble, silent?"""
    match result:
        case Accepted() | NotAsked():
            return False
        case Unclear():
            return True
        case Refused():
            return result.code == UNREACHABLE or (result.http is not None and result.meaning.outcome is Outcome.UNKNOWN)
        case _:
            assert_never(result)


def asks_to_wait(result: Result) -> bool:
    """A refusal that asks the chip for a slower pace."""
    if not isinstance(result, Refused) or result.code == UNREACHABLE:
        return False
    return result.meaning.action is Action.RETRY and result.meaning.scope is Scope.CHIP


async def settle(
    conn: Connection, answers: Sequence[Answer], *, rules: Rules, at: datetime, sick: Iterable[tuple[str, int]] = ()
) -> Settled:
    """Write down what a batch came to, in one transaction that the caller opened. As often as one likes.

    `sick`: scopes that gave nothing but doubt lately. They wait, longer each time, and a person is told once.
    """
    piles = _Piles()
    for answer in answers:
        _sort(answer, piles, rules, at)
    spam = await settlements.find_sending(conn, {call.chip_id for call, refused in piles.said_no if refused.code == SPAM})
    if piles.said_no:
        await _stop(conn, piles.said_no, at=at)
    await settlements.lock_people_of(conn, [answer.call.send_id for answer in answers])
    accepted = await settlements.settle_sends(conn, piles.accepted, piles.unknown, at=at)
    if late := [row.send_id for row in piles.accepted if row.held and row.send_id not in accepted]:
        await settlements.mark_held(conn, late)
    if piles.refused:
        await settlements.refuse_sends(conn, piles.refused, at=at)
    stopped: tuple[OptOutRequested, ...] = ()
    if piles.said_no or piles.wrong or sick:
        stopped = await _look_closer(conn, piles, rules, sick, spam, at=at)
    await attempts.end_attempts(conn, piles.ended, at=at)
    return _settled(piles, stopped)


def _settled(piles: _Piles, stopped: tuple[OptOutRequested, ...]) -> Settled:
    again = sum(1 for row in piles.refused if row.due_at is not None)
    return Settled(
        accepted=len(piles.accepted),
        held=sum(1 for row in piles.accepted if row.held),
        again=again,
        failed=len(piles.refused) - again,
        unknown=len(piles.unknown),
        stopped=stopped,
    )


# ------------------------------------------------------------------ one answer


def _sort(answer: Answer, piles: _Piles, rules: Rules, at: datetime) -> None:
    """Put one answer on its piles."""
    call, result = answer.call, answer.result
    match result:
        case Accepted():
            held, wa_id = result.held, result.wa_id
            piles.accepted.append(
                AcceptedSend(send_id=call.send_id, message_id=result.message_id, held=held, wa_id=wa_id, media=media_in(call))
            )
            piles.ended.append(EndedAttempt(attempt_id=call.attempt_id, outcome="held" if held else "accepted", http=200))
        case Unclear():
            piles.unknown.append(call.send_id)
            piles.ended.append(EndedAttempt(attempt_id=call.attempt_id, outcome="unclear", http=result.http, details=result.reason))
        case Refused():
            piles.said_no.append((call, result))
            _sort_refusal(call, result, piles, rules, at)
        case NotAsked():
            if not result.again:
                piles.wrong.append((call, result.reason))
            piles.refused.append(
                RefusedSend(
                    send_id=call.send_id, code=NO_CODE, reason=result.reason[:REASON_MAX], free=True, due_at=at if result.again else None
                )
            )
            piles.ended.append(EndedAttempt(attempt_id=call.attempt_id, outcome="refused", details=result.reason))
        case _:
            assert_never(result)


def _sort_refusal(call: Call, refused: Refused, piles: _Piles, rules: Rules, at: datetime) -> None:
    """A refusal: planned again, failed, or, where the platform itself was in trouble, unknown."""
    meaning = refused.meaning
    never_asked = refused.http is None
    free = never_asked or meaning.accepted is Acceptance.NO
    details = f"{refused.message} {refused.details or ''}".strip()
    outcome = "unclear" if meaning.outcome is Outcome.UNKNOWN and not never_asked else "refused"
    piles.ended.append(EndedAttempt(attempt_id=call.attempt_id, outcome=outcome, http=refused.http, code=refused.code, details=details))
    if outcome == "unclear":
        piles.unknown.append(call.send_id)
        return
    again = never_asked or meaning.outcome is Outcome.RETRY
    again = again and (never_asked or call.attempts < rules.attempts_max)
    due_at = at + timedelta(seconds=_wait_s(refused, call.attempts - 1)) if again else None
    reason = f"{refused.code}: {meaning.meaning}"[:REASON_MAX]
    piles.refused.append(RefusedSend(send_id=call.send_id, code=refused.code, reason=reason, free=free, due_at=due_at))


def _wait_s(refused: Refused, repeat: int) -> float:
    """Seconds to wait: as the code says for so many repeats, or longer when the answer asked for it."""
    wait = refused.meaning.wait
    return max(wait.seconds(repeat) if wait else 0.0, refused.retry_after_s or 0.0)


# ------------------------------------------------------------------ what must stop


async def _stop(conn: Connection, said_no: Sequence[tuple[Call, Refused]], *, at: datetime) -> None:
    """Stops come first: portfolios and chips are locked before people. Hard codes act as they do when a webhook brings them."""
    events = [
        MessageFailed(
            at=at,
            account_id=call.waba_id,
            phone_number_id=call.phone_number_id,
            message_id=f"attempt {call.attempt_id}",
            ours=str(call.attempt_id),
            code=refused.code,
        )
        for call, refused in said_no
    ]
    await apply_stops(conn, events, at=at)
    others = {target: refused.meaning for call, refused in said_no if (target := _stopped_by(call, refused.meaning)) is not None}
    if not others:
        return
    await platform.lock_portfolios(conn, sorted({call.portfolio_id for call, _ in said_no}))
    for (scope, target_id), meaning in others.items():
        reason = f"{meaning.number}: {meaning.meaning}"
        if await platform.add_stop(conn, scope=scope.value, target_id=target_id, reason=reason, at=at) is not None:
            await record_act(conn, at=at, who="platform", what="stopped", target=f"{scope.value}:{target_id}", why=reason)


def _stopped_by(call: Call, meaning: Code) -> tuple[StopScope, int] | None:
    """What a code stops that is none of the hard ones: nothing else of its scope could be sent either, so a person has to mend it."""
    if meaning.number in hard.HARD_CODES or meaning.number in hard.TEMPLATE_CODES:
        return None
    match meaning.action:
        case Action.STOP_ACCOUNT | Action.STOP_PORTFOLIO:
            return StopScope.ACCOUNT, call.account_id
        case Action.PAUSE_CHIP:
            return StopScope.CHIP, call.chip_id
        case Action.STOP_TEMPLATE if call.template_row is not None:
            return StopScope.TEMPLATE, call.template_row
        case _:
            return None


# ------------------------------------------------------------------ what else follows


async def _look_closer(
    conn: Connection, piles: _Piles, rules: Rules, sick: Iterable[tuple[str, int]], spam: Iterable[int], *, at: datetime
) -> tuple[OptOutRequested, ...]:
    """The rare path: people, waits and alerts after anything but a plain yes. `spam`: chips to which the platform says that anew.

    Returns the requests to stop that are new.
    """
    stopped = await _note_people(conn, piles.said_no, rules, at=at)
    await _slow_down(conn, piles, sick, at=at)
    await facts.add_counts(conn, {(chip_id, hour_of(at)): HourCounts(spam=1) for chip_id in spam})
    await platform.add_alerts(conn, [*_alerts_of(piles.said_no, at), *_alerts_of_wrong(piles.wrong, at), *_alerts_of_sick(sick, at)])
    return stopped


async def _note_people(
    conn: Connection, said_no: Iterable[tuple[Call, Refused]], rules: Rules, *, at: datetime
) -> tuple[OptOutRequested, ...]:
    """What refusals say about people. Returns the requests to stop among it that are new."""
    undeliverable: list[int] = []
    limited: list[int] = []
    opted_out: list[OptOutRequested] = []
    for call, refused in said_no:
        match refused.meaning.action:
            case Action.MARK_UNDELIVERABLE | Action.STOP_CONTACT:
                undeliverable.append(call.contact_id)
            case Action.COOL_DOWN_CONTACT:
                limited.append(call.contact_id)
            case Action.SUPPRESS_MARKETING:
                opted_out.append(OptOutRequested(at=at, phone=call.phone, source=OptOutSource.CODE, purpose="marketing"))
            case _:
                pass
    if undeliverable or limited:
        await settlements.note_people(
            conn,
            undeliverable=undeliverable,
            limited=limited,
            limited_wait_h=rules.limited_wait_h,
            limited_wait_h_max=LIMITED_WAIT_H_MAX,
            at=at,
        )
    return (await apply_opt_outs(conn, opted_out, at=at))[0] if opted_out else ()


async def _slow_down(conn: Connection, piles: _Piles, sick: Iterable[tuple[str, int]], *, at: datetime) -> None:
    """Throttles, by the scope that the code names; and what is sick."""
    waits = {target: refused for call, refused in piles.said_no if (target := _throttled_by(call, refused)) is not None}
    targets = [*waits, *(scope for scope in sick if scope not in waits)]
    if not targets:
        return
    tries = await throttles.read_throttle_tries(conn, targets, at=at)
    for scope, target_id in sorted(targets):
        so_far, refused = tries.get((scope, target_id), 0), waits.get((scope, target_id))
        wait_s = _wait_s(refused, so_far) if refused else SICK_WAIT.seconds(so_far)
        code = refused.code if refused else NO_CODE
        until_at = at + timedelta(seconds=wait_s)
        await throttles.set_throttle(conn, scope, target_id, until_at=until_at, tries=so_far + 1, code=code, at=at)


def _throttled_by(call: Call, refused: Refused) -> tuple[str, int] | None:
    """What has to wait after a refusal, beyond the send itself. One lost connection among good answers is no reason."""
    if refused.meaning.action is not Action.RETRY or refused.code == UNREACHABLE:
        return None
    match refused.meaning.scope:
        case Scope.APP:
            return "app", 0
        case Scope.ACCOUNT:
            return "account", call.account_id
        case Scope.CHIP:
            return "chip", call.chip_id
        case _:
            return None


def _alerts_of(said_no: Iterable[tuple[Call, Refused]], at: datetime) -> list[Alert]:
    """What concerns more than one person or message, once while it stands. Hard stops have told their own."""
    alerts: dict[str, Alert] = {}
    for call, refused in said_no:
        meaning = refused.meaning
        if meaning.hard or meaning.action is Action.RETRY or meaning.scope in (Scope.MESSAGE, Scope.CONTACT):
            continue
        key = f"refused:{refused.code}:{call.chip_id}"
        level = "warning" if meaning.scope is Scope.CALLER else "critical"
        text = f"Meta refuses messages of {call.phone_number_id}: {refused.code}, {meaning.meaning}"
        alerts[key] = Alert(rule="refused", level=level, text=text, chip_id=call.chip_id, open_key=key, at=at)
    return list(alerts.values())


def _alerts_of_wrong(wrong: Iterable[tuple[Call, str]], at: datetime) -> list[Alert]:
    """Messages that cannot be written as the platform wants them: a campaign or a reply has to be mended."""
    alerts: dict[str, Alert] = {}
    for call, reason in wrong:
        key = f"unsendable:{call.template_row or call.kind}:{call.chip_id}"
        text = f"A message of {call.phone_number_id} cannot be sent: {reason}"
        alerts[key] = Alert(rule="unsendable", level="warning", text=text, chip_id=call.chip_id, open_key=key, at=at)
    return list(alerts.values())


def _alerts_of_sick(sick: Iterable[tuple[str, int]], at: datetime) -> list[Alert]:
    """A platform, or an account, that gives no clear answer. The sweep closes it when a good answer has ended its wait."""
    alerts: list[Alert] = []
    for scope, target_id in sick:
        who = "The platform" if scope == "app" else f"The platform, for the account {target_id},"
        text = f"{who} gives no clear answer: only single messages try it, at growing intervals, until one is taken"
        alerts.append(Alert(rule="sick", level="critical", text=text, chip_id=None, open_key=f"sick:{scope}:{target_id}", at=at))
    return alerts
