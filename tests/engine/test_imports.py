"""Files of people as people bring them: right counts for every kind of bad row, and the same end however often, and however broken off."""

import asyncio
import io
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from julia_warmer.clock import VirtualClock
from julia_warmer.core.events import OptOutRequested, OptOutSource
from julia_warmer.core.phone import key_of
from julia_warmer.engine import imports
from julia_warmer.engine.contacts import ImportReport
from julia_warmer.engine.contacts_csv import BadRow, Proof
from julia_warmer.engine.erasure import erase_person
from julia_warmer.engine.errors import Conflict, Wrong
from julia_warmer.engine.imports import Given
from julia_warmer.engine.merge import merge_people
from julia_warmer.engine.sheets import look_at
from julia_warmer.engine.urgent import apply_opt_outs
from julia_warmer.store import db as store_db
from julia_warmer.store.local import APP
from julia_warmer.store.seal import Seal
from tests.conftest import Database, Servers

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEAL = Seal(bytes(32))
PROOF = Proof(source="form", purpose="marketing", text_version="v3", evidence={"form": "https://example.com/f"})
COUNTS = ("read", "imported", "updated", "unchanged", "repeated", "suppressed", "no_consent", "bad")


async def bring(
    db: Database, file: Path, body: bytes | str, bad: list[BadRow] | None = None, *, at: datetime = AT, dry_run: bool = False, **given: Any
) -> ImportReport:
    """Import a file as the command does: a process that reads it, two lanes that store it."""
    await asyncio.to_thread(file.write_bytes, body.encode() if isinstance(body, str) else body)
    how = {"seal": SEAL, "clock": VirtualClock(at), "by": "ana", "sink": None if bad is None else bad.extend}
    said = Given(**{"proof": PROOF, **given})
    with file.open("rb") as stream:
        look = look_at(stream, said.encoding)
        if dry_run:
            return await imports.try_import(db.pool, stream, look, said, **how)
        return await imports.import_file(db.pool, stream, look, said, name=file.name, at=at, **how)


def counts(report: ImportReport) -> dict[str, int]:
    return {name: value for name in COUNTS if (value := getattr(report, name))}


async def everything(db: Database) -> Sequence[Any]:
    """All that an import may write, as far as two databases can agree on it."""
    people = await db.pool.fetch(
        "select phone, phone_key, name, zone, audience, opted_in_at, may_marketing, may_utility from contacts order by phone_key"
    )
    grants = await db.pool.fetch(
        "select phone_key, purpose, act, source, version, body, at, consents.zone, recorded_by from consents"
        " join contacts on contacts.id = contact_id left join consent_texts on digest = text_digest order by phone_key, purpose, at, source"
    )
    return [tuple(row) for row in (*people, *grants)]


# ------------------------------------------------------------------ a hundred bad rows among ten thousand

GOOD = "+55 {area} 9{local:08d};Médica {nth};doctors;2026-05-{day:02d}T09:00;"


def good(draw: random.Random, nth: int, local: int) -> str:
    return GOOD.format(area=draw.choice((11, 21, 31, 41, 51)), local=local, nth=nth, day=draw.randint(1, 31))


BAD: dict[str, tuple[int, list[str | bytes]]] = {
    "is not a valid Brazilian number": (14, ["+55 31 9876-543;Ana;;2026-05-01;", "+55 20 98765-4321;Ana;;2026-05-01;"]),
    "is not a valid number": (16, ["12345;Ana;;2026-05-01;", "+1 555 000 1111;Ana;;2026-05-01;", "2125550123;Ana;;2026-05-01;"]),
    "is empty": (5, [";Ana;;2026-05-01;"]),
    "several time zones": (5, ["+7 916 123 45 67;Olga;;2026-05-01;"]),
    "has 3 cells, the first line names 5": (10, ["+55 31 98765-4321;Ana;doctors"]),
    "has 6 cells": (5, ["+55 31 98765-4321;Ana;doctors;2026-05-01;;x"]),
    "as a formula does": (*(15, ['=HYPERLINK("http://x.example");Ana;;2026-05-01;', "+55 31 98765-4321;@SUM(A1);;2026-05-01;"]),),
    "is not UTF-8 as the file's other rows are": (10, ["+55 31 98765-4321;João;;2026-05-01;".encode("latin-1")]),
    "is not a date and time": (5, ["+55 31 98765-4321;Ana;;31/05/2026;"]),
    "lies in the future": (5, ["+55 31 98765-4321;Ana;;2027-01-01;"]),
    "JSON object": (5, ["+55 31 98765-4321;Ana;;2026-05-01;{not json"]),
    "a quote is left open": (5, ['+55 31 98765-4321;"Ana;;2026-05-01;']),
}
FORMS = ("+55 31 9{a}-{b}", "55319{a}{b}", "5531{a}{b}", "+55 (31) {a}-{b}", "31 9{a} {b}")


