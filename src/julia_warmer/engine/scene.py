"""Who and what a batch of facts is about: our chips, accounts and sends, and the people, found by every name the platform has for them.

It changes nothing but this: people who wrote first become contacts, and a send whose status came before its answer becomes accepted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from julia_warmer.core.events import CallReceived, Event, Fact, Kind, MessageReceived, NumberChanged, PersonFact, SignupReceived, StatusFact
from julia_warmer.core.phone import SAO_PAULO, digits_of, e164_with_ninth, key_of, zone_of
from julia_warmer.engine.erased import find_all
from julia_warmer.store import facts, people, settlements
from julia_warmer.store.db import Connection
from julia_warmer.store.facts import AccountRef, ChipRef, SendRef
from julia_warmer.store.people import Names, Person, Stranger
from julia_warmer.store.seal import Seal
from julia_warmer.store.settlements import AcceptedSend

NAMES_KEPT_MAX = 4096
NOT_OUT = frozenset({"planned", "claimed", "failed", "cancelled", "expired"})  # states that a status with our id proves wrong


@dataclass(frozen=True, slots=True)
class Arrival:
    """A fact, with the body that brought it."""

    event: Event
    kind: Kind
    key: str
    inbox_id: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Places:
    """The chips and accounts that facts speak of, by every name the platform has for them."""

    chips: Mapping[str, ChipRef] = field(default_factory=dict[str, ChipRef])
    accounts: Mapping[str, AccountRef] = field(default_factory=dict[str, AccountRef])

    def chip_of(self, fact: Fact) -> ChipRef | None:
        """The chip of a fact: by Meta's id of the number; by the number where there is no id, as in account webhooks."""
        return self.chips.get(fact.phone_number_id or fact.display_phone or "")

    def account_of(self, fact: Fact) -> AccountRef | None:
        return self.accounts.get(fact.account_id or "")


@dataclass(frozen=True, slots=True)
class Scene:
    """Who and what the facts of a batch are about. The people are locked, but for those who are `busy`: somebody else holds them."""

    places: Places
    sends: Mapping[str, SendRef]  # by message id
    ids: Mapping[Names, int]
    persons: Mapping[int, Person]
    busy: frozenset[int] = frozenset()
    erased: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "erased", frozenset(contact_id for contact_id, person in self.persons.items() if person.is_erased))

    def send_of(self, event: Event) -> SendRef | None:
        return self.sends.get(event.message_id) if isinstance(event, StatusFact) else None

    def contact_of(self, event: Event) -> int | None:
        if send := self.send_of(event):
            return send.contact_id
        names = names_in(event)
        return self.ids.get(names) if names else None

    def is_erased(self, event: Event) -> bool:
        """Whether the fact is about somebody who was erased: then nothing that names them is kept of it."""
        return bool(self.erased) and self.contact_of(event) in self.erased


@lru_cache(NAMES_KEPT_MAX)
def names_of(phone: str | None, user_id: str | None) -> Names:
    """What a fact calls a person, with the canonical key. Kept for a while: a batch asks for the same person again and again."""
    digits = digits_of(phone) if phone else ""
    return Names(phone_key=key_of(digits), wa_id=digits, user_id=user_id) if digits else Names(user_id=user_id)


def names_in(event: Event) -> Names | None:
    """What a fact calls its person; None for facts about nobody."""
    match event:
        case StatusFact(to=phone, user_id=user_id) | PersonFact(phone=phone, user_id=user_id) if phone or user_id:
            return names_of(phone, user_id)
        case _:
            return None


def new_names_in(event: NumberChanged) -> Names:
    """What the person is called from now on."""
    return names_of(event.new_phone, event.new_user_id)


# ------------------------------------------------------------------ places and sends


async def find_places(conn: Connection, events: Iterable[Fact]) -> Places:
    """Look up the chips and accounts of these facts."""
    numbers: set[str] = set()
    phones: set[str] = set()
    wabas: set[str] = set()
    for event in events:
        if event.phone_number_id:
            numbers.add(event.phone_number_id)
        elif event.display_phone:
            phones.add(event.display_phone)
        if event.account_id:
            wabas.add(event.account_id)
    chips = await facts.find_chips(conn, phone_number_ids=list(numbers), display_phones=list(phones)) if numbers or phones else []
    accounts = await facts.find_accounts(conn, list(wabas)) if wabas else []
    return Places(
        chips={chip.display_phone: chip for chip in chips} | {chip.phone_number_id: chip for chip in chips},
        accounts={account.waba_id: account for account in accounts},
    )


