"""The demo's world: its lists, its people, their consent; and the document says what the code takes."""

import csv
import io
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import correlation, fmean

import pytest

from julia_warmer.core.phone import key_of, zone_of
from julia_warmer.engine.columns import COLUMNS
from julia_warmer.engine.contacts_csv import Proof, read_contacts
from julia_warmer.sandbox import app, control, faults
from julia_warmer.sandbox.scenario import contact_rows, demo_world
from julia_warmer.sandbox.spec import AccountSpec, ChipSpec, PersonSpec, PortfolioSpec, TemplateSpec, WorldSpec
from julia_warmer.sim.constants import standard

SPEC = demo_world(12, 6000, 7)
DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"


def test_of_twelve_chips_eight_are_good_two_tired_one_poor_one_gets_a_bad_template():
    assert Counter(chip.list for chip in SPEC.chips) == {"good": 8, "tired": 2, "poor": 1, "bad_template": 1}


@pytest.mark.parametrize("chip", SPEC.chips, ids=lambda chip: f"{chip.name}-{chip.list}")
def test_each_chips_people_have_the_rate_that_the_truth_names(chip: ChipSpec):
    rates = standard().lists["good" if chip.list == "bad_template" else chip.list]
    assert rates.reply_low <= chip.reply_rate <= rates.reply_high
    interests = [person.interest for person in SPEC.people if person.chip == chip.id]
    assert len(interests) == 500
    assert fmean(interests) == pytest.approx(chip.reply_rate, abs=0.025)


def test_who_is_keen_opted_in_later_but_the_date_does_not_tell_it_all():
    people = [person for person in SPEC.people if person.chip == SPEC.chips[0].id]
    days = [datetime.fromisoformat(person.consented_at).toordinal() for person in people]
    assert 0.2 < correlation([person.interest for person in people], days) < 0.6


def test_twenty_chips_at_most_share_a_portfolio():
    spec = demo_world(60, 600, 7)
    assert len(spec.portfolios) == len(spec.accounts) == 3
    assert set(Counter(chip.account for chip in spec.chips).values()) == {20}
    assert all(portfolio.limit == 2000 for portfolio in spec.portfolios)
    assert len(demo_world(2, 10, 7, limit=250, verified=False).portfolios) == 1


def test_people_are_distinct_invented_and_from_all_zones_of_brazil():
    assert len({key_of(person.phone) for person in SPEC.people}) == 6000
    assert {zone_of(f"+{person.phone}") for person in SPEC.people} >= {"America/Sao_Paulo", "America/Manaus", "America/Cuiaba"}
    assert all(re.fullmatch(r"Contato \d{4}", person.name) for person in SPEC.people)
    assert not {person.phone for person in SPEC.people} & {chip.display_phone for chip in SPEC.chips}


def test_the_same_seed_makes_the_same_world_and_another_seed_another():
    assert demo_world(12, 60, 7) == demo_world(12, 60, 7)
    assert [c.reply_rate for c in demo_world(12, 60, 8).chips] != [c.reply_rate for c in demo_world(12, 60, 7).chips]


def test_the_rows_are_a_csv_that_proves_every_consent():
    text = io.StringIO()
    rows = list(contact_rows(SPEC))
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    assert set(rows[0]) <= set(COLUMNS)
    sheet = read_contacts(text.getvalue().splitlines(keepends=True), Proof(), at=SPEC.at)
    assert (len(sheet.rows), len(sheet.bad)) == (6000, 0)
    assert all(row.grants for row in sheet.rows)
    assert {row.person.audience for row in sheet.rows} == {chip.name for chip in SPEC.chips}


# --- the document ------------------------------------------------------------------------------------------------------------


def test_the_document_names_every_path_every_field_every_fault_and_every_order():
    text = DOCUMENT.read_text("utf-8")
    paths = {route.path for route in app.control_routes()} | {route.path.split("/{node}")[-1] for route in app.graph_routes()}
    fields = {f for cls in (WorldSpec, PortfolioSpec, AccountSpec, ChipSpec, TemplateSpec, PersonSpec) for f in cls.__dataclass_fields__}
    words = paths | fields | set(faults.KINDS) | set(faults.Fault.__dataclass_fields__) | set(control.ORDERS)
    assert not sorted(word for word in words if word not in text)