async def test_a_hundred_bad_rows_among_ten_thousand_are_each_told_with_their_reason(db: Database, tmp_path: Path):
    draw = random.Random(3)
    locals_ = draw.sample(range(60_000_000, 99_999_999), 9_900)
    lines: list[str | bytes] = [good(draw, nth, local) for nth, local in enumerate(locals_[:9_840])]
    lines += [f"+55 61 9{local};Sem prova;doctors;;" for local in locals_[9_840:9_850]]
    gone = [f"{local:08d}" for local in locals_[9_850:9_860]]  # they withdrew, two in each way
    for nth, local in enumerate(gone):
        await WITHDRAWN[nth % len(WITHDRAWN)](db, tmp_path / "before.csv", local)
    lines += [f"{form};Ela;doctors;2026-05-01;" for local in gone for form in (f"+55 61 9{local}", f"5561{local}", f"61 9{local}")]
    twice = [f"{local:08d}" for local in locals_[9_860:9_864]]
    lines += [
        f"{form.format(a=local[:4], b=local[4:])};Dupla;doctors;2026-05-01;" for local in twice for form in FORMS
    ]  # of each person one row, and four more
    wrong_for: dict[str | bytes, str] = {}
    for reason, (number, kinds) in BAD.items():
        lines += [kinds[nth % len(kinds)] for nth in range(number)]
        wrong_for |= dict.fromkeys(kinds, reason)
    draw.shuffle(lines)
    expected = {nth: wrong_for[line] for nth, line in enumerate(lines, start=2) if line in wrong_for}
    body = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in ["phone;name;audience;consent_at;evidence", *lines])

    bad: list[BadRow] = []
    report = await bring(db, tmp_path / "people.csv", body, bad)
    assert {row.line: [reason for reason in BAD if reason in row.reason] for row in bad} == {line: [why] for line, why in expected.items()}
    assert Counter(expected.values()) == {reason: number for reason, (number, _) in BAD.items()}
    assert len(bad) == len(expected) == 100
    assert counts(report) == {
        "read": len(lines),
        "imported": 9_854,
        "repeated": 16,
        "suppressed": 30,
        "no_consent": 10,
        "bad": 100,
    }
    assert len(lines) == 9_854 + 16 + 30 + 100
    assert await db.pool.fetchval("select count(*) from contacts where phone like '+5561%' and (may_marketing or may_utility)") == 0
    assert await db.pool.fetchval("select count(*) from contacts where may_marketing") == 9_844
    wrong = Counter(row.column for row in bad)
    assert (wrong["phone"], wrong["consent_at"], wrong["evidence"], wrong["zone"], wrong["name"]) == (43, 10, 5, 5, 7)

    before = await everything(db)
    again = await bring(db, tmp_path / "people.csv", body, at=AT + timedelta(days=1))
    assert counts(again) == {"read": len(lines), "unchanged": 9_854, "repeated": 16, "suppressed": 30, "no_consent": 10, "bad": 100}
    assert await everything(db) == before


async def _known(db: Database, file: Path, local: str) -> int:
    """Somebody who may be written to; the id."""
    assert counts(await bring(db, file, f"phone,consent_at\n+55 61 9{local},2026-05-01\n")) == {"read": 1, "imported": 1}
    return await db.pool.fetchval("select id from contacts where phone_key = $1 and may_marketing", key_of(f"5561{local}"))


