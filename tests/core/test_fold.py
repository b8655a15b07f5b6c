"""Counting: each rule of `core/fold.py` once as a story, and all of them against a plain recount of everything, in any order."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.events import (
    AccountRestricted,
    CallReceived,
    Event,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    MessageSent,
    OptOutRequested,
    OptOutSource,
)
from julia_warmer.core.fold import CountFields, Tally, failure_of
from julia_warmer.core.model import ChipState, ChipStatus, Counts, Media, Phase
from tests.core.some import STANDARD, ZONE, rows

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday, nine in the morning in São Paulo
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FROM_START = ChipState(status=ChipStatus.WARMING, phase=Phase.FIRST_CONTACTS, phase_since=START - 12 * HOUR)


def counted(tally: Tally, at: datetime, **state: Any) -> CountFields:
    return tally.counts(at, state=replace(FROM_START, **state), evidence=STANDARD.evidence)


def received(at: datetime, person: str = "ana", message_id: str = "in", message_type: str = "text") -> Event:
    return MessageReceived(at=at, phone=person, message_id=message_id, message_type=message_type)


def opted_out(at: datetime, person: str = "ana") -> Event:
    return OptOutRequested(at=at, phone=person, source=OptOutSource.WORD, purpose="all")


def status(word: str, message_id: str = "a") -> Event:
    match word:
        case "sent":
            return MessageSent(at=START, message_id=message_id)
        case "delivered":
            return MessageDelivered(at=START, message_id=message_id)
        case "read":
            return MessageRead(at=START, message_id=message_id)
        case "reply":
            return received(START + HOUR, message_id="in " + message_id)
        case _:
            return MessageFailed(at=START, message_id=message_id, code=int(word))


STORIES = """
    facts in the order they come  ->  counts
    sent                          ->  accepted
    delivered                     ->  accepted delivered reached
    read                          ->  accepted delivered reached read
    read delivered                ->  accepted delivered reached read
    delivered delivered           ->  accepted delivered reached
    delivered reply               ->  accepted delivered reached replied
    reply                         ->  accepted delivered reached replied
    reply delivered               ->  accepted delivered reached replied
    reply read                    ->  accepted delivered reached replied read
    131026                        ->  accepted undeliverable
    131049                        ->  accepted limited
    131048                        ->  accepted failed
    131000                        ->  accepted failed
    130429                        ->  accepted
    130472                        ->  accepted
    131000 sent                   ->  accepted failed
    131000 delivered              ->  accepted delivered reached
    delivered 131000              ->  accepted delivered reached
    131000 reply                  ->  accepted failed
    reply 131000                  ->  accepted failed
    131000 reply read             ->  accepted delivered reached read replied
"""


@pytest.mark.parametrize(("facts", "expected"), rows(STORIES))
def test_a_send_ends_as_its_facts_say_in_whatever_order(facts: str, expected: str) -> None:
    tally = Tally(ZONE)
    tally.accepted(START, "ana", "a")
    for word in facts.split():
        tally.apply(status(word))
    assert counted(tally, START + 2 * DAY)["recent_matured"] == Counts(**dict.fromkeys(expected.split(), 1))


def test_a_person_is_reached_once_in_seven_days() -> None:
    tally = Tally(ZONE)
    for n, after in enumerate((timedelta(0), 7 * DAY - HOUR, 8 * DAY, 15 * DAY)):
        tally.accepted(START + after, "ana", str(n))
        tally.apply(status("delivered", str(n)))
    assert counted(tally, START + 20 * DAY)["phase_matured"].delivered == 4
    assert counted(tally, START + 20 * DAY)["phase_matured"].reached == 2  # the first, and the last: 7 whole days after the third


REPLIES = """
    sent at hours  replies at hours  ->  replied
    0              71                ->  1
    0              73                ->  0
    0              1 2 3             ->  1
    0 200          201               ->  1
    0 200          1 201             ->  2
    0 1            2                 ->  0
    0 10           5                 ->  1
    5              4                 ->  0
    5              5                 ->  1
