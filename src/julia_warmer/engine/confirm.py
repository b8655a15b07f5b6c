"""How requests to stop are heard and answered here: the owner's own words, and the one confirmation that may be sent.

The confirmation is an answer like any other, but that it passes the very stop that it confirms: store/claims.sql judges it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from julia_warmer.config import Settings
from julia_warmer.core.events import Event, OptOutRequested
from julia_warmer.core.opt_out import NO_WORDS, own_words
from julia_warmer.engine.scene import Scene
from julia_warmer.store import inbound
from julia_warmer.store.db import Connection
from julia_warmer.store.inbound import Confirmation
from julia_warmer.store.people import PLATFORM_SOURCES

WITHIN = timedelta(minutes=10)  # of the request: a confirmation that comes later is one message more, and nothing else


@dataclass(frozen=True, slots=True)
class Hearing:
    """The owner's part of it. `confirmation` None: a request to stop is answered by silence."""

    words: frozenset[str] = NO_WORDS
    confirmation: str | None = None


AS_SHIPPED = Hearing()


def hearing_of(settings: Settings) -> Hearing:
    """What the settings say, ready to be used. They were validated when they were read."""
    return Hearing(own_words(settings.opt_out_words), settings.opt_out_confirmation)


async def confirm_opt_outs(conn: Connection, new: Sequence[Event], scene: Scene, *, text: str, at: datetime) -> list[int]:
    """Plan the one confirmation of each new request to stop that a person wrote or tapped a moment ago; returns the sends.

    None for WhatsApp's own switch, which tells the person itself, and none for who had asked before.
    """
    asked: dict[int, Confirmation] = {}
    for event in sorted((one for one in new if isinstance(one, OptOutRequested)), key=lambda one: one.at):
        chip, contact_id = scene.places.chip_of(event), scene.contact_of(event)
        if chip is None or contact_id is None or event.source in PLATFORM_SOURCES or event.at <= at - WITHIN:
            continue
        asked.setdefault(contact_id, Confirmation(chip_id=chip.id, contact_id=contact_id, confirms_at=event.at))
    return await inbound.add_confirmations(conn, list(asked.values()), text=text, within=WITHIN, at=at)