async def _listed(db: Database, _: Path, local: str) -> None:
    """A stranger on the list of suppressions."""
    await stop(db, f"5561{local}")


async def _said(db: Database, local: str, source: OptOutSource, purpose: str) -> None:
    async with db.pool.acquire() as conn, conn.transaction():
        asked = OptOutRequested(at=AT - timedelta(days=1), phone=f"5561{local}", source=source, purpose=purpose)
        await apply_opt_outs(conn, [asked], seal=SEAL, at=AT)


async def _wrote(db: Database, file: Path, local: str) -> None:
    await _known(db, file, local)
    await _said(db, local, OptOutSource.WORD, "all")


async def _switched(db: Database, file: Path, local: str) -> None:
    """WhatsApp's own switch, which is about marketing, as the file's consents are."""
    await _known(db, file, local)
    await _said(db, local, OptOutSource.CODE, "marketing")


async def _erased(db: Database, file: Path, local: str) -> None:
    await _known(db, file, local)
    async with db.pool.acquire() as conn, conn.transaction():
        await erase_person(conn, f"+55619{local}", seal=SEAL, at=AT, by="ana", why="asked")


async def _left(db: Database, file: Path, local: str) -> None:
    """They have another number now, and wrote from that."""
    other = f"{60_000_000 + int(local) % 1_000_000:08d}"  # of no other row
    old, new = await _known(db, file, local), await _known(db, file, other)
    await _said(db, other, OptOutSource.WORD, "all")
    async with db.pool.acquire() as conn, conn.transaction():
        await merge_people(conn, [old], new, why="a new number", at=AT)


WITHDRAWN = (_listed, _wrote, _switched, _erased, _left)


async def stop(db: Database, wa_id: str) -> None:
    await db.pool.execute(
        "insert into suppressions (phone_key, purpose, source, at) values ($1, 'all', 'word', $2)", key_of(wa_id), AT - timedelta(days=9)
    )


# ------------------------------------------------------------------ encodings, separators, columns, workbooks

NAMES = "Telefone{0}Nome completo{0}Data do Opt-In{0}Notas\n(31) 98765-4321{0}João Ação{0}2026-05-01{0}x\n"
WRITTEN = {
    "UTF-8": NAMES.format(";").encode(),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + NAMES.format(",").encode(),
    "Latin-1": NAMES.format(";").encode("latin-1"),
    "Windows": NAMES.format("\t").replace("\n", "\r\n").encode("cp1252"),
    "UTF-16, as Excel writes it": NAMES.format("\t").encode("utf-16"),
    "UTF-16 without a mark": NAMES.format(",").encode("utf-16-le"),
    "Excel's own separator line": b"sep=;\n" + NAMES.format(";").encode(),
}


@pytest.mark.parametrize("body", WRITTEN.values(), ids=WRITTEN)
async def test_a_file_is_read_however_it_was_saved(db: Database, tmp_path: Path, body: bytes):
    report = await bring(db, tmp_path / "people.csv", body)
    assert (counts(report), report.ignored_columns) == ({"read": 1, "imported": 1}, ("Notas",))
    assert report.columns == {"phone": "Telefone", "name": "Nome completo", "consent_at": "Data do Opt-In"}
    assert await db.pool.fetchval("select name from contacts where may_marketing") == "João Ação"


async def test_a_workbook_is_read_and_its_formulas_are_not_carried_out(db: Database, tmp_path: Path):
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["celular", "nome", "opt-in at"])
    sheet.append([5531987654321, "Ana", datetime(2026, 5, 1, 9)])
    sheet.append(["+55 11 98765-4321", "=1+1", None])
    sheet.append([None, None, None])
    sheet.append(["+55 21 98765-4321", "Caio", None])
    held = io.BytesIO()
    book.save(held)
    bad: list[BadRow] = []
    report = await bring(db, tmp_path / "people.xlsx", held.getvalue(), bad)
    assert counts(report) == {"read": 3, "imported": 2, "no_consent": 1, "bad": 1}
    assert [(row.line, row.column, row.reason) for row in bad] == [(3, "nome", "begins with =, as a formula does: write it without")]
    assert await db.pool.fetchval("select opted_in_at from contacts where may_marketing") == datetime(2026, 5, 1, 12, tzinfo=UTC)


