"""A small world for tests: one account with one chip, a list of people, and short ways to send and to look."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from julia_warmer.core.events import (
    Event,
    MessageFailed,
)
from julia_warmer.sim.constants import Constants, standard
from julia_warmer.sim.state import Button, Message, Refused, Taken
from julia_warmer.sim.world import World

AT = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
BUTTONS = (Button("Tenho interesse"), Button("Parar mensagens", opt_out=True))


def calm(**changes: float) -> Constants:
    """A world without accidents: everybody is reachable, nobody is harmed; then what the test wants."""
    c = standard()
    quiet = {f.name: 0.0 for f in fields(c.lists["good"]) if f.name not in {"reply_low", "reply_high", "read"}}
    lists = {name: replace(row, **quiet) for name, row in c.lists.items()}
    c = replace(c, lists=lists, people=replace(c.people, experiment=0.0), delivery=replace(c.delivery, online=1.0))
    for name, value in changes.items():
        section, field = name.split("__")
        c = replace(c, **{section: replace(getattr(c, section), **{field: value})})
    return c


def world_of(
    constants: Constants | None = None, *, seed: int = 7, chips: int = 1, people: int = 0, limit: int = -1, **portfolio: object
) -> World:
    world = World(constants or standard(), seed=seed, at=AT)
    world.add_portfolio("p", limit=limit, **portfolio)
    world.add_account("a", "p")
    for i in range(chips):
        world.add_chip(f"c{i}", "a", display_phone=f"551195500000{i}")
    world.add_template("1", "a", name="ola", buttons=BUTTONS)
    for i in range(people):
        world.add_person(phone(i))
    return world


def phone(i: int) -> str:
    return f"55119{80000000 + i}"


def send(world: World, i: int, at: datetime, *, chip: str = "c0", **changes: object) -> Taken | Refused:
    return world.accept(Message(**{"phone_number_id": chip, "to": phone(i), "template": "ola", **changes}), at=at)


def spread(world: World, people: Iterable[int], start: datetime = AT, *, every_s: float = 20.0, **changes: object) -> list[Event]:
    """Send to each, one after the other, and let the world go on; all facts."""
    facts: list[Event] = []
    at = start
    for i in people:
        at += timedelta(seconds=every_s)
        facts += world.advance(at)
        send(world, i, at, **changes)
    return facts


def of(kind: type, facts: Iterable[Event]) -> list:
    return [fact for fact in facts if isinstance(fact, kind)]


def codes(facts: Iterable[Event]) -> Counter:
    return Counter(fact.code for fact in facts if isinstance(fact, MessageFailed))
