"""The life of a message after it was taken: sent, delivered, read, answered, or met with harm. One function per happening."""

from base64 import b64encode

from julia_warmer.core.events import (
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    MessageSent,
    OptOutRequested,
    OptOutSource,
)
from julia_warmer.sim import speech
from julia_warmer.sim.constants import Constants
from julia_warmer.sim.draws import Draws, between
from julia_warmer.sim.meta import Meta
from julia_warmer.sim.people import answer, delivery_delay, react, remembered
from julia_warmer.sim.state import DAY, Chip, Flight, Message, Pair, Person, Reaction, Template, Truth
from julia_warmer.sim.timeline import Timeline, moment

TITLES = {
    130472: "User's number is part of an experiment",
    131026: "Message undeliverable",
    131042: "Business eligibility payment issue",
    131048: "Spam rate limit hit",
    131049: "This message was not delivered to maintain healthy ecosystem engagement.",
    131050: "User has stopped marketing messages",
    132015: "Template is paused",
    135000: "Generic user error",
}
DETAILS = {
    130472: "Failed to send message because this user's phone number is part of an experiment",
    131026: "Message Undeliverable.",
    131042: "Message failed to send because there were one or more errors related to your payment method.",
    131048: "Message failed to send because there are restrictions on how many messages can be sent from this phone number. "
    "This may be because too many previous messages were blocked or flagged as spam.",
    131049: "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
    131050: "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp from your business.",
    132015: "Template is paused due to low quality so it cannot be sent in a template message.",
    135000: "Message failed to send because of an unknown error with your request parameters.",
}


