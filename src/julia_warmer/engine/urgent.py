"""What acts before the webhook's 200: requests to stop, and facts that stop a number, an account, a portfolio or a template.

Locks in the order of all: portfolios, chips, contacts. It must not know how facts are counted; `engine/effects` does that later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from julia_warmer.core import hard, pauses
from julia_warmer.core.commands import StopScope
from julia_warmer.core.events import Event, MessageFailed, OptOutDoubted, OptOutRequested, OptOutSource, TemplateFact
from julia_warmer.core.hard import Stop
from julia_warmer.core.model import ChipState, ChipStatus, Pause
from julia_warmer.engine.erased import find_all, hashed
from julia_warmer.engine.merge import kin_of
from julia_warmer.engine.scene import Places, find_places, find_sends_of, names_of
from julia_warmer.store import contacts, people, platform, questions
from julia_warmer.store.audit import record_act
from julia_warmer.store.chips import pause_of
from julia_warmer.store.db import Connection
from julia_warmer.store.facts import SendRef
from julia_warmer.store.people import Names, OptOut
from julia_warmer.store.platform import Alert, ChipPauses, TemplateName
from julia_warmer.store.seal import Seal

NEEDS_SEND = frozenset({hard.HELD_DROPPED, *hard.TEMPLATE_CODES})  # codes whose meaning depends on the send that failed
PLATFORM = "platform"
WITHOUT_MESSAGE = {OptOutSource.OPERATOR: "a person of ours", OptOutSource.CODE: "131050"}  # what else told of a request to stop
PERSON = "the person"


def is_urgent(event: Event) -> bool:
    """Whether this fact may have to act before the 200 to its webhook."""
    return isinstance(event, OptOutRequested | OptOutDoubted) or bool(hard.stops_for(event, held=True, template=""))


# ------------------------------------------------------------------ stops


async def apply_stops(conn: Connection, events: Sequence[Event], *, at: datetime) -> int:
    """Carry out the stops that these facts ask for; returns how many were new. Before any contact is locked."""
    suspects = [event for event in events if hard.stops_for(event, held=True, template="")]
    if not suspects:
        return 0
    places = await find_places(conn, suspects)
    sends = await find_sends_of(conn, [event for event in suspects if isinstance(event, MessageFailed) and event.code in NEEDS_SEND])
    stops = [(stop, event) for event in suspects for stop in _stops_for(event, sends)]
    accounts = {account.portfolio_id for _, event in stops if (account := places.account_of(event))}
    await platform.lock_portfolios(conn, sorted(accounts))
    new = await _pause_chips(conn, [(stop, event) for stop, event in stops if stop.scope is StopScope.CHIP], places, at=at)
    for stop, event in stops:
        if stop.scope is StopScope.TEMPLATE:
            new += await _stop_template(conn, stop, event, places, at=at)
        elif stop.scope is not StopScope.CHIP:
            new += await _stop_account(conn, stop, event, places, at=at)
    return new


def _stops_for(event: Event, sends: dict[str, SendRef]) -> tuple[Stop, ...]:
    if not isinstance(event, MessageFailed):
        return hard.stops_for(event)
    send = sends.get(event.message_id)
    return hard.stops_for(event, held=bool(send and send.was_held), template=send.template_id if send else None)


async def _pause_chips(conn: Connection, stops: Sequence[tuple[Stop, Event]], places: Places, *, at: datetime) -> int:
    reasons: dict[int, list[str]] = {}
    for stop, event in stops:
        if chip := places.chip_of(event):
            reasons.setdefault(chip.id, []).append(stop.reason)
    new = 0
    for chip in await platform.lock_chips(conn, sorted(reasons)):
        if chip.status is not ChipStatus.PAUSED and chip.status not in pauses.SENDING:
            continue
        state = _state(chip)
        paused = pauses.begin(state, tuple(_pause(reason, at) for reason in dict.fromkeys(reasons[chip.id])))
        if paused is state:
            continue
        await platform.pause_chip(conn, chip.id, paused, at=at)
        for pause in paused.pauses[len(state.pauses) :]:
            await _tell(conn, f"chip:{chip.id}", f"{chip.name} is paused: {pause.reason}", pause.reason, at=at, chip=chip)
            new += 1
    return new


def _state(chip: ChipPauses) -> ChipState:
    """As much of the chip's state as a pause touches."""
    return ChipState(
        status=chip.status,
        phase=chip.phase,
        phase_since=chip.phase_since,
        paused_from=chip.paused_from,
        pauses=tuple(pause_of(raw) for raw in chip.pauses),
        pauses_in_row=chip.pauses_in_row,
    )


