"""People over the API: import with its bad rows, what is known of one, conversations and answers."""

from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

from julia_warmer.engine import uploads
from julia_warmer.store.inbound import TEXT_USE
from tests.api.site import AT, SEAL, Site, parts_of
from tests.conftest import Database
from tests.engine import outgoing as given

PROOF = {"source": "form", "purpose": "marketing", "text_version": "v3", "evidence": '{"form": "https://example.com"}'}
CSV = {"Content-Type": "text/csv"}


async def upload(site: Site, text: str | bytes, **query: str) -> tuple[int, Any]:
    data = text.encode() if isinstance(text, str) else text
    async with site.http.post("/warmer/contacts/import", params=PROOF | query, data=data, headers=CSV) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_people_are_imported_and_bad_rows_come_back_with_the_reason(site: Site):
    text = "phone;name;consent_at;favourite\n(31) 98765-4321;João;2026-05-01 09:00;x\n+55 20 1;Bia;;\n+5511987654321;Ana;;\n"
    status, report = await upload(site, text)
    assert status == 200
    assert (report["read"], report["imported"], report["no_consent"], report["bad"]) == (3, 2, 1, 1)
    assert report["bad_rows"][0]["line"] == 3
    assert report["bad_rows"][0]["column"] == "phone"
    assert report["ignored_columns"] == ["favourite"]
    person = await site.ok("GET", "/warmer/contacts/+55 31 98765-4321")
    assert (person["name"], person["may_marketing"], person["suppressed"]) == ("João", True, False)
    evidence = person["consents"][0]["evidence"]
    assert evidence == {"form": "https://example.com", "file_sha256": sha256(text.encode()).hexdigest(), "line": 2}
    same = await site.ok("GET", "/warmer/contacts/553187654321")
    assert same["id"] == person["id"]
    assert (await upload(site, text))[1]["unchanged"] == 2