async def find_sends_of(conn: Connection, statuses: Sequence[StatusFact], seal: Seal | None = None) -> dict[str, SendRef]:
    """Our sends by message id; those that the id does not find, by the id that we gave to the attempt.

    With a seal, also those to people who were erased: their message ids are hashes.
    """
    found = await facts.find_sends(conn, list({status.message_id for status in statuses}))
    rest = {ours: status.message_id for status in statuses if status.message_id not in found and (ours := attempt_of(status))}
    by_attempt = await facts.find_attempts(conn, list(rest))
    found |= {rest[UUID(name)]: send for name, send in by_attempt.items()}
    if seal is None or not (strange := {status.message_id for status in statuses} - set(found)):
        return found
    hashes = {seal.pseudonym(message_id): message_id for message_id in strange}
    return found | {hashes[name]: send for name, send in (await facts.find_sends(conn, list(hashes))).items()}


def attempt_of(status: StatusFact) -> UUID | None:
    """The attempt whose id the platform echoed; None when there is none, or it is not one of ours."""
    try:
        return UUID(status.ours) if status.ours else None
    except ValueError:
        return None


# ------------------------------------------------------------------ people


async def meet(
    conn: Connection, events: Sequence[Event], places: Places, *, also: Iterable[int], patient: bool, seal: Seal, at: datetime
) -> Scene:
    """Find the people and sends of these facts and lock the people, `also` these contacts; settle what a status tells too early.

    If not `patient`, nobody is waited for: nothing is settled of those who are `busy`, and their facts are for another time.
    """
    statuses = [event for event in events if isinstance(event, StatusFact)]
    sends = await find_sends_of(conn, statuses, seal)
    named = {
        names: event for event in events if not (isinstance(event, StatusFact) and event.message_id in sends) and (names := names_in(event))
    }
    ids = await _find_ids(conn, named, seal)
    if strangers := _strangers([event for event in events if (names := names_in(event)) and names not in ids], places):
        await people.add_strangers(conn, strangers, at=at)
        ids |= await _find_ids(conn, [names for names in named if names not in ids], seal)
    moves = {new_names_in(event) for event in events if isinstance(event, NumberChanged)} - {Names()}
    taken = await _find_ids(conn, moves, seal)
    wanted = {*ids.values(), *taken.values(), *also, *(send.contact_id for send in sends.values())}
    persons = await people.lock_people(conn, sorted(wanted), patient=patient)
    scene = Scene(places, sends, ids, persons, frozenset() if patient else frozenset(wanted - persons.keys()))
    mine = [status for status in statuses if scene.contact_of(status) not in scene.busy] if scene.busy else statuses
    sends |= await _settle_early(conn, mine, sends, at=at)
    return scene


async def _find_ids(conn: Connection, wanted: Iterable[Names], seal: Seal) -> dict[Names, int]:
    """The best fitting contact of each name, where there is one; also one who was erased."""
    names = list(wanted)
    return {name: fitting[0] for name, (_, fitting) in zip(names, await find_all(conn, names, seal), strict=True) if fitting}


def _strangers(events: Iterable[Event], places: Places) -> list[Stranger]:
    """Those who wrote, called or signed up and are no contacts yet. Somebody without a phone cannot become one."""
    strangers: dict[str, Stranger] = {}
    for event in events:
        if not isinstance(event, MessageReceived | CallReceived | SignupReceived) or not event.phone:
            continue
        names, chip = names_of(event.phone, event.user_id), places.chip_of(event)
        if names.phone_key is None or names.wa_id is None or chip is None:
            continue
        strangers[names.phone_key] = Stranger(
            phone=e164_with_ninth(names.wa_id),
            phone_key=names.phone_key,
            wa_id=names.wa_id,
            user_id=names.user_id,
            name=event.name if isinstance(event, MessageReceived) else None,
            zone=zone_of(names.wa_id) or chip.zone or SAO_PAULO,
        )
    return list(strangers.values())


async def _settle_early(conn: Connection, statuses: Sequence[StatusFact], sends: dict[str, SendRef], *, at: datetime) -> dict[str, SendRef]:
    """Statuses that came before the answer to their request, or in its place: the id that we gave to the attempt settles the send.

    Asked again now: an answer that was being written held the person's lock, which is ours by now. The platform had taken the send by
    its first status, so that is when it was accepted.
    """
    open_ones = [status for status in statuses if (send := sends.get(status.message_id)) is None or not send.is_accepted]
    if not open_ones:
        return {}
    found = await find_sends_of(conn, open_ones)
    waiting = {message_id: send for message_id, send in found.items() if not send.is_accepted}
    await facts.revive_sends(conn, [send.id for send in waiting.values() if send.state in NOT_OUT])
    first = {message_id: min(one.at for one in open_ones if one.message_id == message_id) for message_id in waiting}
    for message_id, send in sorted(waiting.items(), key=lambda item: (item[1].chip_id, first[item[0]])):
        taken_at = min(max(first[message_id], send.called_at or first[message_id]), at)
        await settlements.accept_sends(conn, [AcceptedSend(send_id=send.id, message_id=message_id)], at=taken_at)
    return found
