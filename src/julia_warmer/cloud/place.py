"""Where an item of a webhook was read, and who the people around it are. It must not know what the items mean."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from julia_warmer.cloud import wire
from julia_warmer.cloud.wire import Json
from julia_warmer.core.opt_out import NO_WORDS
from julia_warmer.core.phone import key_of


class Common(TypedDict):
    """What every fact carries, ready to be passed on."""

    at: datetime
    account_id: str | None
    phone_number_id: str | None
    display_phone: str | None
    path: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who a fact is about, as far as the webhook says."""

    phone: str | None
    user_id: str | None
    name: str | None = None
    username: str | None = None


class People:
    """The `contacts` of one change, found by BSUID or by the canonical phone key; never by their position."""

    __slots__ = ("_all", "_by_phone", "_by_user")

    def __init__(self, contacts: list[Json]) -> None:
        self._all = [_person(contact) for contact in contacts]
        self._by_user = {person.user_id: person for person in self._all if person.user_id}
        self._by_phone = {key_of(person.phone): person for person in self._all if person.phone}

    def match(self, phone: str | None, user_id: str | None, *, alone: bool) -> Person:
        """The person with that phone or BSUID, with what the contact adds. `alone`: the change holds one item, so one contact is theirs."""
        if not self._all:
            return Person(phone, user_id)
        found = self._by_user.get(user_id) if user_id else None
        if found is None and phone:
            found = self._by_phone.get(key_of(phone))
        if found is None and alone and len(self._all) == 1 and _may_be(self._all[0], phone, user_id):
            found = self._all[0]
        if found is None:
            return Person(phone, user_id)
        return Person(phone or found.phone, user_id or found.user_id, found.name, found.username)


def _person(contact: Json) -> Person:
    phone, user_id = wire.address(contact.get("wa_id"))
    profile = wire.record(contact.get("profile"))
    return Person(
        phone, wire.maybe_ident(contact.get("user_id")) or user_id, wire.word(profile.get("name")), wire.word(profile.get("username"))
    )


def _may_be(person: Person, phone: str | None, user_id: str | None) -> bool:
    return not (phone and person.phone) and not (user_id and person.user_id)


@dataclass(frozen=True, slots=True)
class Place:
    """One change of one entry. `at` is the entry's time, or the time of arrival when it has none."""

    field: str
    at: datetime
    time: object
    account_id: str | None
    phone_number_id: str | None
    display_phone: str | None
    people: People
    words: frozenset[str] = NO_WORDS  # the owner's own requests to stop

    def common(self, path: str, at: datetime | None = None) -> Common:
        """What a fact read here carries; `at` is the item's own time, if it has one."""
        return {
            "at": at or self.at,
            "account_id": self.account_id,
            "phone_number_id": self.phone_number_id,
            "display_phone": self.display_phone,
            "path": path,
        }

    def key(self, item: object) -> str:
        """A key for an item that has no id: the same in every delivery of it."""
        return wire.digest(self.account_id, wire.text(self.time), self.field, item)


def place_of(entry: Json, field: str, value: Json, *, received_at: datetime, words: frozenset[str] = NO_WORDS) -> Place:
    """The place of a change. Account webhooks have no `metadata`; partner events name the account in `waba_info`."""
    metadata = wire.record(value.get("metadata"))
    waba = wire.record(value.get("waba_info"))
    time = entry.get("time")
    return Place(
        field=field,
        at=wire.moment(time) or received_at,
        time=time,
        account_id=wire.maybe_ident(waba.get("waba_id")) or wire.maybe_ident(entry.get("id")),
        phone_number_id=wire.maybe_ident(metadata.get("phone_number_id")),
        display_phone=wire.digits(metadata.get("display_phone_number") or value.get("display_phone_number") or value.get("phone_number")),
        people=People(wire.records(value.get("contacts"))),
        words=words,
    )
