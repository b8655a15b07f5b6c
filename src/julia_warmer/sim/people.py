"""Who a person is and how they react to one message: pure functions of keyed draws. Nothing here knows Meta's rules."""

from random import Random

from julia_warmer.sim.constants import Constants
from julia_warmer.sim.draws import Draws, between, weibull
from julia_warmer.sim.state import DAY, HOUR, Flight, Person, Reaction, Template

# Hours from UTC by area code (platform.md 7.3, 7.4): no daylight saving since 2019. Everything else in Brazil is UTC-3.
_WEST = {"92": -4, "97": -4, "95": -4, "69": -4, "65": -4, "66": -4, "67": -4, "68": -5}


def hours_from_utc(phone: str) -> float:
    """How far a phone's local time is from UTC, by its country and area code; good enough to know when people sleep."""
    if phone.startswith("55"):
        return _WEST.get(phone[2:4], -3)
    return -5 if phone.startswith("1") else 0


def without_ninth_digit(phone: str) -> str | None:
    """The old form of a Brazilian mobile outside the states that began with nine digits, or None where there is none (platform.md 7.3)."""
    old_mobile = len(phone) == 13 and phone.startswith("55") and phone[4] == "9" and phone[5] in "6789"
    return phone[:4] + phone[5:] if old_mobile and int(phone[2:4]) >= 31 else None


def interest_of(draws: Draws, phone: str, mean: float, concentration: float) -> float:
    """One person's chance of a reply, from a Beta with the given mean."""
    return Random(draws.whole(f"interest|{phone}")).betavariate(mean * concentration, (1 - mean) * concentration)  # noqa: S311


def settle(person: Person, c: Constants, draws: Draws, interest: float | None) -> Person:
    """Give a person their traits."""
    p, rates = c.people, person.rates
    person.wa_id = person.phone
    mean = (rates.reply_low + rates.reply_high) / 2
    person.interest = interest_of(draws, person.phone, mean, p.reply_concentration) if interest is None else interest
    person.read = max(rates.read, min(1.0, person.interest * 1.05))  # nobody replies to what they did not open
    receipts, reachable, experiment, owl, ninth, *_ = draws.eight(f"traits|{person.phone}")
    person.receipts = receipts >= p.receipts_off
    person.reachable = reachable >= rates.undeliverable
    person.experiment = experiment < p.experiment
    person.owl = owl < p.night_owl
    person.offset_s = hours_from_utc(person.phone) * HOUR
    if ninth < p.ninth_digit_dropped:
        person.wa_id = without_ninth_digit(person.phone) or person.phone
    return person


def awake(t: float, person: Person, c: Constants, u: float) -> float:
    """The moment `t`, or, where the person sleeps then, some time after they wake."""
    if person.owl:
        return t
    hour = ((t + person.offset_s) % DAY) / HOUR
    p = c.people
    if p.sleep_until_h <= hour < p.sleep_from_h:
        return t
    return t + ((p.sleep_until_h - hour) % 24 + u * p.wake_spread_h) * HOUR


def remembered(person: Person, t: float, half_life_d: float) -> float:
    """How many messages of businesses the person still has in mind."""
    if person.load == 0.0:
        return 0.0
    return person.load * 0.5 ** ((t - person.load_at) / (half_life_d * DAY))


def delivery_delay(c: Constants, u_class: float, u: float) -> float:
    """Seconds from `sent` to `delivered`: at once, later, or after the phone was off."""
    d = c.delivery
    if u_class < d.online:
        return between(u, d.online_low_s, d.online_high_s)
    if u_class < 1 - d.off:
        return weibull(u, d.later_shape, d.later_scale_s)
    return between(u, d.off_low_h, d.off_high_h) * HOUR


def react(flight: Flight, t: float, load: float, c: Constants, draws: Draws) -> Reaction:
    """What the person will do about a business-initiated template delivered at `t`, having `load` messages still in mind."""
    person, template = flight.person, flight.template
    u_read, u_when, u_reply, u_reply_when, u_harm, u_harm_when, u_kind, u_words = draws.eight(f"react|{flight.id}")
    effects = template.effects if template else c.templates["good"]
    reaction = Reaction(kind_u=u_kind, words_u=u_words)
    p_read = min(1.0, person.read * effects.read)
    if u_read < p_read:
        read_at = awake(t + weibull(u_when, c.people.read_shape, c.people.read_scale_h * HOUR), person, c, u_words)
        reaction.read_s = read_at - t
        p_reply = person.interest * effects.reply / (1 + c.people.fatigue_reply * load)
        if u_reply * p_read < p_reply:
            later = read_at + weibull(u_reply_when, c.people.reply_shape, c.people.reply_scale_h * HOUR)
            reaction.reply_s = awake(later, person, c, u_kind) - t
    reaction.harm = _harm(flight, template, effects.harm * (1 + c.people.fatigue_harm * load), c, u_harm)
    if reaction.harm:
        _take_offence(reaction, t, person, c, u_harm_when)
    return reaction


def answer(flight: Flight, t: float, c: Constants, draws: Draws) -> Reaction:
    """What the person will do about a message inside the conversation that is open."""
    u_when, u_reply, u_reply_when, u_kind, u_words, *_ = draws.eight(f"answer|{flight.id}")
    p = c.people
    read_at = awake(t + weibull(u_when, p.read_shape, p.follow_up_scale_h * HOUR), flight.person, c, u_words)
    reaction = Reaction(read_s=read_at - t, kind_u=u_kind, words_u=u_words)
    if u_reply < p.follow_up * p.follow_up_fading**flight.pair.turns:
        later = read_at + weibull(u_reply_when, p.follow_up_shape, p.follow_up_scale_h * HOUR)
        reaction.reply_s = awake(later, flight.person, c, u_kind) - t
    return reaction


def _take_offence(reaction: Reaction, t: float, person: Person, c: Constants, u: float) -> None:
    """Set when harm happens, and what it replaces: who asks to stop has read, and who is harmed does not chat."""
    after_s = reaction.read_s or 0.0 if reaction.harm.startswith("stop") else 0.0
    if reaction.harm.startswith("stop") and reaction.read_s is None:
        reaction.read_s = weibull(u, c.people.read_shape, c.people.read_scale_h * HOUR)
        after_s = reaction.read_s
    at = awake(t + after_s + weibull(u, c.people.harm_shape, c.people.harm_scale_h * HOUR), person, c, u)
    reaction.harm_s = at - t
    if reaction.harm != "mute":
        reaction.reply_s = None


def _harm(flight: Flight, template: Template | None, factor: float, c: Constants, u: float) -> str:
    """Which harm, if any. Without an opt-out button, those who would have tapped it write, or block."""
    if template is None:
        return ""
    rates = flight.person.rates
    if template.category != "marketing":
        factor *= c.people.utility_harm
    button = rates.stop_button
    has_button = any(b.opt_out for b in template.buttons)
    to_word = 0.0 if has_button else button * c.people.no_button_to_word
    to_block = 0.0 if has_button else button - to_word
    ladder = (
        ("block", rates.block + to_block),
        ("report", rates.report),
        ("mute", rates.mute),
        ("stop_word", rates.stop_word + to_word),
        ("stop_button", button if has_button else 0.0),
        ("stop_switch", rates.stop_switch),
    )
    step = 0.0
    for harm, rate in ladder:
        step += rate * factor
        if u < step:
            return harm
    return ""
