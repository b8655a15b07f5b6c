"""The score, term by term."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.core.health import score
from julia_warmer.core.model import Checklist, Counts, Media, Quality, Snapshot
from tests.core.some import AT, DONE, GOOD, STANDARD, chip, rows

BAD_LIST = replace(GOOD, opted_out=9)
FACTS: dict[str, dict[str, Any]] = {
    "born today": {"registered_at": AT},
    "5 days old": {"registered_at": AT - timedelta(days=5)},
    "99 days old": {"registered_at": AT - timedelta(days=99)},
    "9 sent": {"accepted_30d": 9},
    "45 sent": {"accepted_30d": 45},
    "900 sent": {"accepted_30d": 900},
    "received 31": {"received_30d": 31},
    "3 conversations": {"conversations_7d": 3},
    "9 conversations": {"conversations_7d": 9},
    "text and audio": {"media_7d": Media.TEXT | Media.AUDIO},
    "five kinds": {"media_7d": Media(31)},
    "2 green": {"templates_green": 2},
    "5 green": {"templates_green": 5},
    "no profile": {"checklist": replace(DONE, profile_filled=False)},
    "nothing done": {"checklist": Checklist()},
    "call": {"calls_answered_7d": 3},
    "answers well": {"recent_matured": GOOD},
    "19 of 19": {"recent_matured": Counts(accepted=19, reached=19, replied=19)},
    "25 of 100": {"recent_matured": replace(GOOD, reached=100, replied=25)},
    "13 of 100": {"recent_matured": replace(GOOD, reached=100, replied=13)},
    "4 of 100": {"recent_matured": replace(GOOD, reached=100, replied=4)},
    "spam twice": {"spam_errors_7d": 2},
    "warned": {"platform_warnings_7d": 1},
    "2 idle days": {"idle_days": 2},
    "9 idle days": {"idle_days": 9},
    "GREEN": {"quality": Quality.GREEN},
    "UNKNOWN": {"quality": Quality.UNKNOWN},
    "YELLOW": {"quality": Quality.YELLOW},
    "RED": {"quality": Quality.RED},
    "1 opt-out": {"recent_fresh": replace(GOOD, opted_out=1)},
    "5 opt-outs": {"recent_fresh": replace(GOOD, opted_out=5)},
    "9 opt-outs": {"recent_fresh": BAD_LIST},
    "12 bad numbers": {"recent_fresh": replace(GOOD, undeliverable=12)},
    "few reads": {"recent_matured": replace(GOOD, read=20)},
    "template paused": {"templates_paused": 1},
}
TERMS = """
    fact             ->  term             points  sentence
    born today       ->  age              0       registered 0 days ago
    5 days old       ->  age              10      registered 5 days ago
    99 days old      ->  age              14      registered 99 days ago
    9 sent           ->  sent             0       9 messages sent in 30 days
    45 sent          ->  sent             4       45 messages sent in 30 days
    900 sent         ->  sent             10      900 messages sent in 30 days
    received 31      ->  received         3       31 messages received in 30 days
    3 conversations  ->  conversations    9       3 people wrote and were written to in 7 days
    9 conversations  ->  conversations    12      9 people wrote and were written to in 7 days
    text and audio   ->  media            4       2 kinds of media in 7 days
    five kinds       ->  media            8       5 kinds of media in 7 days
    2 green          ->  templates        6       templates in use rated GREEN: 2
    5 green          ->  templates        9       templates in use rated GREEN: 5
    no profile       ->  profile          4       profile lacks: profile filled
    nothing done     ->  profile          0       profile lacks: display name approved, profile filled, two-step PIN set
    call             ->  calls            5       a call was answered in 7 days
    answers well     ->  response         5       35 of 97 people replied (36.1 %): above 30 %
    19 of 19         ->  response         0       not enough evidence of replies: 19 of 20 people
    25 of 100        ->  response         0       25 of 100 people replied (25 %)
    13 of 100        ->  response         -5      13 of 100 people replied (13 %): below 20 %
    4 of 100         ->  response         -10     4 of 100 people replied (4 %): below 15 %
    spam twice       ->  spam             -30     spam errors (131048) in 7 days: 2
    warned           ->  warnings         -8      warnings of the platform in 7 days: 1
    2 idle days      ->  idle             -6      idle for 2 days with people to write to
    9 idle days      ->  idle             -12     idle for 9 days with people to write to
    GREEN            ->  quality          0       platform quality GREEN
    UNKNOWN          ->  quality          0       platform quality UNKNOWN
    YELLOW           ->  quality          -15     platform quality YELLOW
    RED              ->  quality          -40     platform quality RED
    1 opt-out        ->  opt_outs         0       opt-outs 1 of 97
    5 opt-outs       ->  opt_outs         -5      opt-outs 5 of 97: above 2 %
    9 opt-outs       ->  opt_outs         -10     opt-outs 9 of 97: above 4 %
    12 bad numbers   ->  undeliverable    -5      undeliverable 12 of 100: above 4 %
    few reads        ->  reads            -5      20 of 97 messages read: below 35 %
    template paused  ->  paused_templates  -5     templates in use that are paused: 1
"""


@pytest.mark.parametrize(("fact", "term", "points", "sentence"), rows(TERMS))
def test_each_fact_is_worth_its_points_and_says_so(fact: str, term: str, points: str, sentence: str) -> None:
    found = {seen.name: seen for seen in score(chip(**FACTS[fact]), STANDARD).terms}[term]
    assert (found.points, found.sentence) == (float(points), sentence)


def test_the_score_is_40_and_its_terms_within_0_and_100() -> None:
    health = score(chip(registered_at=AT - timedelta(days=2), conversations_7d=1, received_30d=0), STANDARD)
    assert health.score == 40 + sum(term.points for term in health.terms)
    assert score(chip(), STANDARD).score == 100
    assert score(chip(spam_errors_7d=9), STANDARD).score == 0


def test_a_new_number_that_sent_nothing_is_not_punished_for_silence() -> None:
    """The sprint's formula took ten points for a reply rate of 0 % from a chip that had sent nothing."""
    new = Snapshot(at=AT, chip_id=1, chip="new", zone="UTC", registered_at=AT, state=chip().state, checklist=DONE)
    health = score(new, STANDARD)
    assert health.score == 46
    assert all(term.points >= 0 for term in health.terms)


def test_terms_of_rare_facts_are_left_out_and_the_others_are_always_there() -> None:
    asked = {"age", "sent", "received", "conversations", "media", "templates", "profile", "response", "quality"}
    names = [term.name for term in score(chip(recent_fresh=Counts(), recent_matured=Counts()), STANDARD).terms]
    assert set(names) == asked
    assert len(names) == len(asked)