async def test_a_file_that_cannot_be_used_is_one_clear_problem(site: Site):
    for text, reason in (
        ("name\nAna\n", "no column `phone`"),
        (b"\xff\xfe\x00", "not UTF-16"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel form"),
    ):
        status, said = await upload(site, text)
        assert (status, said["type"]) == (422, "urn:warmer:problem:unprocessable-content")
        assert reason in said["detail"]
        assert said["mend"]
    for query in ({"purpose": "fishing"}, {"evidence": "{"}, {"source": "\x07"}):
        status, said = await upload(site, "phone\n+5531987654321\n", **query)
        assert (status == 200 and said["bad"] == 1) or status == 422, said
    assert (await upload(site, b""))[0] == 422


async def test_an_upload_is_carried_out_by_a_worker_and_tells_how_far_it_is(site: Site, db: Database):
    text = "Celular;Nome;Data do opt-in\n(31) 98765-4321;João;2026-05-01 09:00\n+55 20 1;Bia;\n".encode("latin-1")
    async with site.http.post("/warmer/imports", params=PROOF | {"name": "lista.csv"}, data=text, headers=CSV) as answer:
        assert answer.status == 202
        import_id = (await answer.json())["id"]
    async with site.http.post("/warmer/imports", params=PROOF | {"name": "lista.csv"}, data=text, headers=CSV) as answer:
        assert (await answer.json())["id"] == import_id  # it waits already
    standing = await site.ok("GET", f"/warmer/imports/{import_id}")
    assert (standing["state"], standing["imported"], standing["read"]) == ("waiting", 0, None)
    assert await db.pool.fetchval("select count(*) from pgqueuer where entrypoint = 'import'") == 1

    assert await uploads.carry_out(parts_of(db), clock=site.clock)
    standing = await site.ok("GET", f"/warmer/imports/{import_id}")
    assert (standing["state"], standing["imported"], standing["read"], standing["bad"]) == ("done", 1, 2, 1)
    assert (standing["bad_rows"][0]["line"], standing["bad_rows"][0]["column"]) == (3, "Celular")
    assert (await site.ok("GET", "/warmer/contacts/+5531987654321"))["name"] == "João"
    assert await db.pool.fetchval("select count(*) from import_pieces") == 0
    assert not await uploads.carry_out(parts_of(db), clock=site.clock)
    assert [row["id"] for row in (await site.ok("GET", "/warmer/imports"))["items"]] == [import_id]
    assert (await site.refused("GET", "/warmer/imports/99"))[0] == 404


async def test_an_upload_that_is_no_table_says_so_where_it_is_asked_for(site: Site, db: Database):
    async with site.http.post("/warmer/imports", data=b"name\nAna\n", headers=CSV) as answer:
        import_id = (await answer.json())["id"]
    await uploads.carry_out(parts_of(db), clock=site.clock)
    standing = await site.ok("GET", f"/warmer/imports/{import_id}")
    assert (standing["state"], standing["reason"]) == ("failed", "the file has no column `phone`")


async def test_a_body_past_its_limit_is_413_and_an_import_may_be_longer(site: Site):
    row = "+5531987654321,Ana,2026-05-01\n"
    status, report = await upload(site, "phone,name,consent_at\n" + row * 50_000)  # 1.5 MB
    assert (status, report["read"], report["imported"], report["repeated"]) == (200, 50_000, 1, 49_999)
    status, kind, _ = await site.refused("POST", "/warmer/stops", {"scope": "everything", "why": "x" * 1_100_000})
    assert (status, kind) == (413, "content-too-large")

    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b" " * 100_000

    async with site.http.post("/warmer/stops", data=in_pieces(), headers={"Content-Type": "application/json"}) as answer:
        assert (answer.status, (await answer.json(content_type=None))["type"]) == (413, "urn:warmer:problem:content-too-large")


async def test_nobody_is_found_or_explained_where_nobody_is(site: Site):
    assert (await site.refused("GET", "/warmer/contacts/+5531987654321"))[0] == 404
    for wrong in ("12345678", "abc", "+55 20 98765-4321"):
        assert (await site.refused("GET", f"/warmer/contacts/{wrong}"))[0] == 422
    why = await site.ok("GET", "/warmer/contacts/+5531987654321/why-not-now")
    assert (why["contact_id"], why["binding"]["name"], why["earliest_at"]) == (None, "consent", None)


async def test_a_person_who_waits_is_seen_read_and_answered(site: Site, db: Database):
    async with db.pool.acquire() as conn:
        fleet = await given.add_fleet(conn)
        people = [await given.add_person(conn, nth) for nth in range(3)]
        for nth, person in enumerate(people):
            heard_at = AT - timedelta(hours=20 * nth + 1)
            await conn.execute(
                "insert into conversations (chip_id, contact_id, window_until, last_received_at, waiting) values ($1, $2, $3, $4, $5)",
                fleet.chips[0],
                person,
                heard_at + timedelta(hours=24),
                heard_at,
                nth != 1,
            )
            sealed = SEAL.close(f"Tenho interesse {nth}".encode(), use=TEXT_USE)
            await conn.execute(
                "insert into received (message_id, chip_id, contact_id, at, type, text) values ($1, $2, $3, $4, 'text', $5)",
                f"wamid.{nth}",
                fleet.chips[0],
                person,
                heard_at,
                sealed,
            )
    waiting = await site.ok("GET", "/warmer/conversations?waiting=true&limit=1")
    assert [row["contact_id"] for row in waiting["items"]] == [people[0]]
    rest = await site.ok("GET", f"/warmer/conversations?waiting=true&cursor={waiting['next']}")
    assert [row["contact_id"] for row in rest["items"]] == [people[2]]
    assert len((await site.ok("GET", "/warmer/conversations"))["items"]) == 3

    path = f"/warmer/conversations/one-0/{people[0]}"
    (message,) = (await site.ok("GET", path))["items"]
    assert (message["by_person"], message["text"]) == (True, "Tenho interesse 0")
    sent = await site.ok("POST", f"{path}/reply", {"text": "Bom dia!\nO plantão é das 7 às 19."})
    ours = (await site.ok("GET", path))["items"][0]
    assert (ours["by_person"], ours["state"], ours["body"]["text"]) == (False, "planned", "Bom dia!\nO plantão é das 7 às 19.")
    assert (await site.ok("GET", f"/warmer/audit?target=chip:{fleet.chips[0]}"))["items"][0]["body"]["send_id"] == sent["send_id"]

    for person, body, status, reason in (
        (people[2], {"text": "tarde demais"}, 409, "window is closed"),
        (people[0], {"text": "  "}, 422, "says nothing"),
        (people[0], {"type": "image"}, 422, "needs a file"),
        (people[0], {"type": "fax", "text": "x"}, 422, "is not known"),
        (people[0], {"type": "image", "link": "http://example.com/a.png"}, 422, "body.link"),
        (999, {"text": "quem?"}, 404, "no such chip or contact"),
    ):
        found = await site.refused("POST", f"/warmer/conversations/one-0/{person}/reply", body)
        assert found[0] == status, found
        assert reason in found[2], found