async def test_columns_are_found_by_what_was_said_and_phones_by_what_they_are(db: Database, tmp_path: Path):
    body = "Contato principal,Quem,Quando\n+5531987654321,Ana,2026-05-01\n"
    report = await bring(db, tmp_path / "a.csv", body, columns={"name": "quem", "consent_at": "QUANDO"})
    assert report.columns == {"name": "Quem", "consent_at": "Quando", "phone": "Contato principal"}
    assert counts(report) == {"read": 1, "imported": 1}
    for columns, reason in (({"name": "Nome"}, "no column 'Nome'"), ({"nome": "Quem"}, "nothing that a file says")):
        with pytest.raises(Wrong, match=reason):
            await bring(db, tmp_path / "a.csv", body, columns=columns)
    with pytest.raises(Wrong, match="several columns look like phones: a, b"):
        await bring(db, tmp_path / "a.csv", "a,b\n+5531987654321,+5531987654322\n")
    assert await db.pool.fetchval("select array_agg(state order by id) from imports") == ["done", "failed", "failed", "failed"]


async def test_an_open_quote_costs_one_row_and_a_cell_may_have_several_lines(db: Database, tmp_path: Path):
    body = 'phone,name\n+5531987654321,"Ana\n+5531987654322,Bia\n+5531987654323,"Caio, o ""Rei""\nda rua"\n+5531987654324,Davi\n'
    bad: list[BadRow] = []
    report = await bring(db, tmp_path / "a.csv", body, bad)
    assert counts(report) == {"read": 4, "imported": 3, "no_consent": 3, "bad": 1}
    assert [(row.line, row.cells["name"]) for row in bad] == [(2, "Ana")]
    names = await db.pool.fetch("select name from contacts order by phone")
    assert [row["name"] for row in names] == ["Bia", 'Caio, o "Rei"\nda rua', "Davi"]


# ------------------------------------------------------------------ rows of one person, changes, dry runs


async def test_the_first_row_that_says_a_thing_says_it_and_later_ones_add_what_is_missing(db: Database, tmp_path: Path):
    rows = "+5531987654321,Ana,,\n+553187654321,Ana Lima,doctors,2026-05-01\n31 98765-4321,,nurses,2026-05-02\n"
    body = f"phone,name,audience,consent_at\n{rows}"
    assert counts(await bring(db, tmp_path / "a.csv", body)) == {"read": 3, "imported": 1, "repeated": 2}
    person = await db.pool.fetchrow("select name, audience, may_marketing, opted_in_at from contacts")
    assert tuple(person) == ("Ana", "doctors", True, datetime(2026, 5, 2, 3, tzinfo=UTC))
    assert await db.pool.fetchval("select count(*) from consents") == 2
    before = await everything(db)
    assert counts(await bring(db, tmp_path / "a.csv", body)) == {"read": 3, "unchanged": 1, "repeated": 2}
    assert await everything(db) == before


async def test_a_dry_run_says_what_would_come_of_it_and_changes_nothing(db: Database, tmp_path: Path):
    await bring(db, tmp_path / "a.csv", "phone,name,consent_at\n+5531987654321,Ana,2026-05-01\n+5531987654322,Bia,2026-05-01\n")
    await stop(db, "5531987654323")
    before = await everything(db)
    rows = "+5531987654321,Ana,2026-05-01\n31987654322,Bia,2026-05-02\n31987654323,Caio,2026-05-02\n31987654324,Davi,\n1,,\n"
    body = f"phone,name,consent_at\n{rows}"
    expected = {"read": 5, "imported": 1, "updated": 1, "unchanged": 1, "suppressed": 1, "no_consent": 1, "bad": 1}
    assert counts(await bring(db, tmp_path / "b.csv", body, dry_run=True)) == expected
    assert await everything(db) == before
    assert await db.pool.fetchval("select count(*) from imports") == 1
    assert counts(await bring(db, tmp_path / "b.csv", body)) == expected


