"""The auditor finds what it should find: one ledger that breaks each rule, and one beside it that does not."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.sandbox.auditor import RULES, Audit, Decided, Limits, audit, read_decisions
from julia_warmer.sandbox.spec import ChipSpec, PersonSpec, PortfolioSpec, WorldSpec

MONDAY = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)  # ten in the morning in São Paulo
ANA, BIA = "5511987650001", "5511987650002"
ALWAYS = (
    Decided(MONDAY - timedelta(days=30), "c1", date(2026, 2, 1), 1000),
    Decided(MONDAY - timedelta(days=30), "c2", date(2026, 2, 1), 1000),
)


def people(count: int) -> tuple[PersonSpec, ...]:
    return tuple(PersonSpec(phone=f"551198765{i:04d}", consented_at="2026-01-01T12:00:00+00:00") for i in range(count))


def spec_of(*, limit: int = 2000, persons: Iterable[PersonSpec] | None = None) -> WorldSpec:
    return WorldSpec(
        seed=1,
        at=MONDAY,
        portfolios=(PortfolioSpec(id="p", limit=limit),),
        chips=(
            ChipSpec(id="c1", account="a", display_phone="5511955000001", name="chip-01"),
            ChipSpec(id="c2", account="a", display_phone="5511955000002", name="chip-02"),
        ),
        people=tuple(persons) if persons is not None else people(50),
    )


class Book:
    """Writes a ledger."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, kind: str, at: datetime, **more: Any) -> int:
        self.rows.append({"seq": len(self.rows) + 1, "kind": kind, "at": at.isoformat(), **more})
        return len(self.rows)

    def send(self, person: str = ANA, at: datetime = MONDAY, **more: Any) -> int:
        seq = len(self.rows) + 1
        row = {
            "chip": "c1",
            "account": "a",
            "portfolio": "p",
            "to": person,
            "person": person,
            "type": "template",
            "template": "t",
            "category": "marketing",
            "ours": f"send-{seq}",
            "message_id": f"wamid.{seq}",
            "held": False,
            "in_window": False,
            "body": f"sha-{seq}",
            "began": seq - 1,
        }
        return self.add("accepted", at, **{**row, **more})

    def stop(self, person: str = ANA, at: datetime = MONDAY, *, how: str = "word") -> int:
        return self.add("asked_to_stop", at, chip="c1", portfolio="p", person=person, how=how)

    def heard(self, stop: int, at: datetime = MONDAY) -> int:
        return self.add("stop_heard", at, stop=stop)

    def judged(self, spec: WorldSpec | None = None, decisions: Iterable[Decided] = ALWAYS, limits: Limits | None = None) -> Audit:
        return audit(spec or spec_of(), self.rows, decisions, limits)

    def found(self, *args: Any, **kwargs: Any) -> dict[str, int]:
        """The rules that were broken, and how often."""
        counts = self.judged(*args, **kwargs).counts()
        return {rule: counts[rule] for rule in RULES if counts[rule]}


def test_a_clean_ledger_has_no_violation():
    book = Book()
    for i, person in enumerate(people(50)):
        book.send(person.phone, MONDAY + timedelta(minutes=i))
    assert book.judged().counts() == {"accepted": 50, **dict.fromkeys(RULES, 0)}


def test_a_violation_names_the_rows_that_broke_the_rule():
    book = Book()
    first = book.send(ours="x")
    second = book.send(ours="x", body="another", at=MONDAY + timedelta(days=8))
    [violation] = book.judged().violations
    assert (violation.rule, violation.lines) == ("duplicates", (first, second))
    assert ANA in violation.sentence


# --- one ledger per rule -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "broken"),
    [
        ({"ours": "x", "days": 8}, True),  # our id a second time, whenever it is
        ({"ours": "y", "body": "same", "days": 6}, True),  # the same text within seven days
        ({"ours": "y", "body": "same", "days": 8}, False),
        ({"ours": "y", "body": "same", "days": 6, "person": BIA}, False),
        ({"ours": "x", "days": 8, "person": BIA}, False),
        ({"ours": "y", "body": "same", "days": 6, "failed": True}, False),  # the first reached nobody
        ({"ours": "y", "body": "same", "days": 1, "in_window": True, "type": "text", "category": "service"}, False),
    ],
)
def test_duplicates(second: dict[str, Any], broken: bool):
    book, second = Book(), dict(second)
    first = book.send(ours="x", body="same")
    at = MONDAY + timedelta(days=second.pop("days"))
    if second.pop("failed", False):
        book.add("failed", MONDAY + timedelta(minutes=1), message_id=f"wamid.{first}", code=131049)
    book.send(at=at, **second)
    assert bool(book.found(limits=Limits(person_7d_max=9)).get("duplicates")) == broken


