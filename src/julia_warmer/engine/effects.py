"""What new facts do: statuses move sends, people's words open conversations, and both add to the counts. A batch is a few statements.

Effects follow from what is stored, never from the order in which facts came in. Locks: portfolios, chips, contacts, sends, counts.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson

from julia_warmer.core import fold
from julia_warmer.core.events import (
    AccountRestricted,
    CallReceived,
    Event,
    MessageFailed,
    MessageReceived,
    NumberChanged,
    OptOutDoubted,
    OptOutRequested,
    QualityChanged,
    SignupReceived,
    StatusFact,
    kind_of,
)
from julia_warmer.engine.confirm import confirm_opt_outs
from julia_warmer.engine.erased import KEPT_OF_BODY, without_names
from julia_warmer.engine.news import FLAGGED, alerts_for, write_news
from julia_warmer.engine.persons import SINCE_MAX, judge_people, rename_people, resume_people
from julia_warmer.engine.questions import doubt_people
from julia_warmer.engine.restore import recall
from julia_warmer.engine.scene import Arrival, Places, Scene, attempt_of, find_places, meet
from julia_warmer.engine.urgent import apply_opt_outs
from julia_warmer.store import facts, inbound, inbox, people, platform
from julia_warmer.store.db import Connection
from julia_warmer.store.erasure import Fact
from julia_warmer.store.facts import Deed, EventRow, HourCounts, Moved, Said
from julia_warmer.store.inbound import Heard, Received
from julia_warmer.store.platform import Alert
from julia_warmer.store.seal import Seal

NO_FAILURE = [fold.UNDELIVERABLE, fold.LIMITED, *sorted(fold.NOT_COUNTED)]  # counted elsewhere, or nowhere
REPLY_H, OPT_OUT_H = fold.REPLY_WITHIN // timedelta(hours=1), fold.OPT_OUT_WITHIN // timedelta(hours=1)
CODE_MAX = 2**31 - 1
NOTHING = b"{}"  # in the place of a webhook body
WROTE_AGAIN = (
    "Somebody who was erased has written, called or signed up again (contact {contact_id}). Nothing goes out to them: with their new "
    "consent, `warmer suppressions lift` lets the number back"
)
NEEDS_NO_ANSWER = frozenset({"reaction", "revoke"})
OF_SEVERAL = (NumberChanged, SignupReceived)  # facts that may concern more people than the one whom they name
KEPT_OF_A_FACT = (
    *("category", "pricing_type", "title", "details", "limit", "template_id", "template", "language", "previous", "reason", "restrictions"),
    *("until", "effective_at", "field", "severity", "purpose", "call_id", "answered", "by_person", "referral", "played", "name_status"),
)


@dataclass(frozen=True, slots=True)
class Written:
    """How many facts were new, the messages to numbers that are not ours (nobody can be told of them), who is stopped only now, and the
    facts that are left for another time, because somebody else holds their people.
    """

    new: int
    strays: tuple[Arrival, ...] = ()
    stopped: tuple[OptOutRequested, ...] = ()
    left: tuple[Arrival, ...] = ()

    def __add__(self, other: "Written") -> "Written":
        return Written(self.new + other.new, (*self.strays, *other.strays), (*self.stopped, *other.stopped), (*self.left, *other.left))


Counting = defaultdict[tuple[int, datetime], HourCounts]  # by chip and clock hour


async def apply_facts(
    conn: Connection, arrivals: Sequence[Arrival], *, at: datetime, seal: Seal, confirmation: str | None = None, patient: bool = True
) -> Written:
    """Write facts once and let the new ones have their effects. All or none: the caller has a savepoint.

    `confirmation`: what is answered once to a request to stop; None: nothing. `patient`: whether people whom somebody else holds are waited
    for; if not, their facts are left.
    """
    early = await facts.adopt_early(conn, since=at - SINCE_MAX)
    if not arrivals and not early:
        return Written(0)
    places = await find_places(conn, [arrival.event for arrival in arrivals])
    strays = tuple(arrival for arrival in arrivals if isinstance(arrival.event, MessageReceived) and not places.chip_of(arrival.event))
    ours = [arrival for arrival in arrivals if arrival not in strays] if strays else arrivals
    events = [arrival.event for arrival in ours]
    await write_news(conn, events, places, at=at)
    await _hear(conn, ours, places)  # waits for nobody, so it may lock chips in any order, but after those that were waited for
    also = [one.contact_id for one in early]
    patient = patient or bool(also) or any(isinstance(event, OF_SEVERAL) for event in events)
    scene = await meet(conn, events, places, also=also, patient=patient, seal=seal, at=at)
    if (strange := _strange(events, scene)) and await recall(conn, strange, seal=seal, at=at):
        scene = await meet(conn, events, places, also=also, patient=True, seal=seal, at=at)
    left: list[Arrival] = []
    if scene.busy:
        left = [arrival for arrival in ours if scene.contact_of(arrival.event) in scene.busy]
        ours = [arrival for arrival in ours if scene.contact_of(arrival.event) not in scene.busy]
    new = [arrival.event for arrival in await _append(conn, ours, scene, seal=seal, at=at)]
    said = [Said(one.send_id, one.kind, one.at, one.code, one.category, one.pricing_type) for one in early]
    stopped = await _take_effect(conn, new, said, scene, at=at, seal=seal)
    if confirmation:
        await confirm_opt_outs(conn, new, scene, text=confirmation, at=at)
    await _forget_bodies(conn, ours, scene, seal, but={arrival.inbox_id for arrival in left})
    return Written(len(new), strays, stopped, tuple(left))


def _strange(events: Sequence[Event], scene: Scene) -> list[StatusFact]:
    """Statuses of our numbers under an id that only we could have given, and that the database does not know."""
    return [
        event
        for event in events
        if isinstance(event, StatusFact) and not scene.send_of(event) and attempt_of(event) and scene.places.chip_of(event)
    ]


async def _take_effect(
    conn: Connection, new: Sequence[Event], early: list[Said], scene: Scene, *, at: datetime, seal: Seal
) -> tuple[OptOutRequested, ...]:
    """Returns the requests to stop that were not carried out before their 200, as where the database refused something then."""
    opt_outs = [event for event in new if isinstance(event, OptOutRequested)]
    stopped = (await apply_opt_outs(conn, opt_outs, seal=seal, at=at))[0] if opt_outs else ()
    if doubts := [event for event in new if isinstance(event, OptOutDoubted)]:
        await doubt_people(conn, doubts, seal=seal, at=at)  # so were these, but for people who were no contacts yet
    messages = await _keep_messages(conn, new, scene, at=at, seal=seal)
    said = [*early, *_said(new, scene), *await _credit(conn, messages, opt_outs, scene)]
    moved = await facts.move_sends(conn, said, undeliverable=[fold.UNDELIVERABLE], limited=[fold.LIMITED], no_failure=NO_FAILURE, at=at)
    counting: Counting = defaultdict(HourCounts)
    await _count_calls(conn, new, scene, counting, at=at)
    await _open_windows(conn, new, messages, opt_outs, scene, counting, at=at)
    await judge_people(conn, moved, messages, scene, at=at)
    await rename_people(conn, new, scene, seal=seal, at=at)
    await resume_people(conn, new, scene, seal=seal, at=at)
    _count_moves(moved, counting)
    await _count_signs(conn, new, scene.places, counting)
    await facts.add_counts(conn, counting)
    await platform.add_alerts(conn, [alert for event in new for alert in alerts_for(event, scene.places)])
    await platform.add_alerts(conn, _alerts_of_erased(new, scene, at=at))
    return stopped


async def _forget_bodies(conn: Connection, arrivals: Sequence[Arrival], scene: Scene, seal: Seal, *, but: set[int]) -> None:
    """Of a body that speaks of somebody who was erased only that it came is kept; its facts are written. Of `but` all is kept."""
    if inbox_ids := {arrival.inbox_id for arrival in arrivals if scene.is_erased(arrival.event)} - but:
        await inbox.empty_bodies(conn, sorted(inbox_ids), nothing=seal.close(NOTHING, use=inbox.BODY_USE))


def _alerts_of_erased(new: Sequence[Event], scene: Scene, *, at: datetime) -> list[Alert]:
    """Somebody who was erased turns to us again: they cannot be answered, so a person has to know."""
    told = [event for event in new if isinstance(event, MessageReceived | CallReceived | SignupReceived) and scene.is_erased(event)]
    return [
        Alert(rule="erased", level="warning", text=WROTE_AGAIN.format(contact_id=contact_id), open_key=f"erased:{contact_id}", at=at)
        for contact_id in sorted({scene.contact_of(event) or 0 for event in told})
    ]


async def _hear(conn: Connection, arrivals: Sequence[Arrival], places: Places) -> None:
    """That webhooks of these accounts and chips come at all."""
    accounts: dict[int, datetime] = {}
    chips: dict[int, datetime] = {}
    for arrival in arrivals:
        if account := places.account_of(arrival.event):
            accounts[account.id] = max(arrival.received_at, accounts.get(account.id, arrival.received_at))
        if chip := places.chip_of(arrival.event):
            chips[chip.id] = max(arrival.received_at, chips.get(chip.id, arrival.received_at))
    await platform.hear(conn, accounts=accounts, chips=chips)


# ------------------------------------------------------------------ the facts themselves


async def _append(conn: Connection, arrivals: Sequence[Arrival], scene: Scene, *, seal: Seal, at: datetime) -> list[Arrival]:
    """Write the facts; returns those that are new."""
    calls = await _open_calls(conn, arrivals, scene)
    rows: dict[tuple[datetime, str, str], tuple[EventRow, Arrival]] = {}
    for arrival in arrivals:
        row = _row(arrival, scene, calls, seal)
        rows.setdefault((row.at, row.kind, row.key), (row, arrival))
    new = await facts.append_events(conn, [row for row, _ in rows.values()], at=at)
    return [arrival for key, (_, arrival) in rows.items() if key in new]


async def _open_calls(conn: Connection, arrivals: Sequence[Arrival], scene: Scene) -> set[tuple[int, int | None]]:
    """(chip, contact) whose request has no clear answer, and (chip, None): a status of a send we do not find may be theirs."""
    chips = {
        chip.id
        for arrival in arrivals
        if isinstance(arrival.event, StatusFact) and not scene.send_of(arrival.event) and (chip := scene.places.chip_of(arrival.event))
    }
    calls = await facts.list_open_calls(conn, sorted(chips))
    return {*calls, *((chip_id, None) for chip_id, _ in calls)}


def _row(arrival: Arrival, scene: Scene, calls: set[tuple[int, int | None]], seal: Seal) -> EventRow:
    event, key, body = arrival.event, arrival.key, _body(arrival.event)
    chip, account = scene.places.chip_of(event), scene.places.account_of(event)
    send, contact_id = scene.send_of(event), scene.contact_of(event)
    value = _value(event)
    if isinstance(event, StatusFact) and send is None and chip and (chip.id, contact_id) in calls:
        value = event.message_id  # it waits for its send
    if scene.is_erased(event):
        fact = without_names(Fact(event.at, arrival.kind, key, value), seal)
        key, value, body = fact.key, fact.value, {name: part for name, part in body.items() if name in KEPT_OF_BODY}
    code = getattr(event, "code", None)
    return EventRow(
        at=event.at,
        kind=arrival.kind.value,
        key=key,
        chip_id=chip.id if chip else None,
        account_id=account.id if account else None,
        contact_id=contact_id,
        send_id=send.id if send else None,
        code=code if code is not None and abs(code) <= CODE_MAX else None,
        value=value,
        body=body,
        inbox_id=arrival.inbox_id,
    )


def _value(event: Event) -> str | None:
    match event:
        case (
            MessageReceived(message_type=value)
            | OptOutRequested(source=value)
            | OptOutDoubted(source=value)
            | SignupReceived(signup_id=value)
        ):
            return value
        case _:
            return getattr(event, "value", None)


def _body(event: Event) -> dict[str, Any]:
    """What else a fact says; never who the person is or what they wrote."""
    return {name: value for name in _kept_of(type(event)) if (value := getattr(event, name))}


@cache
def _kept_of(kind: type[Event]) -> tuple[str, ...]:
    has = {item.name for item in fields(kind)}
    return tuple(name for name in KEPT_OF_A_FACT if name in has)


# ------------------------------------------------------------------ sends


def _said(new: Sequence[Event], scene: Scene) -> list[Said]:
    """What new statuses say about our sends."""
    said: list[Said] = []
    for event in new:
        if isinstance(event, StatusFact) and (send := scene.send_of(event)):
            code = event.code if isinstance(event, MessageFailed) else None
            category, pricing_type = getattr(event, "category", None), getattr(event, "pricing_type", None)
            said.append(Said(send.id, kind_of(event), event.at, code, category, pricing_type))
    return said


async def _credit(conn: Connection, messages: Sequence[MessageReceived], opt_outs: Sequence[OptOutRequested], scene: Scene) -> list[Said]:
    """Answers and requests to stop, credited to the campaign messages that they follow."""
    told = [*(("replied", REPLY_H, event) for event in messages), *(("opted_out", OPT_OUT_H, event) for event in opt_outs)]
    deeds = [
        Deed(ordinal, chip.id, contact_id, event.at, hours)
        for ordinal, (_, hours, event) in enumerate(told)
        if (chip := scene.places.chip_of(event)) and (contact_id := scene.contact_of(event)) is not None
    ]
    credited = await facts.attribute_to_sends(conn, deeds)
    return [Said(send_id, told[ordinal][0], told[ordinal][2].at) for ordinal, send_id in credited.items()]


# ------------------------------------------------------------------ what people write


async def _keep_messages(conn: Connection, new: Sequence[Event], scene: Scene, *, at: datetime, seal: Seal) -> list[MessageReceived]:
    """Keep messages, sealed, for whoever answers; returns those that are new by their own id."""
    messages = {event.message_id: event for event in new if isinstance(event, MessageReceived)}
    ids = {name: seal.pseudonym(name) if scene.is_erased(event) else name for name, event in messages.items()}
    rows = [
        Received(
            message_id=ids[event.message_id],
            chip_id=chip.id,
            contact_id=scene.contact_of(event),
            at=event.at,
            type=event.message_type,
            text=seal.close(event.text.encode(), use=inbound.TEXT_USE) if event.text is not None else None,
            details=_details(event, scene, seal),
        )
        for event in messages.values()
        if (chip := scene.places.chip_of(event))
    ]
    kept = await inbound.add_received(conn, rows, at=at)
    return [event for message_id, event in messages.items() if ids[message_id] in kept]


def _details(event: MessageReceived, scene: Scene, seal: Seal) -> bytes | None:
    names = ("payload", "code", "referral") if scene.is_erased(event) else ("payload", "name", "username", "reply_to", "code", "referral")
    details = {name: value for name in names if (value := getattr(event, name))}
    return seal.close(orjson.dumps(details), use=inbound.DETAILS_USE) if details else None


async def _open_windows(
    conn: Connection,
    new: Sequence[Event],
    messages: Sequence[MessageReceived],
    opt_outs: Sequence[OptOutRequested],
    scene: Scene,
    counting: Counting,
    *,
    at: datetime,
) -> None:
    """Messages and calls of people: the service window, who waits for an answer, and what counts in its own hour."""
    stops = {event.message_id for event in opt_outs}
    heard: list[Heard] = []
    for event in messages:
        if not (chip := scene.places.chip_of(event)):
            continue
        row = counting[chip.id, _hour(event.at)]
        row.received += 1
        row.media |= int(fold.media_of(event.message_type))
        if (contact_id := scene.contact_of(event)) is not None:
            waits = event.message_type not in NEEDS_NO_ANSWER and event.message_id not in stops
            heard.append(Heard(chip.id, contact_id, event.at, True, waits))
    for event in new:
        chip, contact_id = scene.places.chip_of(event), scene.contact_of(event)
        if isinstance(event, CallReceived) and event.by_person and chip and contact_id is not None:
            heard.append(Heard(chip.id, contact_id, event.at, False, event.value == "terminate" and not event.answered))
    for one in await inbound.open_windows(conn, heard):
        counting[one.chip_id, _hour(one.at)].conversations += 1
    await people.hear_people(conn, [one.contact_id for one in heard], [one.at for one in heard], at=at)


# ------------------------------------------------------------------ counts


def _count_moves(moved: Sequence[Moved], counting: Counting) -> None:
    """What became of sends counts in the hour in which they were accepted."""
    for one in moved:
        if one.counts:
            row = counting[one.chip_id, one.hour]
            row.delivered += one.delivered
            row.reached += one.reached
            row.read += one.read
            row.replied += one.replied
            row.opted_out += one.opted_out
            row.undeliverable += one.undeliverable
            row.limited += one.limited
            row.failed += one.failed


async def _count_signs(conn: Connection, new: Sequence[Event], places: Places, counting: Counting) -> None:
    """Spam errors and the platform's warnings, in their own hour. A warning to an account is one to each of its chips."""
    restricted: list[tuple[int, datetime]] = []
    for event in new:
        match event:
            case MessageFailed(code=fold.SPAM) if chip := places.chip_of(event):
                counting[chip.id, _hour(event.at)].spam += 1
            case QualityChanged(value=value) if value == FLAGGED and (chip := places.chip_of(event)):
                counting[chip.id, _hour(event.at)].warnings += 1
            case AccountRestricted() if account := places.account_of(event):
                restricted.append((account.id, event.at))
            case _:
                pass
    chips = await platform.list_chips_of(conn, sorted({account_id for account_id, _ in restricted}))
    for account_id, said_at in restricted:
        for chip in chips:
            if chip.account_id == account_id:
                counting[chip.id, _hour(said_at)].warnings += 1


async def _count_calls(conn: Connection, new: Sequence[Event], scene: Scene, counting: Counting, *, at: datetime) -> None:
    """Answered calls, each once, though two facts may say that it was."""
    answered: dict[str, list[CallReceived]] = defaultdict(list)
    for event in new:
        if isinstance(event, CallReceived) and event.answered:
            answered[event.call_id].append(event)
    if not answered:
        return
    ids = [contact_id for said in answered.values() if (contact_id := scene.contact_of(said[0])) is not None]
    known = await facts.count_answered_calls(conn, ids, list(answered), since=at - SINCE_MAX)
    for call_id, said in answered.items():
        if known.get(call_id, 0) <= len(said) and (chip := scene.places.chip_of(said[0])):
            counting[chip.id, _hour(said[0].at)].calls += 1


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
