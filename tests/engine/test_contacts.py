"""The import of people: what is proof, what is a bad row, that it can be repeated, and that whoever asked us to stop stays stopped."""

import io
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.core.phone import AREA_CODES, digits_of, key_of, read_mobile, zone_of
from julia_warmer.engine.contacts import ImportReport, import_contacts
from julia_warmer.engine.contacts_csv import Proof, read_contacts, read_phone
from julia_warmer.engine.errors import Wrong
from julia_warmer.store.contacts import Consent, list_consents
from julia_warmer.store.db import transaction
from julia_warmer.store.seal import Seal
from tests.conftest import Database

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEAL = Seal(bytes(32))
PROOF = {"source": "form", "purpose": "marketing", "text_version": "v3", "evidence": {"form": "https://example.com/f"}}


async def run(db: Database, text: str, *, at: datetime = AT, **given: Any) -> ImportReport:
    async with transaction(db.pool) as conn:
        return await import_contacts(conn, io.StringIO(text), at=at, by="ana", seal=SEAL, **{**PROOF, **given})


async def one(db: Database, phone: str) -> asyncpg.Record:
    return await db.pool.fetchrow("select * from contacts where phone_key = $1", key_of(phone))


async def ledger(db: Database, contact_id: int) -> list[Consent]:
    async with db.pool.acquire() as conn:
        return await list_consents(conn, contact_id, seal=SEAL, limit=10)


def counts(report: ImportReport) -> dict[str, int]:
    names = ("imported", "updated", "unchanged", "repeated", "suppressed", "no_consent")
    found = {name: getattr(report, name) for name in names if getattr(report, name)}
    return {**found, **({"bad": report.bad} if report.bad else {})}


async def test_a_person_with_proof_may_be_written_to(db: Database):
    report = await run(db, "phone,name,audience,consent_at\n(31) 98765-4321,Ana,doctors,2026-05-01 09:00\n")
    person = await one(db, "553187654321")
    assert counts(report) == {"imported": 1}
    assert (person["phone"], person["name"], person["audience"], person["zone"]) == (
        "+5531987654321",
        "Ana",
        "doctors",
        "America/Sao_Paulo",
    )
    assert (person["may_marketing"], person["may_utility"]) == (True, False)
    assert person["opted_in_at"] == datetime(2026, 5, 1, 12, tzinfo=UTC)  # nine in the morning where she lives
    row = (await ledger(db, person["id"]))[0]
    assert (row.source, row.text_version, row.evidence, row.recorded_by) == ("form", "v3", PROOF["evidence"], "ana")
    assert b"example.com" not in await db.pool.fetchval("select private from consents")
    assert await db.pool.fetchval("select what from audit_log") == "contacts imported"


@pytest.mark.parametrize(
    ("given", "cells"),
    [
        ({"source": None}, "2026-05-01"),
        ({"purpose": None}, "2026-05-01"),
        ({"text_version": None}, "2026-05-01"),
        ({"evidence": {}}, "2026-05-01"),
        ({}, ""),
    ],
    ids=["no source", "no purpose", "no text", "no evidence", "no moment"],
)
async def test_without_its_whole_proof_a_person_is_stored_and_not_written_to(db: Database, given: dict[str, Any], cells: str):
    report = await run(db, f"phone,consent_at\n+5531987654321,{cells}\n", **given)
    person = await one(db, "+5531987654321")
    assert counts(report) == {"imported": 1, "no_consent": 1}
    assert (person["may_marketing"], person["may_utility"]) == (False, False)
    assert await db.pool.fetchval("select count(*) from consents") == 0


async def test_a_cell_wins_over_what_was_given_for_the_file(db: Database):
    text = (
        "phone;consent_at;source;purpose;text_version;evidence\n"
        '+5531987654321;2026-05-01T09:00-03:00;in person;marketing+utility;v4;"{""by"":""Bia""}"\n'
    )
    await run(db, text)
    rows = await ledger(db, (await one(db, "+5531987654321"))["id"])
    assert sorted(row.purpose for row in rows) == ["marketing", "utility"]
    assert {(row.source, row.text_version) for row in rows} == {("in person", "v4")}
    assert rows[0].evidence == {"form": "https://example.com/f", "by": "Bia"}


