"""What people do with many messages at once: the same rates, factors and delays as `people.react` and `meta.fate`, as arrays.

Draws hang on (chip, person, the how-manieth message to them), so whatever is sent besides, and by whichever policy, a person does
with that message what they do. Not played, and why: docs/simulator.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from julia_warmer.sim.constants import Constants
from julia_warmer.sim.crowd import Bools, Crowd
from julia_warmer.sim.scatter import Ints
from julia_warmer.sim.streams import Floats, Keys, two, weibull

NEVER = np.inf
FAILED_AFTER_H = 10.0 / 3600  # the middle of [delivery] failed_low_s and failed_high_s, to the second; a moment is an hour
SENT_AFTER_H = 2.0 / 3600
MUTE, STOP_WORD, STOP_BUTTON, STOP_SWITCH = 2, 3, 4, 5  # places in crowd.HARMS; NO_HARM is one past them
NO_HARM = 6
VOICE, IMAGE, TWICE = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages that were taken: by which chip, to whom, the how-manieth to that person, when (hours), with what still in mind."""

    chip: Ints
    person: Ints
    place: Ints  # chip x people + person: where tables of people, laid out in one row, hold them
    nth: Ints
    at: Floats
    load: Floats  # messages that the person still remembers
    blocked: Bools  # the person has blocked the chip
    spam: Bools  # the number is restricted: 131048
    bad: Bools  # the template is the bad one


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What becomes of each: hours at which it happens, or infinity. `harm` is a place in crowd.HARMS, or NO_HARM."""

    undeliverable: Bools
    experiment: Bools
    limited: Bools
    spam: Bools
    delivered: Floats
    harm: Ints
    read: Floats
    replied: Floats
    harmed: Floats
    kind: Ints  # of the answer: VOICE, IMAGE, TWICE


def react(m: Messages, crowd: Crowd, c: Constants, *, ttl_h: float) -> Outcomes:
    """What becomes of messages, and when."""
    places = (m.person.astype(np.uint64) << np.uint64(16)) | (m.nth.astype(np.uint64) << np.uint64(3))
    keys = crowd.keys[m.chip]
    u_class, u_delay = two(keys, places)
    u_limited, u_harm = two(keys, places | np.uint64(1))
    undeliverable = ~of(crowd.reachable, m.place)
    experiment = of(crowd.experiment, m.place) & ~undeliverable
    limited = (u_limited < crowd.limited[m.chip] * (1 + c.people.fatigue_limited * m.load)) & ~undeliverable & ~experiment
    spam = m.spam & ~undeliverable & ~experiment & ~limited
    delivered = m.at + SENT_AFTER_H + _delivery_h(u_class, u_delay, c)
    lost = undeliverable | experiment | limited | spam | m.blocked | (delivered - m.at > ttl_h)
    delivered[lost] = NEVER
    harm = _harms(m, crowd, c, u_harm)
    harm[lost] = NO_HARM
    there = np.flatnonzero(~lost)
    response = _respond(m, crowd, c, keys, places, there, delivered[there], harm[there])
    return Outcomes(undeliverable, experiment, limited, spam, delivered, harm, *response)


def of(table: NDArray[Any], place: Ints) -> NDArray[Any]:
    """What a table of people says of those at some places."""
    return table.reshape(-1)[place]


def _delivery_h(u_class: Floats, u: Floats, c: Constants) -> Floats:
    """At once, later, or after the phone was off."""
    d = c.delivery
    hours = (d.online_low_s + u * (d.online_high_s - d.online_low_s)) / 3600
    later = (u_class >= d.online) & (u_class < 1 - d.off)
    hours[later] = weibull(u[later], d.later_shape, d.later_scale_s) / 3600
    off = u_class >= 1 - d.off
    hours[off] = d.off_low_h + u[off] * (d.off_high_h - d.off_low_h)
    return hours


def _harms(m: Messages, crowd: Crowd, c: Constants, u: Floats) -> Ints:
    """Which harm: the ladder of rates, climbed by fatigue and by a bad template. Every template here has an opt-out button."""
    factor = _effect(m.bad, c, "harm") * (1 + c.people.fatigue_harm * m.load)
    harm = np.zeros(len(u), np.int64)
    scaled = u / factor
    for step in crowd.harm:
        harm += scaled >= step[m.chip]
    return harm


def _effect(bad: Bools, c: Constants, name: str) -> Floats:
    return np.where(bad, getattr(c.templates["bad"], name), getattr(c.templates["good"], name))


def _respond(
    m: Messages, crowd: Crowd, c: Constants, keys: Keys, places: Keys, there: Ints, at: Floats, harm: Ints
) -> tuple[Floats, Floats, Floats, Ints]:
    """When those who were reached (`there`, `at`, `harm`) read, answer and take offence, and how they answer."""
    p, place, bad = c.people, m.place[there], m.bad[there]
    keys, places, owl = keys[there], places[there], of(crowd.owl, place)
    u_read, u_when = two(keys, places | np.uint64(2))
    u_reply, u_reply_when = two(keys, places | np.uint64(3))
    u_wake, u_harm_when = two(keys, places | np.uint64(4))
    p_read = np.minimum(1.0, of(crowd.read, place) * _effect(bad, c, "read"))
    p_reply = of(crowd.interest, place) * _effect(bad, c, "reply") / (1 + p.fatigue_reply * m.load[there])
    would_read = u_read < p_read
    opened = np.flatnonzero(would_read | ((harm >= STOP_WORD) & (harm != NO_HARM)))  # who asks to stop has read
    seen = np.full(len(there), NEVER)
    seen[opened] = awake(at[opened] + weibull(u_when[opened], p.read_shape, p.read_scale_h), owl[opened], u_wake[opened], c)
    told = np.flatnonzero(would_read & (u_reply * p_read < p_reply) & ((harm == NO_HARM) | (harm == MUTE)))
    answered = awake(seen[told] + weibull(u_reply_when[told], p.reply_shape, p.reply_scale_h), owl[told], u_wake[told], c)
    sore = np.flatnonzero(harm != NO_HARM)
    since = np.where(harm[sore] >= STOP_WORD, seen[sore], at[sore])
    hurt = awake(since + weibull(u_harm_when[sore], p.harm_shape, p.harm_scale_h), owl[sore], u_harm_when[sore], c)
    read, replied, harmed = np.full((3, len(m.at)), NEVER)
    read[there], replied[there[told]], harmed[there[sore]] = seen, answered, hurt
    kind = np.zeros(len(m.at), np.int64)
    kind[there[told]] = _kinds(keys[told], places[told], c)
    return read, replied, harmed, kind


def _kinds(keys: Keys, places: Keys, c: Constants) -> Ints:
    """How people answer: a bit for voice, one for an image, one for a second message within the minute."""
    p = c.people
    u_kind, u_again = two(keys, places | np.uint64(5))
    voice = u_kind >= 1 - p.kind_audio
    image = ~voice & (u_kind >= 1 - p.kind_audio - p.kind_image)
    return VOICE * voice + IMAGE * image + TWICE * (u_again < p.second_message)


def awake(at: Floats, owl: Bools, u: Floats, c: Constants) -> Floats:
    """The moments, or, where the person sleeps then, some time after they wake."""
    p = c.people
    hour = at % 24
    asleep = ~owl & ((hour >= p.sleep_from_h) | (hour < p.sleep_until_h))
    return np.where(asleep, at + (p.sleep_until_h - hour) % 24 + u * p.wake_spread_h, at)
