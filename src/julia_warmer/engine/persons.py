"""What new facts tell of people: how they take our messages, how the platform names them now, what they allow again. Their rows are locked.

Requests to stop are not its business: they acted before the 200, in `engine/urgent`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from julia_warmer.cloud.codes import CODES
from julia_warmer.core import fold
from julia_warmer.core.events import Event, MessageReceived, NumberChanged, OptInResumed, OptOutRequested, SignupReceived, StatusFact
from julia_warmer.core.phone import SAO_PAULO, e164_with_ninth
from julia_warmer.engine.erased import find_all, hashed
from julia_warmer.engine.merge import merge_people
from julia_warmer.engine.questions import adopt_questions
from julia_warmer.engine.scene import Scene, names_in, new_names_in
from julia_warmer.store import contacts, erasure, merges, people
from julia_warmer.store.consents import seal_private
from julia_warmer.store.db import Connection
from julia_warmer.store.facts import Moved
from julia_warmer.store.people import PLATFORM_SOURCES, Names, Warmth
from julia_warmer.store.seal import Seal
from julia_warmer.store.signups import find_texts

SINCE_MAX = timedelta(days=16)  # how far back earlier facts may still matter: twice the longest delay of a webhook
ENGAGEMENT_WEIGHT = 4.0  # the engagement that a contact was imported with counts like so many messages


async def judge_people(
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
        undeliverable=[fold.UNDELIVERABLE],
        limited=[fold.LIMITED],
        cooldown_h=wait.first_s / 3600,
        cooldown_h_max=wait.max_s / 3600,
        at=at,
    )


async def rename_people(conn: Connection, new: Sequence[Event], scene: Scene, *, seal: Seal, at: datetime) -> None:
    """Keep how the platform names people, let stops follow them to their new names, and make one of two who turn out to be one."""
    learned = _learned(new, scene)
    await _merge_named(conn, _named(new, scene, learned), at=at)
    await people.name_people(conn, learned, at=at)
    met = [contact_id for contact_id, names in learned.items() if names.user_id]
    for event in new:
        if isinstance(event, NumberChanged) and new_names_in(event) != Names():
            met += await (_move_erased(conn, event, scene, seal, at=at) if scene.is_erased(event) else _move(conn, event, scene, at=at))
    await adopt_questions(conn, sorted(set(met)), at=at)
    stopped = await people.stop_suppressed(conn, sorted(set(met)), at=at)
    stopped |= await merges.spread_stops(conn, sorted(stopped), at=at)
    if stopped:
        await contacts.refresh_standing(conn, sorted(stopped), at=at)
        await people.cancel_sends(conn, stopped, reason="asked to stop", at=at)


def _named(new: Sequence[Event], scene: Scene, learned: Mapping[int, Names]) -> dict[int, str]:
    """New user ids that people's own facts told; a status may tell an old one."""
    told = {scene.contact_of(event) for event in new if not isinstance(event, StatusFact)}
    return {contact_id: names.user_id for contact_id, names in learned.items() if names.user_id and contact_id in told}


async def _merge_named(conn: Connection, named: Mapping[int, str], *, at: datetime) -> None:
    """A user id is one person's: whoever else had it is the person whom the platform calls so now."""
    found = await people.find_people(conn, [Names(user_id=user_id) for user_id in named.values()])
    for (contact_id, user_id), fitting in zip(named.items(), found, strict=True):
        if others := [one for one in fitting if one != contact_id]:
            await merge_people(conn, others, contact_id, user_id=user_id, why="the platform has one user id for both", at=at)


def _learned(new: Sequence[Event], scene: Scene) -> dict[int, Names]:
    """New names of known people. A status tells a user id only of somebody who has none yet: it may be an old one."""
    learned: dict[int, Names] = {}
    for event in new:
        contact_id = scene.contact_of(event)
        person = scene.persons.get(contact_id) if contact_id is not None else None
        if person is None or person.is_erased or isinstance(event, NumberChanged) or (names := names_in(event)) is None:
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
    (taken,) = await people.find_people(conn, [new])
    others = [one for one in taken if one != person.id]
    locked = await people.lock_people(conn, others)
    if others and not any(one.is_erased for one in locked.values()):
        into = next((one for one in others if locked[one].phone_key == new.phone_key), person.id)
        group = [one for one in (person.id, *others) if one != into]
        await merge_people(conn, group, into, user_id=new.user_id, why="the platform said that the number changed", at=at)
        return [into]
    phone = e164_with_ninth(new.wa_id) if new.wa_id else None
    moved = await people.move_person(conn, person.id, phone=phone, names=new, at=at)
    if moved.taken is None:
        return [person.id]
    await people.leave_number(conn, person.id, at=at)
    return [moved.taken]


async def _move_erased(conn: Connection, event: NumberChanged, scene: Scene, seal: Seal, *, at: datetime) -> list[int]:
    """Somebody who was erased has another number: nothing is sent to it either. Where it is a contact's, that one is stopped."""
    contact_id, new = scene.contact_of(event), new_names_in(event)
    assert contact_id is not None
    old = Names(phone_key=scene.persons[contact_id].phone_key, user_id=scene.persons[contact_id].user_id)
    ((names, ids),) = await find_all(conn, [new], seal)
    if not ids and new.phone_key is not None:
        names = hashed(new, seal)
        ids = [
            await erasure.add_erased(conn, phone_key=names.phone_key or "", wa_id=names.wa_id or "", zone=SAO_PAULO, at=at) or contact_id
        ]
    await people.copy_suppressions(conn, old=old, new=names if ids else hashed(new, seal))
    return [one for one in ids if one != contact_id]


async def resume_people(conn: Connection, new: Sequence[Event], scene: Scene, *, seal: Seal, at: datetime) -> None:
    """WhatsApp's marketing switch and sign-up page, by the facts' own time: what was said last holds."""
    signups = {
        (contact_id, event.signup_id): event.at
        for event in new
        if isinstance(event, SignupReceived)
        and not scene.is_erased(event)  # a webhook brings nobody back: a person has to let the number back first
        and (contact_id := scene.contact_of(event)) in scene.persons
        and contact_id is not None
    }
    texts = await find_texts(conn, [(signup_id, said_at) for (_, signup_id), said_at in signups.items()])
    privates = [
        seal_private({"signup_id": signup_id} | ({"signup_version": text.version} if text else {}), scene.persons[contact_id].secret, seal)
        for (contact_id, signup_id), text in zip(signups, texts, strict=True)
    ]
    digests = [text.text_digest if text else None for text in texts]
    await people.sign_up(conn, [key[0] for key in signups], privates, list(signups.values()), text_digests=digests, at=at)
    switched = {
        contact_id
        for event in new
        if (isinstance(event, OptInResumed) or (isinstance(event, OptOutRequested) and event.source in PLATFORM_SOURCES))
        and (contact_id := scene.contact_of(event)) is not None
    }
    last = await people.list_switches(conn, sorted(switched), since=at - SINCE_MAX)
    resumed = await people.resume_marketing(conn, [switch for switch in last if switch.resumed], at=at)
    if granted := sorted({*resumed, *(key[0] for key in signups)}):
        await contacts.refresh_standing(conn, granted, at=at)