"""


@pytest.mark.parametrize(("sent", "replies", "expected"), rows(REPLIES))
def test_a_reply_is_credited_to_the_latest_send_before_it(sent: str, replies: str, expected: str) -> None:
    tally = Tally(ZONE)
    for hours in sent.split():
        tally.accepted(START + int(hours) * HOUR, "ana", hours)
        tally.apply(status("delivered", hours))
    for hours in replies.split():
        tally.apply(received(START + int(hours) * HOUR, message_id=f"in {hours}"))
    assert counted(tally, START + 20 * DAY)["phase_matured"].replied == int(expected)


def test_an_opt_out_is_counted_once_a_send_within_seven_days() -> None:
    tally = Tally(ZONE)
    tally.accepted(START, "ana", "a")
    tally.accepted(START, "bia", "b")
    for event in (opted_out(START + DAY), opted_out(START + 2 * DAY), opted_out(START + 8 * DAY, "bia"), opted_out(START, "nobody")):
        tally.apply(event)
    assert counted(tally, START + 9 * DAY)["phase_matured"].opted_out == 1


def test_windows_are_whole_hours_matured_fresh_recent_and_last() -> None:
    tally = Tally(ZONE)
    for n in range(150):
        tally.accepted(START + n * HOUR / 3, "p", str(n))  # three an hour for fifty hours
    at = START + 50 * HOUR
    seen = counted(tally, at)
    assert seen["phase_matured"].accepted == 26 * 3  # the last hour that counts ended 24 h ago
    assert seen["recent_matured"].accepted == 26 * 3
    assert seen["recent_fresh"].accepted == 34 * 3  # 100 and the rest of the hour that crosses
    assert seen["last_hours"].accepted == 3  # this hour has none yet
    assert counted(tally, at, phase_since=START + 10.5 * HOUR)["phase_matured"].accepted == 16 * 3  # its own hour included
    armed = counted(tally, at, rearmed_at=START + 10.5 * HOUR)
    assert armed["phase_matured"].accepted == 15 * 3  # nothing that began before
    assert counted(tally, at, rearmed_at=at - HOUR / 2)["recent_fresh"] == Counts()


def test_the_run_without_answers_ends_at_the_first_hour_with_one() -> None:
    tally = Tally(ZONE)
    for n in range(10):
        tally.accepted(START + n * HOUR, f"p{n}", str(n))
        tally.apply(status("delivered", str(n)))
    assert counted(tally, START + 2 * DAY)["unanswered_run"] == 10
    tally.apply(received(START + 4 * HOUR, "p3"))
    assert counted(tally, START + 2 * DAY)["unanswered_run"] == 6
    assert counted(tally, START + 24 * HOUR + 8 * HOUR)["unanswered_run"] == 4


def test_days_are_the_chips_own_and_finished_ones_count() -> None:
    tally = Tally(ZONE)
    days = [(START + n * DAY).date() for n in range(9)]
    for n, accepted in enumerate((3, 8, 0, 5, 0, 0, 4)):
        for m in range(accepted):
            tally.accepted(START + n * DAY, f"p{n} {m}", f"{n} {m}")
        tally.reachable(days[n], 0 if n == 2 else 10)
    at = START + 6 * DAY
    seen = counted(tally, at, phase_since=START + DAY - 12 * HOUR + 5 * timedelta(minutes=1))  # a little past local 21:00 of day 0
    assert (seen["sending_days_in_phase"], seen["accepted_in_phase"], seen["reachable_in_phase"]) == (2, 13, 40)
    assert (seen["best_day_7d"], seen["accepted_last_day"], seen["accepted_today"], seen["idle_days"]) == (8, 5, 4, 2)
    later = counted(tally, START + 9 * DAY)
    assert (later["best_day_7d"], later["accepted_last_day"], later["idle_days"]) == (5, 4, 0)


def test_a_phase_that_begins_at_midnight_has_its_first_day() -> None:
    tally = Tally(ZONE)
    tally.accepted(START, "ana", "a")
    midnight = START.replace(hour=3)
    assert counted(tally, START + DAY, phase_since=midnight + timedelta(minutes=1))["sending_days_in_phase"] == 1
    assert counted(tally, START + DAY, phase_since=midnight + timedelta(minutes=61))["sending_days_in_phase"] == 0


def test_signs_of_the_platform_and_conversations_are_counted_once() -> None:
    tally = Tally(ZONE)
    tally.accepted(START, "ana", "a", media=Media.IMAGE)
    spam = MessageFailed(at=START + HOUR, message_id="a", code=131048)
    restricted = AccountRestricted(at=START + HOUR, value="ACCOUNT_VIOLATION")
    call = CallReceived(at=START + HOUR, call_id="c", value="terminate", answered=True)
    for event in (spam, spam, restricted, restricted, call, call, received(START + HOUR, message_type="audio"), received(START + HOUR)):
        tally.apply(event)
    seen = counted(tally, START + DAY)
    assert (seen["spam_errors_7d"], seen["platform_warnings_7d"], seen["calls_answered_7d"]) == (1, 1, 1)
    assert (seen["accepted_30d"], seen["received_30d"], seen["conversations_7d"]) == (1, 1, 1)
    assert seen["media_7d"] == Media.IMAGE | Media.AUDIO
    assert counted(tally, START + DAY, rearmed_at=START + 2 * HOUR)["spam_errors_rearmed"] == 0
    assert counted(tally, START + DAY, rearmed_at=START + HOUR)["spam_errors_rearmed"] == 1
    old = counted(tally, START + 8 * DAY)
    assert (old["conversations_7d"], old["media_7d"], old["spam_errors_7d"], old["accepted_30d"]) == (0, Media.NONE, 0, 1)


TALKS = """
    sent at hours  messages at hours  at day  ->  conversations
    0              1 2 50             3       ->  1
    -              1                  3       ->  0
    0              1 170              8       ->  1
    0              1 100              8       ->  0
    0              1                  6       ->  1
