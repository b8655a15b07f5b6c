"""What the world tells is what our decoder reads: the sandbox's wire and `cloud`'s were written apart, and agree."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from julia_warmer.cloud.decode import decode
from julia_warmer.core.events import AccountChanged, Event, LimitChanged, MessageReceived, OptOutRequested, OptOutSource, TemplateFact
from julia_warmer.sandbox.wire import Update, body_of, encode
from julia_warmer.sim.constants import Constants, standard
from julia_warmer.sim.draws import Draws
from julia_warmer.sim.state import Button, Message
from julia_warmer.sim.world import World

AT = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
DRAWS = Draws(7)


def harsh() -> Constants:
    """A world in which every way to end a conversation is common."""
    c = standard()
    often = {"stop_word": 0.1, "stop_button": 0.1, "stop_switch": 0.1, "undeliverable": 0.1, "limited": 0.1, "block": 0.02}
    return replace(c, lists={name: replace(row, **often) for name, row in c.lists.items()})


def lively() -> tuple[list[Event], set[str]]:
    """Some days of a lively world, and the messages by which people really asked to stop."""
    world = World(harsh(), seed=7, at=AT)
    world.add_portfolio("700", limit=250)
    world.add_account("100", "700")
    world.add_chip("200", "100", display_phone="5511955000001", name="Equipe Exemplo")
    world.add_template("300", "100", name="ola", buttons=(Button("Quero"), Button("Parar", opt_out=True)))
    facts: list[Event] = []
    for i in range(300):
        phone = f"55{(11, 31, 92)[i % 3]}9{80000000 + i}"
        world.add_person(phone, name=f"Contato {i}")
        at = AT + timedelta(minutes=i)
        facts += world.advance(at)
        world.accept(Message(phone_number_id="200", to=phone, template="ola", ours=f"send-{i}"), at=at)
    facts += world.advance(AT + timedelta(days=4))
    at = AT + timedelta(days=4)
    world.set_limit("700", 2000, at=at)
    world.restrict_account("100", at=at, until=at + timedelta(days=1))
    world.lock_account("100", at=at)
    world.pause_template("300", at=at, until=None)
    facts += world.advance(at)
    return facts, {truth.message_id for truth in world.take_truths() if truth.what == "asked_to_stop"}


def same(fact: Event) -> Event:
    """Without what only the wire adds: the place in the body, its key, and Meta's two spellings of a limit."""
    fact = replace(fact, path="", key="")
    return replace(fact, value="") if isinstance(fact, LimitChanged) else fact


def read(updates: list[Update]) -> list[Event]:
    return [same(fact) for fact in decode(body_of(updates), received_at=AT)]


def by_person(fact: Event) -> bool:
    """An opt-out that the decoder found in what a person wrote or tapped."""
    return isinstance(fact, OptOutRequested) and fact.source is not OptOutSource.PLATFORM


FACTS, STOPS = lively()


def test_every_fact_comes_back_as_it_was_told():
    kinds = {type(fact).__name__ for fact in FACTS}
    assert {"MessageSent", "MessageDelivered", "MessageRead", "MessageFailed", "MessageReceived", "OptOutRequested"} <= kinds
    assert {"LimitChanged", "AccountRestricted", "TemplateStatusChanged", "TemplateQualityChanged"} <= kinds
    found = read([encode(fact, DRAWS) for fact in FACTS])
    told = [same(fact) for fact in FACTS]
    assert [fact for fact in found if not by_person(fact) and not isinstance(fact, TemplateFact)] == [
        fact for fact in told if not isinstance(fact, TemplateFact)
    ]
    templates = [(type(f), f.template_id, f.template, f.language, f.value) for f in found if isinstance(f, TemplateFact)]
    assert templates == [(type(f), f.template_id, f.template, f.language, f.value) for f in told if isinstance(f, TemplateFact)]


def test_everybody_who_asks_to_stop_is_understood_and_nobody_else():
    found = read([encode(fact, DRAWS) for fact in FACTS if isinstance(fact, MessageReceived)])
    assert len(STOPS) > 20
    assert {fact.message_id for fact in found if by_person(fact)} == STOPS - {""}


def test_a_deferred_limit_is_an_alert_of_the_account():
    fact = AccountChanged(at=AT, account_id="100", value="INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED")
    [found] = decode(body_of([encode(fact, DRAWS)]), received_at=AT)
    assert isinstance(found, AccountChanged)
    assert found.account_id == "100"


def test_a_fact_that_this_world_never_tells_is_refused():
    from julia_warmer.core.events import OptInResumed, QualityChanged

    for fact in (QualityChanged(at=AT, value="RED"), OptInResumed(at=AT)):
        with pytest.raises(TypeError):
            encode(fact, DRAWS)