@pytest.mark.parametrize(
    ("person", "changes", "broken"),
    [
        (PersonSpec(phone=ANA), {}, True),  # never agreed
        (PersonSpec(phone=BIA, consented_at="2026-01-01T00:00:00+00:00"), {}, True),  # somebody else did
        (PersonSpec(phone=ANA, consented_at="2026-03-02T13:00:01+00:00"), {}, True),  # a second too late
        (PersonSpec(phone=ANA, consented_at="2026-03-02T13:00:00+00:00"), {}, False),
        (PersonSpec(phone=ANA, consented_at="2026-01-01T00:00:00+00:00"), {"category": "utility"}, True),  # to marketing only
        (PersonSpec(phone=ANA, consented_at="2026-01-01T00:00:00+00:00", purposes=("utility",)), {"category": "utility"}, False),
        (PersonSpec(phone=ANA), {"in_window": True, "type": "text", "category": "service"}, False),  # an answer needs none
        (PersonSpec(phone=ANA), {"in_window": True}, True),  # a marketing template does, even inside the window
    ],
)
def test_without_consent(person: PersonSpec, changes: dict[str, Any], broken: bool):
    book = Book()
    book.send(**changes)
    assert bool(book.found(spec_of(persons=[person])).get("without_consent")) == broken


@pytest.mark.parametrize(
    ("how", "changes", "broken"),
    [
        ("word", {}, True),
        ("button", {"chip": "c2", "category": "utility"}, True),
        ("word", {"person": BIA}, False),
        ("word", {"in_window": True, "type": "text", "category": "service"}, False),
        ("switch", {}, True),
        ("switch", {"category": "utility"}, False),
        ("switch", {"portfolio": "another"}, False),
    ],
)
def test_after_opt_out(how: str, changes: dict[str, Any], broken: bool):
    book = Book()
    book.heard(book.stop(how=how))
    book.send(**changes)
    persons = [PersonSpec(phone=p.phone, consented_at=p.consented_at, purposes=("marketing", "utility")) for p in people(50)]
    assert bool(book.found(spec_of(persons=[*persons, *people(50)])).get("after_opt_out")) == broken


def test_a_request_that_began_before_the_200_was_on_the_wire():
    book = Book()
    stop = book.stop()
    book.send(BIA)
    book.heard(stop)
    book.send(began=stop)  # it began after the person spoke, but before their webhook was answered
    assert not book.found()
    book.send(ours="late", body="late", at=MONDAY + timedelta(days=8))
    assert book.found() == {"after_opt_out": 1}


def test_one_answer_may_confirm_a_stop_and_a_second_is_one_too_many():
    book = Book()
    book.heard(book.stop())
    book.send(in_window=True, type="text", category="service", ours="confirmation", body="confirmed")
    assert not book.found()
    book.send(in_window=True, type="text", category="service", ours="more", body="more")
    assert book.found() == {"after_opt_out": 1}


def test_a_stop_that_was_never_heard_is_not_held_against_us():
    book = Book()
    book.stop()
    book.send()
    assert not book.found()


