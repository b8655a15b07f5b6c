"""A second policy beside the first: the same one never parts from itself, another has a state of its own and says what it cannot know."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest

from julia_warmer import policies
from julia_warmer.core.beside import Beside, Course, carried
from julia_warmer.core.days import local_day
from julia_warmer.core.model import ChipState, ChipStatus, Pause, Phase, Snapshot
from julia_warmer.core.policy import Policy
from tests.core.life import Life, People
from tests.core.some import AT, STANDARD

CAUTIOUS = policies.load("cautious")


@dataclass
class Recorded(Life):
    """A life that keeps its snapshots, as the decisions table does."""

    snapshots: list[Snapshot] = field(default_factory=list)

    def snapshot(self, at: datetime) -> Snapshot:
        self.snapshots.append(super().snapshot(at))
        return self.snapshots[-1]

    def sent(self) -> dict[date, int]:
        """By local day, as far as a snapshot tells."""
        days: Counter[date] = Counter()
        for snapshot in self.snapshots:
            today = local_day(snapshot.at, snapshot.zone)
            days[today] = max(days[today], snapshot.accepted_today)
            yesterday = today - timedelta(days=1)
            days[yesterday] = max(days[yesterday], snapshot.accepted_last_day)
        return dict(days)


@pytest.fixture(scope="module")
def life() -> Recorded:
    lived = Recorded(STANDARD, People(reply=0.35), seed="beside")
    lived.run(32)
    return lived


def follow(life: Recorded, policy: Policy) -> Course:
    course = Course("chip")
    for snapshot, decision in zip(life.snapshots, life.decisions, strict=True):
        course.add(snapshot, decision, policy, sent=life.sent())
    return course


def test_a_policy_beside_itself_never_parts(life: Recorded) -> None:
    course = follow(life, STANDARD)
    assert (course.differ, course.partings, course.leaves_at) == (0, [], None)
    assert course.decisions == len(life.decisions) > 100
    assert course.held_back(life.sent()) == course.granted_more(life.sent()) == 0


def test_a_more_careful_policy_holds_messages_back_and_its_own_phase_goes_on(life: Recorded) -> None:
    course = follow(life, CAUTIOUS)
    assert course.held_back(life.sent()) > 50
    assert course.partings
    assert course.last is not None
    assert course.window_since is not None
    assert all(one.budget_then != one.budget_now or one.phase_then != one.phase_now for one in course.partings)


def test_from_where_a_policy_would_have_sent_more_than_was_sent_nothing_is_observed() -> None:
    lived = Recorded(CAUTIOUS, People(reply=0.4), seed="bold")
    lived.run(25)
    course = follow(lived, STANDARD)
    assert course.leaves_at is not None
    assert course.granted_more(lived.sent()) > 0
    assert [one.observed for one in course.partings] == [one.at < course.leaves_at for one in course.partings]
    assert course.held_back_observed(lived.sent(), zone=lived.zone) <= course.held_back(lived.sent())


WARMING = ChipState(status=ChipStatus.WARMING, phase=Phase.EXPANSION, phase_since=AT)
PAUSED = replace(WARMING, status=ChipStatus.PAUSED, paused_from=ChipStatus.WARMING, pauses=(Pause(reason="spam", since=AT, hard=True),))
SLOWER = replace(WARMING, phase=Phase.FIRST_CONTACTS)

CASES = [
    # its own | as decided | as it stands | carried on
    pytest.param(SLOWER, WARMING, WARMING, SLOWER, id="nobody acted: its own state goes on"),
    pytest.param(SLOWER, WARMING, PAUSED, PAUSED, id="the platform paused the chip: it is paused here too"),
    pytest.param(SLOWER, PAUSED, WARMING, SLOWER, id="a person ended a pause that it never began: no act on its chip"),
    pytest.param(PAUSED, PAUSED, WARMING, WARMING, id="a person ended a pause that both have"),
]


@pytest.mark.parametrize(("own", "lived", "now", "then"), CASES)
def test_what_a_person_or_the_platform_did_is_taken_over(own: ChipState, lived: ChipState, now: ChipState, then: ChipState) -> None:
    assert carried(Beside(own, lived), now) is then