async def _stop_account(conn: Connection, stop: Stop, event: Event, places: Places, *, at: datetime) -> int:
    account = places.account_of(event)
    if account is None:
        return 0
    target_id = account.portfolio_id if stop.scope is StopScope.PORTFOLIO else account.id
    if await platform.add_stop(conn, scope=stop.scope, target_id=target_id, reason=stop.reason, at=at) is None:
        return 0
    await _tell(conn, f"{stop.scope}:{target_id}", f"Everything of {stop.scope} {target_id} is stopped: {stop.reason}", stop.reason, at=at)
    return 1


async def _stop_template(conn: Connection, stop: Stop, event: Event, places: Places, *, at: datetime) -> int:
    """A template that the platform paused or disabled is not approved any more: no claim takes it."""
    account = places.account_of(event)
    if account is None or stop.target is None:
        return 0
    is_fact = isinstance(event, TemplateFact)
    by_id = not is_fact or event.template_id is not None
    name = TemplateName(
        account_id=account.id,
        template_id=stop.target if by_id else None,
        name=None if by_id else stop.target,
        language=event.language if is_fact else None,
    )
    status = "DISABLED" if stop.hard else "PAUSED"
    templates = await platform.find_templates(conn, [name])
    took = await platform.set_template_status(conn, {template.id: (status, event.at) for template in templates})
    for template in templates:
        if template.id in took:
            await _tell(conn, f"template:{template.id}", f"Template {template.name} is not sent: {stop.reason}", stop.reason, at=at)
    return len(took)


async def _tell(conn: Connection, target: str, text: str, reason: str, *, at: datetime, chip: ChipPauses | None = None) -> None:
    alert = Alert(
        rule="platform stop", level="critical", text=text, chip_id=chip.id if chip else None, open_key=f"{target}:{reason}"[:200], at=at
    )
    await platform.add_alerts(conn, [alert])
    await record_act(conn, at=at, who=PLATFORM, what="stopped", target=target, why=reason)


# ------------------------------------------------------------------ opt-outs


@dataclass(frozen=True, slots=True)
class OptedOut:
    """What one request to stop did. `calling`: sends to this person whose request may be under way."""

    is_new: bool
    calling: tuple[int, ...] = ()


async def apply_opt_outs(
    conn: Connection, requests: Sequence[OptOutRequested], *, seal: Seal | None = None, at: datetime
) -> tuple[tuple[OptOutRequested, ...], list[int]]:
    """Stop these people. Returns the requests that were new, for the journal, and the sends to them whose request may be under way."""
    done = await stop_people(conn, requests, seal=seal, at=at)
    new = tuple(request for request, one in zip(requests, done, strict=True) if one.is_new)
    return new, sorted({send_id for one in done for send_id in one.calling})