BAD_ROWS = [
    (",Ana", "phone", "is empty"),
    ("12345", "phone", "is not a valid number"),
    ("+55 20 98765-4321", "phone", "is not a valid Brazilian number"),
    ("2125550123", "phone", "country code"),
    ("+15550001111", "phone", "is not a valid number"),
    ("+5531987654321,A\x07na", "name", "cannot be printed"),
    ("+5531987654321," + "x" * 201, "name", "longer than 200"),
    ("+5531987654321,Ana,31/05/2026", "consent_at", "is not a date"),
    ("+5531987654321,Ana,2027-01-01", "consent_at", "future"),
    ("+5531987654321,Ana,0001-01-01T00:00+14:00", "consent_at", "is not a date"),
    ("+5531987654321,Ana,,newsletter", "purpose", "is not a purpose"),
    ("+5531987654321,Ana,,,{not json", "evidence", "JSON object"),
    ('+5531987654321,Ana,,,"{""a"":""\\u0000""}"', "evidence", "cannot be printed"),
    ("+5531987654321,Ana,,,,America/Nowhere", "zone", "is not a time zone"),
    ("+79161234567,Olga", "zone", "several time zones"),
    ("+5531987654321,Ana,,,,,too,many", None, "cells"),
    ('+5531987654321,"Ana" B', None, "quote"),
]


@pytest.mark.parametrize(("cells", "column", "reason"), BAD_ROWS)
def test_a_bad_row_is_returned_with_its_column_and_the_reason(cells: str, column: str | None, reason: str):
    header = "phone,name,consent_at,purpose,evidence,zone"
    good = f"+5511987654321{',' * header.count(',')}"
    cells += "," * (header.count(",") - cells.count(","))  # `{…}` and `"…"` hold none here but for the row that has too many
    sheet = read_contacts(io.StringIO(f"{header}\n{good}\n{cells}\n"), Proof(), at=AT)
    (bad,) = sheet.bad
    assert (bad.column, bad.line) == (column, 3)
    assert reason in bad.reason
    assert (sheet.read, len(sheet.rows)) == (2, 1)


PHONES = """
    +55 (31) 98765-4321    +5531987654321
    553187654321           +5531987654321
    31 98765-4321          +5531987654321
    0055 31 98765 4321     +5531987654321
    +55 11 3123-4567       +551131234567
    +351 912 345 678       +351912345678
"""