@pytest.mark.parametrize(
    ("person", "at", "broken"),
    [
        (ANA, "2026-03-02T11:59:59+00:00", True),  # 8:59 in São Paulo
        (ANA, "2026-03-02T12:00:00+00:00", False),
        (ANA, "2026-03-02T22:59:59+00:00", False),
        (ANA, "2026-03-02T23:00:00+00:00", True),  # 20:00
        ("5592987650001", "2026-03-02T12:30:00+00:00", True),  # 8:30 in Manaus
        ("5592987650001", "2026-03-02T23:30:00+00:00", False),
        ("5568987650001", "2026-03-02T13:30:00+00:00", True),  # 8:30 in Rio Branco
        (ANA, "2026-03-07T12:30:00+00:00", True),  # Saturday, 9:30
        (ANA, "2026-03-07T13:00:00+00:00", False),
        (ANA, "2026-03-07T19:00:00+00:00", True),  # Saturday, 16:00
        (ANA, "2026-03-08T15:00:00+00:00", True),  # Sunday
        (ANA, "2026-04-03T15:00:00+00:00", True),  # Good Friday
        (ANA, "2026-04-21T15:00:00+00:00", True),  # Tiradentes
        (ANA, "2026-04-22T15:00:00+00:00", False),
    ],
)
def test_outside_hours(person: str, at: str, broken: bool):
    book = Book()
    book.send(person, datetime.fromisoformat(at))
    spec = spec_of(persons=[PersonSpec(phone=person, consented_at="2026-01-01T00:00:00+00:00")])
    assert bool(book.found(spec).get("outside_hours")) == broken
    inside = Book()
    inside.send(person, datetime.fromisoformat(at), in_window=True, type="text", category="service")
    assert not inside.found(spec)


def test_over_chip_cap():
    book, names = Book(), people(50)
    decisions = [Decided(MONDAY - timedelta(hours=1), "chip-01", MONDAY.date(), 10)]  # by name or by id
    for i in range(12):
        book.send(names[i].phone, MONDAY + timedelta(minutes=i))
    assert book.found(decisions=decisions) == {"over_chip_cap": 2}
    assert book.found(decisions=[]) == {"over_chip_cap": 12}


def test_the_decision_in_force_counts_and_not_a_later_one():
    book, names = Book(), people(50)
    decisions = [
        Decided(MONDAY - timedelta(hours=1), "c1", MONDAY.date(), 10),
        Decided(MONDAY + timedelta(minutes=5, seconds=30), "c1", MONDAY.date(), 6),  # slowed after six
        Decided(MONDAY + timedelta(minutes=20), "c1", MONDAY.date(), 8),
    ]
    for i in range(6):
        book.send(names[i].phone, MONDAY + timedelta(minutes=i))
    assert not book.found(decisions=decisions)
    book.send(names[6].phone, MONDAY + timedelta(minutes=10))
    assert book.found(decisions=decisions) == {"over_chip_cap": 1}
    book.send(names[7].phone, MONDAY + timedelta(minutes=21))
    assert book.found(decisions=decisions) == {"over_chip_cap": 1}


def test_the_chips_day_ends_at_its_own_midnight():
    book, names = Book(), people(50)
    book.send(names[0].phone, datetime(2026, 3, 3, 2, 59, tzinfo=UTC))
    book.send(names[1].phone, datetime(2026, 3, 3, 3, 0, tzinfo=UTC))
    decisions = [Decided(MONDAY, "c1", MONDAY.date(), 1)]
    assert "over_chip_cap" not in book.found(decisions=decisions)


def test_answers_inside_the_window_are_in_no_cap():
    book = Book()
    for i in range(5):
        book.send(at=MONDAY + timedelta(minutes=i), in_window=True, type="text", category="service")
    assert not book.found(decisions=[])


def test_over_portfolio_limit_counts_unique_people_over_all_chips():
    book, names = Book(), people(50)
    for i in range(10):
        book.send(names[i].phone, MONDAY + timedelta(minutes=i), chip=f"c{1 + i % 2}")
        book.send(names[i].phone, MONDAY + timedelta(minutes=i), category="utility", type="template")
    spec = spec_of(
        limit=9, persons=[PersonSpec(phone=p.phone, consented_at=p.consented_at, purposes=("marketing", "utility")) for p in names]
    )
    assert book.found(spec) == {"over_portfolio_limit": 2}  # both messages to the tenth
    assert not book.found(spec_of(limit=10, persons=spec.people))
    assert not book.found(spec_of(limit=-1, persons=spec.people))