"""


@pytest.mark.parametrize(("sent", "messages", "day", "expected"), rows(TALKS))
def test_a_conversation_is_counted_once_in_seven_days_when_a_person_answers(sent: str, messages: str, day: str, expected: str) -> None:
    tally = Tally(ZONE)
    if sent != "-":
        tally.accepted(START, "ana", "a")
    for hours in messages.split():
        tally.apply(received(START + int(hours) * HOUR, message_id=f"in {hours}"))
    assert counted(tally, START + int(day) * DAY)["conversations_7d"] == int(expected)


def test_nothing_older_than_thirty_days_is_looked_at() -> None:
    tally = Tally(ZONE)
    tally.accepted(START, "ana", "a")
    tally.apply(status("delivered"))
    tally.reachable(START.date() + DAY, 5)
    seen = counted(tally, START + 30 * DAY)
    assert (seen["phase_matured"].reached, seen["unanswered_run"], seen["sending_days_in_phase"], seen["idle_days"]) == (1, 1, 1, 1)
    seen = counted(tally, START + 32 * DAY)
    assert (seen["phase_matured"].reached, seen["unanswered_run"], seen["sending_days_in_phase"], seen["idle_days"]) == (0, 0, 0, 0)


def test_of_two_failures_of_one_send_the_earlier_counts() -> None:
    early = MessageFailed(at=START, message_id="a", code=131026)
    late = MessageFailed(at=START + HOUR, message_id="a", code=131049)
    for order in ((early, late), (late, early)):
        tally = Tally(ZONE)
        tally.accepted(START, "ana", "a")
        for event in order:
            tally.apply(event)
        assert counted(tally, START + 2 * DAY)["phase_matured"] == Counts(accepted=1, undeliverable=1)


def test_what_is_unknown_is_in_no_rate() -> None:
    tally = Tally(ZONE)
    tally.unknown(START)
    assert counted(tally, START + 2 * DAY)["phase_matured"] == Counts(unknown=1)
    tally.unknown(START, settled=True)
    assert counted(tally, START + 2 * DAY)["phase_matured"] == Counts()


@dataclass(frozen=True)
class Sent:
    """A send of the recount."""

    at: datetime
    person: str
    message_id: str
    held: bool


def recount(sends: list[Sent], facts: Iterable[Event], first: datetime, last: datetime) -> Counts:
    """The cohort of [first, last) counted plainly from the definitions, send by send."""
    facts = list(facts)
    total = dict.fromkeys(Counts.__slots__, 0)
    for n, send in enumerate(sends):
        if not first <= send.at < last:
            continue
        words = [type(fact) for fact in facts if getattr(fact, "message_id", None) == send.message_id]
        codes = [fact.code for fact in facts if isinstance(fact, MessageFailed) and fact.message_id == send.message_id]
        earlier = [other for other in sends[:n] if other.person == send.person and send.at - other.at < 7 * DAY]
        mine = [fact for fact in facts if getattr(fact, "phone", None) == send.person and _latest(sends, fact) is send]
        replied = any(isinstance(fact, MessageReceived) and fact.at - send.at <= 72 * HOUR for fact in mine)
        is_read, is_delivered = MessageRead in words, MessageDelivered in words
        arrived = is_read or is_delivered or (replied and not codes)
        total["accepted"] += 1
        total["held"] += send.held
        total["read"] += is_read
        total["delivered"] += arrived
        total["reached"] += arrived and not earlier
        total["replied"] += arrived and not earlier and replied
        total["opted_out"] += any(isinstance(fact, OptOutRequested) and fact.at - send.at <= 7 * DAY for fact in mine)
        if codes and not arrived and (name := failure_of(codes[0])):
            total[name] += 1
    return Counts(**total)


def _latest(sends: list[Sent], fact: Any) -> Sent | None:
    before = [send for send in sends if send.person == fact.phone and send.at < fact.at + timedelta(seconds=1)]
    return before[-1] if before else None


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Sent], list[Event]]:
    """Sends to a few people over two weeks, and what came of each: one code a send, as the platform does."""
    sends: list[Sent] = []
    facts: list[Event] = []
    at = START
    for n in range(draw(st.integers(1, 14))):
        at += draw(st.integers(0, 40)) * HOUR
        send = Sent(at, draw(st.sampled_from("abc")), f"m{n}", draw(st.booleans()))
        sends.append(send)
        code = draw(st.sampled_from([131026, 131049, 131048, 131000, 130472]))
        words = draw(st.lists(st.sampled_from(["sent", "delivered", "read", str(code)]), max_size=3))
        facts.extend(status(word, send.message_id) for word in words)
    for n in range(draw(st.integers(0, 10))):
        moment, person = START + draw(st.integers(0, 500)) * HOUR, draw(st.sampled_from("abc"))
        facts.append(received(moment, person, f"in {n}") if draw(st.booleans()) else opted_out(moment, person))
    return sends, facts


@given(histories(), st.integers(0, 30), st.randoms(use_true_random=False))
@settings(max_examples=250, deadline=None)
def test_any_order_and_repetition_of_facts_gives_what_a_plain_recount_gives(
    history: tuple[list[Sent], list[Event]], days: int, shuffled: random.Random
) -> None:
    sends, facts = history
    tally = Tally(ZONE)
    for send in sends:
        tally.accepted(send.at, send.person, send.message_id, held=send.held)
    often = facts + shuffled.sample(facts, len(facts) // 2)
    shuffled.shuffle(often)
    for fact in often:
        tally.apply(fact)
    at = START + days * DAY
    seen = counted(tally, at)
    assert seen["phase_matured"] == recount(sends, facts, START - DAY, at - 24 * HOUR)
    assert seen["last_hours"] == recount(sends, facts, at - HOUR, at + HOUR)
    assert seen["accepted_today"] == sum((send.at - 3 * HOUR).date() == (at - 3 * HOUR).date() for send in sends)