@pytest.mark.parametrize("line", PHONES.strip().splitlines())
def test_a_number_is_read_however_it_is_written(line: str):
    written, expected = line.strip().rsplit(maxsplit=1)
    assert read_phone(written) == expected


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["name\n", "Ana\n"], "no column `phone`"),
        ([], "no column `phone`"),
        (["phone,phone\n"], "twice"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_clear_line(lines: list[str], reason: str):
    with pytest.raises(Wrong, match=reason):
        read_contacts(lines, Proof(), at=AT)


def test_a_file_in_another_encoding_gets_one_clear_line():
    stream = io.TextIOWrapper(io.BytesIO("phone,name\n+5531987654321,João\n".encode("latin-1")), encoding="utf-8")
    with pytest.raises(Wrong, match="not UTF-8"):
        read_contacts(stream, Proof(), at=AT)


def test_columns_that_nobody_knows_are_named():
    sheet = read_contacts(io.StringIO("\ufeffphone,consent_date\n+5531987654321,2026-05-01\n\n"), Proof(), at=AT)
    assert (sheet.ignored_columns, sheet.read) == (("consent_date",), 1)


async def test_the_second_import_changes_nothing(db: Database):
    text = "phone,name,consent_at\n+5531987654321,Ana,2026-05-01\n+5511987654321,Bia,2026-05-02\n+5511987654321,Bia,2026-05-02\n"
    first = await run(db, text)
    before = await db.pool.fetch("select * from contacts order by id")
    second = await run(db, text, at=AT + timedelta(days=1))
    assert counts(first) == {"imported": 2, "repeated": 1}
    assert counts(second) == {"unchanged": 2, "repeated": 1}
    assert await db.pool.fetch("select * from contacts order by id") == before
    assert await db.pool.fetchval("select count(*) from consents") == 2


async def test_what_a_later_file_says_is_taken_and_what_it_leaves_empty_stays(db: Database):
    await run(db, "phone,name,audience,consent_at\n+5531987654321,Ana,doctors,2026-05-01\n")
    report = await run(db, "phone,name,audience\n+553187654321,Ana Lima,\n")
    person = await one(db, "+5531987654321")
    assert counts(report) == {"updated": 1, "no_consent": 1}
    assert (person["name"], person["audience"], person["may_marketing"]) == ("Ana Lima", "doctors", True)


STOPS = {
    "suppressed for all by phone": "insert into suppressions (phone_key, purpose, source, at) values ('m:553187654321', 'all', 'word', $1)",
    "suppressed for marketing": "insert into suppressions (phone_key, purpose, source, at) values ('m:553187654321', 'marketing', 'x', $1)",
    "suppressed for all by user id": "insert into suppressions (user_id, purpose, source, at) values ('BR.1', 'all', 'word', $1)",
    "a STOP of their own": "update contacts set stopped_at = $1",
    "the platform's switch": "update contacts set platform_stopped_at = $1",
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
async def test_who_asked_us_to_stop_stays_stopped(db: Database, stop: str):
    await run(db, "phone\n+5531987654321\n")
    await db.pool.execute("update contacts set user_id = 'BR.1'")
    await db.pool.execute(stop, AT)
    report = await run(db, "phone,consent_at\n+5531987654321,2026-05-31\n")
    person = await one(db, "+5531987654321")
    assert counts(report) == {"suppressed": 1}
    assert (person["may_marketing"], person["may_utility"]) == (False, False)
    assert await db.pool.fetchval("select count(*) from consents") == 0


async def test_a_stop_of_marketing_leaves_utility(db: Database):
    await db.pool.execute(
        "insert into suppressions (phone_key, purpose, source, at) values ($1, 'marketing', 'button', $2)", key_of("+5531987654321"), AT
    )
    report = await run(db, "phone,consent_at\n+5531987654321,2026-05-31\n", purpose="marketing utility")
    person = await one(db, "+5531987654321")
    assert counts(report) == {"imported": 1}
    assert (person["may_marketing"], person["may_utility"]) == (False, True)


async def test_a_grant_older_than_the_withdrawal_does_not_revive(db: Database):
    await run(db, "phone,consent_at\n+5531987654321,2026-05-01\n")
    await db.pool.execute(
        "insert into consents (contact_id, purpose, act, source, at, recorded_at, recorded_by)"
        " select id, 'marketing', 'withdrawn', 'word', $1, $1, 'ana' from contacts",
        datetime(2026, 5, 10, tzinfo=UTC),
    )
    await run(db, "phone,consent_at\n+5531987654321,2026-05-05\n")
    assert not (await one(db, "+5531987654321"))["may_marketing"]
    await run(db, "phone,consent_at\n+5531987654321,2026-05-20\n")
    assert (await one(db, "+5531987654321"))["may_marketing"]


async def test_thirty_thousand_people_take_seconds(db: Database):
    draws = random.Random(7)
    phones = draws.sample(range(10_000_000, 99_999_999), 30_000)
    text = "phone,name,audience,consent_at,evidence\n" + "".join(
        f'+55119{phone},Person {phone},doctors,2026-05-01T10:00:00-03:00,"{{""ip"":""203.0.113.9""}}"\n' for phone in phones
    )
    began = time.perf_counter()
    first = await run(db, text)
    middle = time.perf_counter()
    second = await run(db, text)
    print(f"30,000 people: first {middle - began:.1f} s, again {time.perf_counter() - middle:.1f} s")
    assert (first.imported, second.unchanged) == (30_000, 30_000)
    assert middle - began < 60  # two cores may have other work


# ------------------------------------------------------------------ the fast path

AREA = st.sampled_from(sorted(AREA_CODES))
SEPARATOR = st.sampled_from(["", " ", "-", ".", "  "])
PREFIX = st.sampled_from(["", "+55", "55", "+55 ", "(55)", "0055", "+", "+1", "+351"])


@st.composite
def written(draw: st.DrawFn) -> str:
    """Numbers as people write Brazilian ones, right and wrong."""
    area = draw(st.one_of(AREA, st.text("0123456789", min_size=1, max_size=3)))
    ninth = draw(st.sampled_from(["", "9", "99"]))
    local = draw(st.text("0123456789", min_size=7, max_size=9))
    area = f"({area})" if draw(st.booleans()) else area
    return draw(SEPARATOR).join([draw(PREFIX), area, ninth + local[:4], local[4:]])


def by_library(text: str) -> str | None:
    """The mobile that `phonenumbers` reads, in E.164; with the ninth digit that the platform may have dropped. None: it is none."""
    digits = digits_of(text)
    is_national = "+" not in text and len(digits) == 11
    digits = f"55{digits}" if is_national else digits
    if digits[:2] == "55" and len(digits) == 12 and digits[4] in "6789":
        digits = f"{digits[:4]}9{digits[4:]}"
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return None
    is_mobile = phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if is_mobile and number.country_code == 55 else None


@given(st.one_of(written(), st.text("0123456789+() -.", max_size=18)))
def test_the_fast_path_reads_every_mobile_as_phonenumbers_does_and_nothing_else(text: str):
    fast = read_mobile(text)
    if fast is not None:
        assert fast.phone == by_library(text) == read_phone(text)
        assert (fast.key, fast.zone) == (key_of(fast.phone), zone_of(fast.phone))


@given(AREA, st.text("0123456789", min_size=8, max_size=8), SEPARATOR, st.sampled_from(["+55", "55", ""]))
def test_the_fast_path_takes_every_mobile_that_is_written_as_usual(area: str, local: str, separator: str, prefix: str):
    fast = read_mobile(separator.join([prefix, area, "9" + local[:4], local[4:]]))
    assert fast is not None
    assert fast.phone == f"+55{area}9{local}"