async def stop_people(
    conn: Connection, requests: Sequence[OptOutRequested], *, seal: Seal | None = None, at: datetime, by: str = "whatsapp"
) -> list[OptedOut]:
    """Stop these people: their consent, their name on the list, their planned and claimed messages. As often as one likes.

    Without `seal` the ledger keeps that they asked, and not by which message.
    Returns for each request what it did: its 200 waits for the calls that are under way.
    """
    met = await find_all(conn, [names_of(request.phone, request.user_id) for request in requests], seal)
    names, found = [named for named, _ in met], [fitting for _, fitting in met]
    locked = await people.lock_people(conn, sorted({contact_id for fitting in found for contact_id in fitting}))
    if seal is not None:  # somebody may have been erased since they were found
        names = [hashed(one, seal) if _any_erased(ids, locked) else one for one, ids in zip(names, found, strict=True)]
    asked = [_opt_outs(request, name, ids, locked) for request, name, ids in zip(requests, names, found, strict=True)]
    kin = await kin_of(conn, locked)
    asked = [_with_kin(of_request, kin) for of_request in asked]
    locked |= {one: person for others in kin.values() for one, person in others.items()}
    new = await people.drop_recorded(conn, [one for of_request in asked for one in of_request])
    await people.add_suppressions(conn, new)
    await people.withdraw(conn, new, {person.id: person.secret for person in locked.values()}, seal=seal, at=at, by=by)
    purposes = _purposes(new)
    await _close_questions(conn, [contact_id for contact_id, purpose in purposes.items() if purpose == "all"], at=at)
    await contacts.refresh_standing(conn, sorted(purposes), at=at)
    await people.cancel_sends(conn, purposes, reason="asked to stop", at=at)
    calling = await people.list_calling(conn, sorted(locked))
    written = {id(one) for one in new}
    return [
        OptedOut(any(id(one) in written for one in of_request), tuple(call.id for call in calling if call.contact_id in ids))
        for of_request, ids in zip(asked, [_ids(of_request, ids) for of_request, ids in zip(asked, found, strict=True)], strict=True)
    ]


def _with_kin(asked: Sequence[OptOut], kin: Mapping[int, Mapping[int, people.Person]]) -> list[OptOut]:
    """The requests also for the other contacts of the same people: a stop is the person's, whichever number it came from."""
    more = {
        person.id: replace(one, contact_id=person.id, phone_key=person.phone_key, user_id=person.user_id)
        for one in asked
        if one.contact_id is not None
        for person in kin.get(one.contact_id, {}).values()
    }
    known = {one.contact_id for one in asked}
    return [*asked, *(one for contact_id, one in more.items() if contact_id not in known)]


def _ids(asked: Sequence[OptOut], found: Sequence[int]) -> set[int]:
    return {*found, *(one.contact_id for one in asked if one.contact_id is not None)}


def _any_erased(ids: Sequence[int], locked: dict[int, people.Person]) -> bool:
    return any(locked[contact_id].is_erased for contact_id in ids if contact_id in locked)


async def _close_questions(conn: Connection, contact_ids: Sequence[int], *, at: datetime) -> None:
    """What these people may have meant before is clear now."""
    if contact_ids:
        await questions.close_questions(conn, contact_ids, by=PERSON, at=at)
        await questions.release_marketing(conn, contact_ids, at=at)


def _opt_outs(request: OptOutRequested, names: Names, ids: Sequence[int], locked: dict[int, people.Person]) -> list[OptOut]:
    """The request for every contact that fits it, under all the names we know; also under its own, when that is a new one."""
    evidence = {"message_id": request.message_id} if request.message_id else {"by": WITHOUT_MESSAGE.get(request.source, "user_preferences")}
    known = [locked[contact_id] for contact_id in ids if contact_id in locked]
    who: list[tuple[int | None, str | None, str | None]] = [
        (person.id, person.phone_key, names.user_id or person.user_id) for person in known
    ]
    if not known or (names.phone_key and all(person.phone_key != names.phone_key for person in known)):
        who.append((None, names.phone_key, names.user_id))
    return [
        OptOut(
            contact_id=contact_id,
            phone_key=phone_key,
            user_id=user_id,
            purpose=request.purpose,
            source=request.source,
            evidence=evidence,
            at=request.at,
        )
        for contact_id, phone_key, user_id in who
    ]


def _purposes(asked: Sequence[OptOut]) -> dict[int, str]:
    """What each contact wants no more of: `all` covers every purpose."""
    purposes: dict[int, str] = {}
    for one in asked:
        if one.contact_id is not None and purposes.get(one.contact_id) != "all":
            purposes[one.contact_id] = one.purpose
    return purposes


def _pause(reason: str, at: datetime) -> Pause:
    return Pause(reason=reason, since=at, hard=True, source=PLATFORM)
