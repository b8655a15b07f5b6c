"""What new facts do: statuses move sends, people's words open conversations, and both add to the counts. A batch is a few statements.

Effects follow from what is stored, never from the order in which facts came in. Locks: portfolios, chips, contacts, sends, counts.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from julia_warmer.cloud.codes import CODES
from julia_warmer.core import fold
from julia_warmer.core.events import (
    AccountRestricted,
    CallReceived,
    Event,
    MessageFailed,
    MessageReceived,
    NumberChanged,
    OptInResumed,
    OptOutRequested,
    QualityChanged,
    SignupReceived,
    StatusFact,
    kind_of,
)
from julia_warmer.core.phone import e164_with_ninth
from julia_warmer.engine.news import FLAGGED, alerts_for, write_news
from julia_warmer.engine.scene import Arrival, Places, Scene, find_places, meet, names_in, new_names_in
from julia_warmer.engine.urgent import apply_opt_outs
from julia_warmer.store import contacts, facts, inbound, people, platform
from julia_warmer.store.db import Connection
from julia_warmer.store.facts import Deed, EventRow, HourCounts, Moved, Said
from julia_warmer.store.inbound import Heard, Received
from julia_warmer.store.people import PLATFORM_SOURCES, Names, Warmth
from julia_warmer.store.seal import Seal

SINCE_MAX = timedelta(days=16)  # how far back earlier facts may still matter: twice the longest delay of a webhook
ENGAGEMENT_WEIGHT = 4.0  # the engagement that a contact was imported with counts like so many messages
UNDELIVERABLE, LIMITED = [fold.UNDELIVERABLE], [fold.LIMITED]
NO_FAILURE = [fold.UNDELIVERABLE, fold.LIMITED, *sorted(fold.NOT_COUNTED)]  # counted elsewhere, or nowhere
REPLY_H, OPT_OUT_H = fold.REPLY_WITHIN // timedelta(hours=1), fold.OPT_OUT_WITHIN // timedelta(hours=1)
CODE_MAX = 2**31 - 1
NEEDS_NO_ANSWER = frozenset({"reaction", "revoke"})
KEPT_OF_A_FACT = (
    *("category", "pricing_type", "title", "details", "limit", "template_id", "template", "language", "previous", "reason", "restrictions"),
    *("until", "effective_at", "field", "severity", "purpose", "call_id", "answered", "by_person", "referral", "played", "name_status"),
)

Counting = defaultdict[tuple[int, datetime], HourCounts]  # by chip and clock hour


async def apply_facts(conn: Connection, arrivals: Sequence[Arrival], *, at: datetime, seal: Seal) -> int:
    """Write facts once and let the new ones have their effects; returns how many were new. All or none: the caller has a savepoint."""
    early = await facts.adopt_early(conn, since=at - SINCE_MAX)
    if not arrivals and not early:
        return 0
    events = [arrival.event for arrival in arrivals]
    places = await find_places(conn, events)
    await _hear(conn, arrivals, places)
    await write_news(conn, events, places, at=at)
    scene = await meet(conn, events, places, also=[one.contact_id for one in early], at=at)
    new = [arrival.event for arrival in await _append(conn, arrivals, scene, at=at)]
    said = [Said(one.send_id, one.kind, one.at, one.code, one.category, one.pricing_type) for one in early]
    await _take_effect(conn, new, said, scene, at=at, seal=seal)
    return len(new)


async def _take_effect(conn: Connection, new: Sequence[Event], early: list[Said], scene: Scene, *, at: datetime, seal: Seal) -> None:
    opt_outs = [event for event in new if isinstance(event, OptOutRequested)]
    if opt_outs:
        await apply_opt_outs(conn, opt_outs, at=at)  # done before the 200 already, unless the database refused something then
    messages = await _keep_messages(conn, new, scene, at=at, seal=seal)
    said = [*early, *_said(new, scene), *await _credit(conn, messages, opt_outs, scene)]
    moved = await facts.move_sends(conn, said, undeliverable=UNDELIVERABLE, limited=LIMITED, no_failure=NO_FAILURE)
    counting: Counting = defaultdict(HourCounts)
    await _count_calls(conn, new, scene, counting, at=at)
    await _open_windows(conn, new, messages, opt_outs, scene, counting, at=at)
    await _judge_people(conn, moved, messages, scene, at=at)
    await _rename(conn, new, scene, at=at)
    await _resume(conn, new, scene, at=at)
    _count_moves(moved, counting)
    await _count_signs(conn, new, scene.places, counting)
    await facts.add_counts(conn, counting)
    await platform.add_alerts(conn, [alert for event in new for alert in alerts_for(event, scene.places)])


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


async def _append(conn: Connection, arrivals: Sequence[Arrival], scene: Scene, *, at: datetime) -> list[Arrival]:
    """Write the facts; returns those that are new."""
    calls = await _open_calls(conn, arrivals, scene)
    rows: dict[tuple[datetime, str, str], tuple[EventRow, Arrival]] = {}
    for arrival in arrivals:
        key = (arrival.event.at, arrival.kind.value, arrival.key)
        if key not in rows:
            rows[key] = (_row(arrival, scene, calls), arrival)
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


def _row(arrival: Arrival, scene: Scene, calls: set[tuple[int, int | None]]) -> EventRow:
    event = arrival.event
    chip, account = scene.places.chip_of(event), scene.places.account_of(event)
    send, contact_id = scene.send_of(event), scene.contact_of(event)
    value = _value(event)
    if isinstance(event, StatusFact) and send is None and chip and (chip.id, contact_id) in calls:
        value = event.message_id  # it waits for its send
    code = getattr(event, "code", None)
    return EventRow(
        at=event.at,
        kind=arrival.kind.value,
        key=arrival.key,
        chip_id=chip.id if chip else None,
        account_id=account.id if account else None,
        contact_id=contact_id,
        send_id=send.id if send else None,
        code=code if code is not None and abs(code) <= CODE_MAX else None,
        value=value,
        body=_body(event),
        inbox_id=arrival.inbox_id,
    )


def _value(event: Event) -> str | None:
    match event:
        case MessageReceived(message_type=value) | OptOutRequested(source=value) | SignupReceived(signup_id=value):
            return value
        case _:
            return getattr(event, "value", None)


def _body(event: Event) -> dict[str, Any]:
    """What else a fact says; never who the person is or what they wrote."""
    return {name: value for name in KEPT_OF_A_FACT if (value := getattr(event, name, None))}


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
    rows = [
        Received(
            message_id=event.message_id,
            chip_id=chip.id,
            contact_id=scene.contact_of(event),
            at=event.at,
            type=event.message_type,
            text=seal.close(event.text.encode(), use=inbound.TEXT_USE) if event.text is not None else None,
            details=_details(event, seal),
        )
        for event in messages.values()
        if (chip := scene.places.chip_of(event))
    ]
    kept = await inbound.add_received(conn, rows, at=at)
    return [event for message_id, event in messages.items() if message_id in kept]


def _details(event: MessageReceived, seal: Seal) -> bytes | None:
    names = ("payload", "name", "username", "reply_to", "code", "referral")
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


# ------------------------------------------------------------------ what becomes known of people


async def _judge_people(
    conn: Connection, moved: Sequence[Moved], messages: Sequence[MessageReceived], scene: Scene, *, at: datetime
) -> None:
    """How engaged people are, and whether they can be reached."""
    changed: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for one in moved:
        if one.counts and (one.delivered or one.replied):
            sums = changed[one.contact_id]
            sums[0] += one.delivered
            sums[1] += one.replied
    warmth = [Warmth(contact_id, *sums) for contact_id, sums in sorted(changed.items())]
    await people.warm_people(conn, warmth, weight=ENGAGEMENT_WEIGHT, at=at)
    wrote = {contact_id for event in messages if (contact_id := scene.contact_of(event)) is not None}
    back = {contact_id for contact_id in wrote if (person := scene.persons.get(contact_id)) and person.is_undeliverable}
    wait = CODES[fold.LIMITED].wait
    assert wait is not None
    await people.judge_reachability(
        conn,
        sorted(back | {one.contact_id for one in moved if one.failure_changed}),
        undeliverable=UNDELIVERABLE,
        limited=LIMITED,
        cooldown_h=wait.first_s / 3600,
        cooldown_h_max=wait.max_s / 3600,
        at=at,
    )


async def _rename(conn: Connection, new: Sequence[Event], scene: Scene, *, at: datetime) -> None:
    """Keep how the platform names people, and let stops follow them to their new names."""
    learned = _learned(new, scene)
    await people.name_people(conn, learned, at=at)
    met = [contact_id for contact_id, names in learned.items() if names.user_id]
    for event in new:
        if isinstance(event, NumberChanged) and new_names_in(event) != Names():
            met += await _move(conn, event, scene, at=at)
    stopped = await people.stop_suppressed(conn, sorted(set(met)), at=at)
    await contacts.refresh_standing(conn, stopped, at=at)
    await people.cancel_sends(conn, dict.fromkeys(stopped, "all"), reason="asked to stop", at=at)


def _learned(new: Sequence[Event], scene: Scene) -> dict[int, Names]:
    """New names of known people. A status tells a user id only of somebody who has none yet: it may be an old one."""
    learned: dict[int, Names] = {}
    for event in new:
        contact_id = scene.contact_of(event)
        person = scene.persons.get(contact_id) if contact_id is not None else None
        if person is None or isinstance(event, NumberChanged) or (names := names_in(event)) is None:
            continue
        wa_id = names.wa_id if names.phone_key == person.phone_key and names.wa_id != person.wa_id else None
        is_newer = person.user_id is None or not isinstance(event, StatusFact)
        user_id = names.user_id if is_newer and names.user_id != person.user_id else None
        if wa_id or user_id:
            known = learned.get(person.id, Names())
            learned[person.id] = Names(wa_id=wa_id or known.wa_id, user_id=user_id or known.user_id)
    return learned


async def _move(conn: Connection, event: NumberChanged, scene: Scene, *, at: datetime) -> list[int]:
    """A person has another number or user id. What is suppressed goes along; so does the contact, unless the number is another's."""
    old, new = names_in(event) or Names(), new_names_in(event)
    contact_id = scene.contact_of(event)
    person = scene.persons.get(contact_id) if contact_id is not None else None
    if person is not None:
        old = Names(phone_key=person.phone_key, user_id=person.user_id)
    await people.copy_suppressions(conn, old=old, new=new)
    if person is None or (new.phone_key == person.phone_key and new.user_id in (None, person.user_id)):
        return []
    phone = e164_with_ninth(new.wa_id) if new.wa_id else None
    moved = await people.move_person(conn, person.id, phone=phone, names=new, at=at)
    if moved.taken is None:
        return [person.id]
    await people.leave_number(conn, person.id, at=at)
    return [moved.taken]


async def _resume(conn: Connection, new: Sequence[Event], scene: Scene, *, at: datetime) -> None:
    """WhatsApp's marketing switch and sign-up page, by the facts' own time: what was said last holds."""
    signups = {
        (contact_id, event.signup_id): event.at
        for event in new
        if isinstance(event, SignupReceived) and (contact_id := scene.contact_of(event)) is not None
    }
    await people.sign_up(conn, [key[0] for key in signups], [key[1] for key in signups], list(signups.values()), at=at)
    switched = {
        contact_id
        for event in new
        if (isinstance(event, OptInResumed) or (isinstance(event, OptOutRequested) and event.source in PLATFORM_SOURCES))
        and (contact_id := scene.contact_of(event)) is not None
    }
    last = await people.list_switches(conn, sorted(switched), since=at - SINCE_MAX)
    resumed = await people.resume_marketing(conn, [switch for switch in last if switch.resumed], at=at)
    await contacts.refresh_standing(conn, sorted({*resumed, *(key[0] for key in signups)}), at=at)


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