@pytest.mark.parametrize(
    ("outcome", "hours", "second_at_h", "broken"),
    [
        (None, 0, 23, True),
        (None, 0, 24, False),
        ("delivered", 2, 25, True),  # 24 h from delivery, not from acceptance
        ("delivered", 2, 26, False),
        ("failed", 1, 2, False),
        ("delivered", 30, 29, False),  # very late: it did not count in between …
        ("delivered", 30, 31, True),  # … and counts again
    ],
)
def test_a_place_in_the_portfolio_is_held_until_a_day_after_delivery(outcome: str | None, hours: int, second_at_h: int, broken: bool):
    book = Book()
    first = book.send(ANA)
    if outcome:
        book.add(outcome, MONDAY + timedelta(hours=hours), message_id=f"wamid.{first}", code=131026)
    book.send(BIA, MONDAY + timedelta(hours=second_at_h))
    assert bool(book.judged(spec_of(limit=1)).counts()["over_portfolio_limit"]) == broken


def test_a_limit_that_grew_counts_from_then_on():
    book, names = Book(), people(50)
    for i in range(4):
        book.send(names[i].phone, MONDAY + timedelta(minutes=i))
        if i == 2:
            book.add("limit", MONDAY + timedelta(minutes=2, seconds=30), portfolio="p", limit=10)
    assert book.found(spec_of(limit=2)) == {"over_portfolio_limit": 1}


@pytest.mark.parametrize(
    ("days", "broken"),
    [
        ([0, 6], 1),
        ([0, 7], 0),
        ([0, 7, 14, 21], 0),
        ([0, 7, 14, 21, 28], 1),  # the fifth in thirty days
        ([0, 7, 14, 21, 30], 0),
    ],
)
def test_over_person_cap(days: list[int], broken: int):
    book = Book()
    for i, day in enumerate(days):
        book.send(at=MONDAY + timedelta(days=day), chip=f"c{1 + i % 2}")
    assert book.judged().counts()["over_person_cap"] == broken


def test_what_failed_or_is_not_marketing_is_in_no_persons_cap():
    book = Book()
    first = book.send()
    book.add("failed", MONDAY + timedelta(minutes=1), message_id=f"wamid.{first}", code=131049)
    book.send(at=MONDAY + timedelta(days=1))
    book.send(at=MONDAY + timedelta(days=2), category="utility")
    assert book.judged().counts()["over_person_cap"] == 0


def test_decisions_are_read_from_json():
    row = {"at": "2026-03-02T13:00:00+00:00", "chip": "chip-01", "day": "2026-03-02", "budget_day_max": 10}
    assert read_decisions([row]) == [Decided(MONDAY, "chip-01", date(2026, 3, 2), 10)]


# --- laws --------------------------------------------------------------------------------------------------------------------

sends = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 60), st.sampled_from([None, ("delivered", 1), ("delivered", 40), ("failed", 2)])),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(sends, st.integers(1, 4))
def test_the_portfolios_sweep_agrees_with_counting_at_each_moment(plan: list[tuple[int, int, Any]], limit: int):
    """The sweep against the definition: at each acceptance, the people who have an open use."""
    book, names = Book(), people(50)
    uses: list[tuple[str, datetime, datetime]] = []
    over = 0
    for who, hours, outcome in sorted(plan, key=lambda row: row[1]):
        at = MONDAY + timedelta(hours=hours)
        seq = book.send(names[who].phone, at)
        until = at + timedelta(hours=24)
        if outcome:
            kind, after = outcome
            moment = at + timedelta(hours=after)
            book.add(kind, moment, message_id=f"wamid.{seq}", code=131026)
            if kind == "failed":
                until = moment
            elif after <= 24:
                until = moment + timedelta(hours=24)
            else:
                uses.append((names[who].phone, moment, moment + timedelta(hours=24)))
        uses.append((names[who].phone, at, until))
        over += len({person for person, start, end in uses if start <= at < end}) > limit
    assert book.judged(spec_of(limit=limit)).counts()["over_portfolio_limit"] == over


@settings(max_examples=100, deadline=None)
@given(sends)
def test_taking_messages_away_never_adds_a_violation(plan: list[tuple[int, int, Any]]):
    def judged(rows: list[tuple[int, int, Any]]) -> int:
        book, names = Book(), people(50)
        for who, hours, _ in sorted(rows, key=lambda row: row[1]):
            book.send(names[who].phone, MONDAY + timedelta(hours=hours))
        return len(book.judged(spec_of(limit=3)).violations)

    assert judged(plan[:-1]) <= judged(plan)