class Lives:
    """Plays what happens to messages and tells the facts. `truths` gathers what no API shows."""

    __slots__ = ("_bsuids", "c", "draws", "line", "meta", "people_by_bsuid", "truths")

    def __init__(self, c: Constants, draws: Draws, line: Timeline) -> None:
        self.c = c
        self.draws = draws
        self.line = line
        self.meta = Meta(c, draws, line, self.launch, self.fail)
        self.truths: list[Truth] = []
        self.people_by_bsuid: dict[tuple[str, str], Person] = {}  # portfolio and id
        self._bsuids: dict[tuple[str, int], str] = {}

    def bsuid(self, chip: Chip, person: Person) -> str:
        """The person's business-scoped id, which belongs to the portfolio (platform.md 7.6)."""
        key = (chip.account.portfolio.id, person.index)
        known = self._bsuids.get(key)
        if known is None:
            country = "BR" if person.phone.startswith("55") else "US" if person.phone.startswith("1") else "XX"
            known = self._bsuids[key] = f"{country}.{self.draws.whole(f'bsuid|{key[0]}|{person.phone}'):020d}"
            self.people_by_bsuid[key[0], known] = person
        return known

    # --- outward -------------------------------------------------------------------------------------------------------------

    def launch(self, flight: Flight, t: float) -> None:
        """The message goes out, or its failure is on its way."""
        code = self.meta.fate(flight, t)
        if code is not None:
            self.fail(flight, t, code)
            return
        self.line.plan(t + between(flight.sent_u, self.c.delivery.sent_low_s, self.c.delivery.sent_high_s), flight.key, self._sent, flight)

    def fail(self, flight: Flight, t: float, code: int) -> None:
        """The message will be reported as failed."""
        d = self.c.delivery
        self.line.plan(t + between(flight.sent_u, d.failed_low_s, d.failed_high_s), flight.key, self._failed, (flight, code))

    def _failed(self, what: tuple[Flight, int], t: float) -> None:
        flight, code = what
        self.meta.leaves_flight(flight)
        chip, message = flight.chip, flight.message
        self.line.facts.append(
            MessageFailed(
                at=moment(t),
                account_id=chip.account.id,
                phone_number_id=chip.id,
                display_phone=chip.display_phone,
                message_id=flight.id,
                to=flight.person.wa_id,
                ours=message.ours,
                code=code,
                title=TITLES.get(code, "Message failed"),
                details=DETAILS.get(code, "Message failed."),
            )
        )

    def _sent(self, flight: Flight, t: float) -> None:
        chip, person = flight.chip, flight.person
        category, pricing = pricing_of(flight)
        self.line.facts.append(
            MessageSent(
                at=moment(t),
                account_id=chip.account.id,
                phone_number_id=chip.id,
                display_phone=chip.display_phone,
                message_id=flight.id,
                to=person.wa_id,
                user_id=self.bsuid(chip, person),
                ours=flight.message.ours,
                category=category,
                pricing_type=pricing,
            )
        )
        if flight.message.kind == "reaction":
            return  # only `sent` comes back for a reaction: platform.md 6.1
        ttl_s = flight.template.ttl_s if flight.template else self.c.delivery.ttl_d * DAY
        if flight.pair.blocked or flight.delivery_s > ttl_s:
            self.line.plan(t + ttl_s, flight.key, self._dropped, flight)
        else:
            self.line.plan(t + flight.delivery_s, flight.key, self._delivered, flight)

    def _dropped(self, flight: Flight, _t: float) -> None:
        """The phone blocks us, or was off for too long: Meta says nothing (platform.md 6.1)."""
        self.meta.leaves_flight(flight)

    def _delivered(self, flight: Flight, t: float) -> None:
        chip, person, template = flight.chip, flight.person, flight.template
        self.meta.leaves_flight(flight)
        if flight.pair.blocked:
            return
        flight.delivered_at = t
        chip.delivered += 1
        chip.feedback.add(t, delivered=1)
        if flight.initiated:
            self.meta.hear_delivery(flight, t)
            load = remembered(person, t, self.c.people.fatigue_half_life_d)
            person.load, person.load_at = load + 1.0, t
            reaction = react(flight, t, load, self.c, self.draws)
        else:
            reaction = answer(flight, t, self.c, self.draws)
        flight.reaction = reaction
        if template is not None:
            template.proven += 1
            if template.feedback.add(t, delivered=1):
                self.meta.look_at_template(template, t)
        self._tell_delivered(flight, reaction, t)
        if reaction.read_s is not None:
            self.line.plan(t + reaction.read_s, flight.key, self._read, flight)
        if reaction.harm:
            self.line.plan(t + reaction.harm_s, flight.key, self._harm, flight)

    def _tell_delivered(self, flight: Flight, reaction: Reaction, t: float) -> None:
        d, chip, person = self.c.delivery, flight.chip, flight.person
        at_once = reaction.read_s is not None and reaction.read_s < d.read_at_once_s and person.receipts
        if at_once and flight.skip_u < d.delivered_skipped:
            return  # `read` implies it: platform.md 6.3
        category, pricing = pricing_of(flight)
        self.line.facts.append(
            MessageDelivered(
                at=moment(t),
                account_id=chip.account.id,
                phone_number_id=chip.id,
                display_phone=chip.display_phone,
                message_id=flight.id,
                to=person.wa_id,
                user_id=self.bsuid(chip, person),
                ours=flight.message.ours,
                category=category,
                pricing_type=pricing,
            )
        )

    def _read(self, flight: Flight, t: float) -> None:
        chip, person, reaction = flight.chip, flight.person, flight.reaction
        assert reaction is not None
        if person.receipts:
            if flight.template is not None:
                flight.template.feedback.add(flight.delivered_at, read=1)
            self.line.facts.append(
                MessageRead(
                    at=moment(t),
                    account_id=chip.account.id,
                    phone_number_id=chip.id,
                    display_phone=chip.display_phone,
                    message_id=flight.id,
                    to=person.wa_id,
                    user_id=self.bsuid(chip, person),
                    ours=flight.message.ours,
                )
            )
        if reaction.reply_s is not None:
            self.line.plan(flight.delivered_at + reaction.reply_s, flight.key, self._reply, flight)

    # --- inward --------------------------------------------------------------------------------------------------------------

    def _reply(self, flight: Flight, t: float) -> None:
        reaction, pair, p = flight.reaction, flight.pair, self.c.people
        assert reaction is not None
        if pair.blocked:
            return
        pair.turns += 1
        button = _reply_button(flight)
        if button is not None and reaction.kind_u < p.kind_button:
            self._tap(flight, button, t)
        elif reaction.kind_u >= 1 - p.kind_audio:
            self.receive(flight.chip, flight.person, pair, t, kind="audio")
        elif reaction.kind_u >= 1 - p.kind_audio - p.kind_image:
            self.receive(flight.chip, flight.person, pair, t, kind="image")
        else:
            words = speech.pick(speech.REPLIES if flight.initiated else speech.FOLLOW_UPS, reaction.words_u)
            self.receive(flight.chip, flight.person, pair, t, text=words, reply_to=flight.id if reaction.words_u < 0.25 else None)
        again, when, words_u, *_ = self.draws.eight(f"again|{flight.id}")
        if again < p.second_message:
            self.line.plan(t + 3 + when * (p.second_message_s - 3), flight.key, self._second, (flight, words_u))

    def _second(self, what: tuple[Flight, float], t: float) -> None:
        flight, words_u = what
        self.receive(flight.chip, flight.person, flight.pair, t, text=speech.pick(speech.SECOND_MESSAGES, words_u))

    def _harm(self, flight: Flight, t: float) -> None:
        reaction = flight.reaction
        assert reaction is not None
        if flight.pair.blocked:
            return
        match reaction.harm:
            case "stop_word":
                self._stop(flight, t, "word", self.receive(flight.chip, flight.person, flight.pair, t, text=self._stop_words(reaction)))
            case "stop_button":
                position = next(i for i, b in enumerate(flight.template.buttons if flight.template else ()) if b.opt_out)
                self._stop(flight, t, "button", self._tap(flight, position, t))
            case "stop_switch":
                self.switch_off(flight.chip, flight.person, t, bsuid_only=reaction.words_u < self.c.people.switch_bsuid_only)
            case harm:
                self.complain(flight, t, harm)

    def complain(self, flight: Flight, t: float, harm: str) -> None:
        """The person blocks, reports (which blocks too) or mutes. Only Meta hears of it."""
        flight.pair.blocked = harm != "mute"
        self.meta.hear_feedback(flight, t, harm)
        self._truth(flight.chip, flight.person, t, {"block": "blocked", "report": "reported", "mute": "muted"}[harm])

    def switch_off(self, chip: Chip, person: Person, t: float, *, bsuid_only: bool = False) -> None:
        """The person uses WhatsApp's own switch against marketing of this business (platform.md 2.11)."""
        chip.account.portfolio.stopped.add(person.index)
        self._truth(chip, person, t, "asked_to_stop", how="switch")
        self.line.facts.append(
            OptOutRequested(
                at=moment(t),
                account_id=chip.account.id,
                phone_number_id=chip.id,
                display_phone=chip.display_phone,
                phone=None if bsuid_only else person.wa_id,
                user_id=self.bsuid(chip, person),
                source=OptOutSource.PLATFORM,
                purpose="marketing",
            )
        )

    def receive(
        self,
        chip: Chip,
        person: Person,
        pair: Pair,
        t: float,
        *,
        kind: str = "text",
        text: str | None = None,
        payload: str | None = None,
        reply_to: str | None = None,
    ) -> str:
        """The person writes to the chip, which opens the service window. The message's id."""
        pair.nth_in += 1
        pair.last_in = t
        message_id = wamid(self.draws.raw(f"in|{chip.id}|{person.phone}|{pair.nth_in}"))
        self.line.facts.append(
            MessageReceived(
                at=moment(t),
                account_id=chip.account.id,
                phone_number_id=chip.id,
                display_phone=chip.display_phone,
                phone=person.wa_id,
                user_id=self.bsuid(chip, person),
                message_id=message_id,
                message_type=kind,
                text=text,
                payload=payload,
                name=person.name,
                reply_to=reply_to,
            )
        )
        return message_id

    def _tap(self, flight: Flight, position: int, t: float) -> str:
        """The person taps a quick reply of the template: its payload comes back, or its text where we gave none."""
        assert flight.template is not None
        text = flight.template.buttons[position].text
        given = flight.message.buttons
        payload = (given[position] if position < len(given) else None) or text
        return self.receive(flight.chip, flight.person, flight.pair, t, kind="button", text=text, payload=payload, reply_to=flight.id)

    def _stop_words(self, reaction: Reaction) -> str:
        return speech.pick(speech.STOPS, reaction.words_u)

    def _stop(self, flight: Flight, t: float, how: str, message_id: str) -> None:
        self._truth(flight.chip, flight.person, t, "asked_to_stop", how=how, message_id=message_id)

    def _truth(self, chip: Chip, person: Person, t: float, what: str, *, how: str = "", message_id: str = "") -> None:
        self.truths.append(Truth(t, what, chip.id, person.phone, how, message_id))