async def test_a_stop_from_a_number_that_is_being_added_holds_when_the_import_ends(db: Database, tmp_path: Path):
    """The stop finds no contact yet, and the batch does not see the stop: it is looked for again. No claim waits for that."""
    await bring(db, tmp_path / "a.csv", "phone,consent_at\n+5531987654321,2026-05-01\n+5531987654322,2026-05-01\n")
    await stop(db, "553187654321")
    async with db.pool.acquire() as conn:
        assert await imports.settle(conn, at=AT + timedelta(minutes=1)) == 1
        people = await conn.fetch("select may_marketing, stopped_at is not null from contacts order by phone")
    assert [tuple(row) for row in people] == [(False, True), (True, False)]


# ------------------------------------------------------------------ broken off

PROGRAM = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from tests.engine.test_imports import kept
asyncio.run(kept(sys.argv[1], Path(sys.argv[2])))
"""


async def kept(dsn: str, file: Path) -> None:
    """The import of a process of its own."""
    pool = await store_db.open_pool(dsn, application_name="killed", max_size=4)
    with file.open("rb") as stream:
        await imports.import_file(
            pool, stream, look_at(stream), Given(proof=PROOF), name=file.name, at=AT, seal=SEAL, clock=VirtualClock(AT), by="ana"
        )
    await pool.close()


async def test_a_killed_import_goes_on_where_it_stopped_and_ends_as_an_unbroken_one(db: Database, tmp_path: Path, servers: Servers):
    draw = random.Random(5)
    lines = [good(draw, nth, local) for nth, local in enumerate(draw.sample(range(10_000_000, 99_999_999), 16_000))]
    lines += lines[:50] + ["+55 20 1;x;;;"] * 20
    file = tmp_path / "people.csv"
    body = "\n".join(["phone;name;audience;consent_at;evidence", *lines])
    file.write_text(body)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, db.dsn, str(file)], cwd=Path(__file__).parents[2])  # noqa: ASYNC220
    try:
        while (await db.pool.fetchval("select coalesce(sum(batches), 0) from import_lanes")) < 2:
            assert process.poll() is None, "it was to be killed half-way"
            await asyncio.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    stored = await db.pool.fetchval("select count(*) from contacts")
    assert 0 < stored < 16_000
    ours = "select count(*) from pg_stat_activity where application_name = 'killed'"
    while await db.pool.fetchval(ours):  # noqa: ASYNC110 - the server notices by itself that nobody is there
        await asyncio.sleep(0.01)

    bad: list[BadRow] = []
    report = await bring(db, file, body, bad)
    assert counts(report) == {"read": 16_070, "imported": 16_000, "repeated": 50, "bad": 20}
    assert (report.resumed_rows >= stored, len(bad)) == (True, 20)
    broken = await everything(db)
    assert await db.pool.fetchval("select array_agg(state) from imports") == ["done"]

    await servers.clone("18", f"{db.name}_whole")
    try:
        pool = await store_db.open_pool(servers.get("18").dsn(f"{db.name}_whole", APP), application_name="whole", max_size=4)
        unbroken = replace(db, pool=pool)
        assert counts(await bring(unbroken, file, body)) == counts(report)
        assert await everything(unbroken) == broken
        pool.terminate()
    finally:
        await servers.drop("18", f"{db.name}_whole")


async def test_one_file_is_imported_by_one_process_at_a_time(db: Database, tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("phone\n+5531987654321\n")
    async with db.pool.acquire() as other:
        with file.open("rb") as stream:
            look, given = look_at(stream), Given(proof=PROOF)
            async with db.pool.acquire() as conn:
                import_id, is_new = await imports.begin(conn, look, given, name="a.csv", at=AT, by="ana")
            assert is_new
            await other.execute("select pg_advisory_lock(x'696d7072'::int, $1::int)", import_id)
            with pytest.raises(Conflict, match="by another process"):
                await imports.import_file(db.pool, stream, look, given, name="a.csv", at=AT, seal=SEAL, clock=VirtualClock(AT), by="ana")