def wamid(raw: bytes) -> str:
    """A message id like Meta's, from the first bytes of a draw."""
    return "wamid." + b64encode(raw[:18]).decode()


def pricing_of(flight: Flight) -> tuple[str, str]:
    """The category and the type of the price (platform.md 4.4, 4.5)."""
    return flight.category, "regular" if flight.initiated else "free_customer_service"


def _reply_button(flight: Flight) -> int | None:
    """The position of the first quick reply that is no opt-out."""
    buttons = flight.template.buttons if flight.template else ()
    return next((i for i, b in enumerate(buttons) if not b.opt_out), None)


def new_flight(
    draws: Draws, c: Constants, chip: Chip, person: Person, pair: Pair, message: Message, template: Template | None, *, initiated: bool
) -> Flight:
    """A flight with its id and its draws: a function of seed, chip, person and the how-manieth message of that pair."""
    pair.nth_out += 1
    raw = draws.raw(f"out|{chip.id}|{person.phone}|{pair.nth_out}")
    message_id = wamid(raw)
    sent_u, u_class, u_delay, limited_u, skip_u, *_ = draws.eight(message_id)
    return Flight(
        id=message_id,
        key=int.from_bytes(raw[18:26], "little"),
        chip=chip,
        person=person,
        pair=pair,
        message=message,
        template=template,
        category=template.category if template else "service",
        initiated=initiated,
        sent_u=sent_u,
        delivery_s=delivery_delay(c, u_class, u_delay),
        limited_u=limited_u,
        skip_u=skip_u,
    )
